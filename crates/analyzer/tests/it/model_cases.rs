//! Each way a model can fail, and the one outcome it has.
//!
//! Case names follow the sections of the vendor fact sheet: waiting, finish reasons, HTTP errors, quirks.

mod http;

use std::time::Duration;

use analyzer::recommendation::Recommendation;
use market_sim::model::{ModelReply, Phase};
use serde_json::{Value, json};
use strategy_core::model::advice::AbstainReason;
use tokio::task::JoinSet;

use crate::adviser::{Said, advise, adviser, model, report, said};
use crate::market::KEY;

/// The script of a case, what the line says, and how many requests the model got.
struct Case {
    name: &'static str,
    replies: Vec<(Phase, ModelReply, u32)>,
    timeout: &'static str,
    said: Said,
    requests: usize,
}

fn case(name: &'static str, phase: Phase, reply: ModelReply, said: Said, requests: usize) -> Case {
    Case {
        name,
        replies: vec![(phase, reply, u32::MAX)],
        timeout: "timeout: 20",
        said,
        requests,
    }
}

/// The reply comes once; what follows is good.
fn once(name: &'static str, phase: Phase, reply: ModelReply, said: Said, requests: usize) -> Case {
    let mut case = case(name, phase, reply, said, requests);
    case.replies[0].2 = 1;
    case
}

/// With a short limit.
fn short(name: &'static str, reply: ModelReply, said: Said, requests: usize) -> Case {
    let mut case = case(name, Phase::Any, reply, said, requests);
    case.timeout = "timeout: 3";
    case
}

const INVALID: Said = Said::Abstain(AbstainReason::InvalidAnswer);
const REFUSED: Said = Said::Abstain(AbstainReason::ModelRefused);

fn waiting() -> Vec<Case> {
    let pause = Duration::from_millis(5);
    let blank_then = |then| ModelReply::BlankLinesThen {
        lines: 50,
        pause,
        then: Box::new(then),
    };
    let endless = ModelReply::BlankLines {
        lines: 100_000,
        pause: Duration::from_millis(50),
    };
    let trickle = |chunk, pause| ModelReply::Trickle {
        chunk,
        pause,
        reply: Box::new(ModelReply::Well),
    };
    let delayed = ModelReply::Delayed(Duration::from_millis(200), Box::new(ModelReply::Well));
    vec![
        case(
            "blank lines, then the answer",
            Phase::Any,
            blank_then(ModelReply::Well),
            Said::Model,
            2,
        ),
        once(
            "blank lines, then the end",
            Phase::Any,
            ModelReply::BlankLines { lines: 5, pause },
            Said::Model,
            3,
        ),
        case(
            "blank lines and the end, always",
            Phase::Any,
            ModelReply::BlankLines { lines: 5, pause },
            Said::Rules("unreadable"),
            3,
        ),
        short("keep-alive without end", endless, Said::Rules("timeout"), 1),
        short("nothing at all", ModelReply::Hang, Said::Rules("timeout"), 1),
        short(
            "a few bytes now and then",
            trickle(1, Duration::from_millis(50)),
            Said::Rules("timeout"),
            1,
        ),
        case("a slow answer", Phase::Any, trickle(100, pause), Said::Model, 2),
        case("a late answer", Phase::Any, delayed, Said::Model, 2),
        once(
            "cut inside the answer",
            Phase::Any,
            ModelReply::Cut(60),
            Said::Model,
            3,
        ),
        case(
            "cut inside the answer, always",
            Phase::Any,
            ModelReply::Cut(60),
            Said::Rules("unreachable"),
            3,
        ),
        once(
            "cut before the answer",
            Phase::Any,
            ModelReply::Cut(0),
            Said::Model,
            3,
        ),
    ]
}

fn finish_reasons() -> Vec<Case> {
    let ended = |reason| ModelReply::finish_reason(reason);
    let missing = ModelReply::Content {
        text: "{}".to_owned(),
        finish_reason: None,
    };
    let cut_calls = ModelReply::ToolCalls {
        calls: vec![("depth_snapshot_analysis".to_owned(), "{\"sym".to_owned())],
        finish_reason: "length".to_owned(),
    };
    vec![
        case("length", Phase::Final, ended("length"), INVALID, 2),
        case(
            "content_filter",
            Phase::Final,
            ended("content_filter"),
            REFUSED,
            2,
        ),
        once(
            "insufficient_system_resource",
            Phase::Final,
            ended("insufficient_system_resource"),
            Said::Model,
            3,
        ),
        case(
            "insufficient_system_resource, always",
            Phase::Final,
            ended("insufficient_system_resource"),
            Said::Rules("interrupted"),
            4,
        ),
        once("aborted", Phase::Final, ended("aborted"), Said::Model, 3),
        case("an unknown one", Phase::Final, ended("tired"), INVALID, 2),
        case("an empty one", Phase::Final, ended(""), INVALID, 2),
        case("none", Phase::Any, missing, INVALID, 1),
        case("calls cut off", Phase::Any, cut_calls, INVALID, 1),
    ]
}

fn quirks() -> Vec<Case> {
    let depth = "depth_snapshot_analysis";
    let twice = ModelReply::tool_calls(&[(depth, "{}"), (depth, "{}"), ("orderflow_analysis", "{}")]);
    vec![
        // A model whose calls were answered with errors has no level to name.
        case("a good model", Phase::Any, ModelReply::Well, Said::Model, 2),
        case("a fence", Phase::Final, ModelReply::Fenced, Said::Model, 2),
        once(
            "a tool call as text",
            Phase::Final,
            ModelReply::dsml(),
            Said::Model,
            3,
        ),
        case(
            "tool calls as text, always",
            Phase::Any,
            ModelReply::dsml(),
            INVALID,
            2,
        ),
        once(
            "blank content",
            Phase::Final,
            ModelReply::blank_content(),
            Said::Model,
            3,
        ),
        case(
            "blank content, always",
            Phase::Any,
            ModelReply::blank_content(),
            INVALID,
            2,
        ),
        case(
            "only reasoning",
            Phase::Final,
            ModelReply::OnlyReasoning,
            INVALID,
            3,
        ),
        once(
            "broken arguments",
            Phase::Tools,
            ModelReply::invalid_arguments(depth),
            INVALID,
            3,
        ),
        once(
            "an unknown tool",
            Phase::Tools,
            ModelReply::unknown_tool(),
            INVALID,
            3,
        ),
        once("the same call twice", Phase::Tools, twice.clone(), Said::Model, 2),
        case("calls without end", Phase::Any, twice, INVALID, 3),
    ]
}

fn answers() -> Vec<Case> {
    let answer = |fields: Value| ModelReply::AnswerWith(fields);
    vec![
        case(
            "prose",
            Phase::Any,
            ModelReply::text("Buy now, do not sell."),
            INVALID,
            2,
        ),
        once(
            "prose, then an answer",
            Phase::Final,
            ModelReply::text("Buy now."),
            Said::Model,
            3,
        ),
        case(
            "numbers as text",
            Phase::Final,
            answer(json!({"confidence": "0.6"})),
            Said::Model,
            2,
        ),
        case(
            "lower case",
            Phase::Final,
            answer(json!({"action": "buy", "risk_level": "low"})),
            Said::Model,
            2,
        ),
        case(
            "confidence of 72",
            Phase::Final,
            answer(json!({"confidence": 72})),
            INVALID,
            3,
        ),
        case(
            "no range",
            Phase::Final,
            answer(json!({"price_range": null})),
            INVALID,
            3,
        ),
        case(
            "a range of zeros",
            Phase::Final,
            answer(json!({"price_range": [0, 0]})),
            INVALID,
            3,
        ),
        case(
            "a range upside down",
            Phase::Final,
            answer(json!({"price_range": [110_140, 110_130]})),
            INVALID,
            3,
        ),
        case(
            "a range far away",
            Phase::Final,
            answer(json!({"price_range": [90_000, 90_010]})),
            INVALID,
            3,
        ),
        case(
            "an unknown action",
            Phase::Final,
            answer(json!({"action": "WAIT"})),
            INVALID,
            3,
        ),
        case(
            "an empty reasoning",
            Phase::Final,
            answer(json!({"reasoning": ""})),
            INVALID,
            3,
        ),
    ]
}

async fn play(case: Case) -> (Case, Recommendation, Vec<Value>) {
    let server = model().await;
    for (phase, reply, times) in &case.replies {
        server.script().push(*phase, reply.clone(), *times);
    }
    let line = advise(&mut adviser(&server.url(), case.timeout), &report()).await;
    let requests = server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    (case, line, requests)
}

async fn play_all(cases: Vec<Case>) {
    let mut playing = JoinSet::new();
    for case in cases {
        playing.spawn(play(case));
    }
    let mut wrong = Vec::new();
    while let Some(played) = playing.join_next().await {
        let (case, line, requests) = played.unwrap();
        let found = (said(&line), requests.len());
        if found != (case.said.clone(), case.requests) {
            let expected = (case.said, case.requests);
            wrong.push(format!(
                "{}: {found:?}, not {expected:?}: {:?}",
                case.name, line.detail
            ));
        }
        let text = line.to_line().unwrap();
        assert!(
            !text.contains(KEY) && !text.contains("cdef"),
            "{}: {text}",
            case.name
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_model_that_keeps_us_waiting() {
    play_all(waiting()).await;
}

#[tokio::test]
async fn a_model_that_ends_in_every_way() {
    play_all(finish_reasons()).await;
}

#[tokio::test]
async fn a_model_that_answers_with_errors() {
    play_all(http::errors()).await;
    play_all(http::successes_that_are_none()).await;
}

#[tokio::test]
async fn a_model_with_quirks() {
    play_all(quirks()).await;
}

#[tokio::test]
async fn a_model_whose_answers_are_odd_or_wrong() {
    play_all(answers()).await;
}

//! What the conversation does with each kind of turn.

use proptest::prelude::*;
use rust_decimal::Decimal;
use strategy_core::model::report::Number;

use super::*;
use crate::llm::error::Outcome;
use crate::sample;

fn settings() -> Settings {
    Settings {
        model: "deepseek-flash".to_owned(),
        thinking: false,
        temperature: 0.1,
        max_tokens: 4000,
        language: Language::En,
    }
}

const GOOD: &str = r#"{"action":"BUY","price_range":[110130,110140],"confidence":0.7,"reasoning":"wall","risk_level":"LOW"}"#;

fn turn(finish_reason: &str, content: &str, calls: &[(&str, &str, &str)]) -> Turn {
    let calls: Vec<Value> = calls
        .iter()
        .map(|(id, name, arguments)| {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        })
        .collect();
    Turn::read(&json!({
        "model": "deepseek-flash",
        "choices": [{"finish_reason": finish_reason, "message": {"content": content, "tool_calls": calls}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10}
    }))
    .unwrap()
}

/// Feeds the turns one after the other; returns the last step and the conversation's requests.
fn play(turns: Vec<Turn>) -> (Step, Vec<Value>) {
    let (settings, report) = (settings(), sample::report());
    let given = Given::of(&report).unwrap();
    let mut conversation = Conversation::new(&settings, &report, given);
    let mut requests = Vec::new();
    let mut step = Step::Ask;
    for turn in turns {
        assert!(matches!(step, Step::Ask), "a turn too many");
        requests.push(serde_json::to_value(conversation.request()).unwrap());
        step = conversation.on_turn(turn);
    }
    (step, requests)
}

fn roles(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["role"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn invalid(step: Step) -> ReplyError {
    match step {
        Step::Failed(LlmError::Invalid(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_tools_are_executed_and_every_id_is_answered() {
    let calls = [
        ("call_00", tools::DEPTH, r#"{"symbol":"BTCFDUSD"}"#),
        ("call_01", tools::FLOW, r#"{"symbol":"BTCFDUSD"}"#),
    ];
    let (step, requests) = play(vec![turn("tool_calls", "", &calls), turn("stop", GOOD, &[])]);
    assert!(matches!(step, Step::Done(_)));
    assert_eq!(
        roles(&requests[1]),
        ["system", "user", "assistant", "tool", "tool"]
    );
    let messages = &requests[1]["messages"];
    assert_eq!(messages[3]["tool_call_id"], "call_00");
    assert!(messages[3]["content"].as_str().unwrap().contains("110136"));
    assert_eq!(messages[4]["tool_call_id"], "call_01");
    assert_eq!(messages[2]["content"], "");
}

#[test]
fn a_request_says_that_thinking_is_off_and_ends_with_the_data() {
    let (_, requests) = play(vec![turn("stop", GOOD, &[])]);
    let text = requests[0].to_string();
    assert!(text.contains(r#""thinking":{"type":"disabled"}"#));
    assert_eq!(requests[0]["tool_choice"], "auto");
    assert_eq!(requests[0]["stream"], false);
    assert!(requests[0].get("response_format").is_none());
    assert_eq!(roles(&requests[0]), ["system", "user"]);
}

#[test]
fn endless_calls_end_in_a_round_without_tools() {
    let call = || turn("tool_calls", "", &[("a", tools::DEPTH, "{}")]);
    let (step, requests) = play(vec![call(), call(), call()]);
    assert_eq!(requests[2]["tool_choice"], "none");
    assert_eq!(requests[2]["response_format"]["type"], "json_object");
    assert_eq!(invalid(step), ReplyError::EndlessTools);
}

#[test]
fn unknown_tools_broken_arguments_and_too_many_calls_are_answered_with_an_error() {
    let mut calls = vec![("a", "get_price", "{}"), ("b", tools::DEPTH, "{broken")];
    calls.extend((0..10).map(|_| ("c", tools::FLOW, "{}")));
    let (step, requests) = play(vec![turn("tool_calls", "", &calls), turn("stop", GOOD, &[])]);
    assert!(matches!(step, Step::Done(_)));
    let messages = requests[1]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3 + 12);
    for index in [3, 4, 14] {
        let content = messages[index]["content"].as_str().unwrap();
        assert!(content.starts_with("{\"error\""), "{content}");
    }
}

#[test]
fn a_bad_answer_gets_one_repair_round_with_the_reason() {
    let bad = GOOD.replace("0.7", "7");
    let (step, requests) = play(vec![turn("stop", &bad, &[]), turn("stop", GOOD, &[])]);
    assert!(matches!(step, Step::Done(_)));
    assert_eq!(roles(&requests[1]), ["system", "user", "assistant", "user"]);
    let reason = requests[1]["messages"][3]["content"].as_str().unwrap();
    assert!(
        reason.contains("the field confidence is not a number from 0 to 1"),
        "{reason}"
    );
    assert_eq!(requests[1]["tool_choice"], "none");

    let (step, _) = play(vec![turn("stop", &bad, &[]), turn("stop", "  ", &[])]);
    assert_eq!(invalid(step), ReplyError::Blank);
}

#[test]
fn a_blank_answer_and_tool_markup_are_not_sent_back() {
    for content in ["   ", "<｜DSML｜tool_calls>"] {
        let (_, requests) = play(vec![turn("stop", content, &[]), turn("stop", GOOD, &[])]);
        assert_eq!(roles(&requests[1]), ["system", "user", "user"], "{content}");
    }
}

#[test]
fn every_way_to_end_has_its_outcome() {
    let ended = |finish_reason: &str| match play(vec![turn(finish_reason, GOOD, &[])]).0 {
        Step::Failed(error) => error,
        other => panic!("{other:?}"),
    };
    for (reason, transient, outcome) in [
        ("length", false, "Abstain(InvalidAnswer)"),
        ("content_filter", false, "Abstain(ModelRefused)"),
        ("insufficient_system_resource", true, "FallBack(\"interrupted\")"),
        ("aborted", true, "FallBack(\"interrupted\")"),
        ("", false, "Abstain(InvalidAnswer)"),
        ("something_new", false, "Abstain(InvalidAnswer)"),
    ] {
        let error = ended(reason);
        assert_eq!(error.is_transient(), transient, "{reason}");
        let found: Outcome = error.outcome();
        assert_eq!(format!("{found:?}"), outcome, "{reason}");
    }
}

#[test]
fn calls_that_were_cut_off_are_not_executed() {
    let (step, _) = play(vec![turn("length", "", &[("a", tools::DEPTH, "{\"sym")])]);
    assert_eq!(invalid(step), ReplyError::Finish("length".to_owned()));
}

#[test]
fn the_model_says_who_it_is() {
    let (settings, report) = (settings(), sample::report());
    let given = Given::of(&report).unwrap();
    let mut conversation = Conversation::new(&settings, &report, given);
    let _done = conversation.on_turn(turn("stop", GOOD, &[]));
    assert_eq!(conversation.answered_by().0, Some("deepseek-flash"));
}

#[test]
fn an_answer_without_a_call_rests_on_the_summary_alone() {
    let mut report = sample::report();
    let mut levels = Vec::new();
    for index in 0..6 {
        let mut level = report.support_levels[0].clone();
        level.price = Number::new(Decimal::from(110_136 - 10 * index));
        levels.push(level);
    }
    report.support_levels = levels;
    report.value_area = None;
    report.resonance.clear();
    let settings = settings();
    // The sixth level is only in the answer of the tool.
    let answer = GOOD.replace("110130,110140", "110084,110088");
    let given = Given::of(&report).unwrap();
    let mut hasty = Conversation::new(&settings, &report, given.clone());
    assert!(matches!(hasty.on_turn(turn("stop", &answer, &[])), Step::Ask));
    let mut careful = Conversation::new(&settings, &report, given);
    let _ask = careful.on_turn(turn("tool_calls", "", &[("a", tools::DEPTH, "{}")]));
    assert!(matches!(
        careful.on_turn(turn("stop", &answer, &[])),
        Step::Done(_)
    ));
}

#[test]
fn reasoning_goes_back_while_thinking() {
    let thinking = Settings {
        thinking: true,
        ..settings()
    };
    let report = sample::report();
    let given = Given::of(&report).unwrap();
    let mut conversation = Conversation::new(&thinking, &report, given);
    let mut called = turn("tool_calls", "", &[("a", tools::DEPTH, "{}")]);
    called.message.reasoning_content = Some(String::new());
    let _ask = conversation.on_turn(called);
    let request = serde_json::to_value(conversation.request()).unwrap();
    assert_eq!(request["messages"][2]["reasoning_content"], "");
    assert_eq!(request["thinking"]["type"], "enabled");
    assert!(request.get("temperature").is_none());
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let reasons = vec![
        "stop",
        "tool_calls",
        "length",
        "aborted",
        "content_filter",
        "",
        "odd",
    ];
    let contents = vec!["", "  ", GOOD, "prose", "{\"action\":\"BUY\"}", "DSML"];
    let names = vec![tools::DEPTH, tools::FLOW, "other"];
    let call = (
        prop::sample::select(names),
        prop::sample::select(vec!["{}", "{broken", ""]),
    );
    (
        prop::sample::select(reasons),
        prop::sample::select(contents),
        prop::collection::vec(call, 0..12),
    )
        .prop_map(|(reason, content, calls)| {
            let calls: Vec<_> = calls
                .into_iter()
                .map(|(name, arguments)| ("id", name, arguments))
                .collect();
            turn(reason, content, &calls)
        })
}

proptest! {
    /// Whatever the model says, the conversation is short and every request is well formed.
    #[test]
    fn a_conversation_always_ends(turns in prop::collection::vec(any_turn(), 10)) {
        let (settings, report) = (settings(), sample::report());
        let given = Given::of(&report).unwrap();
        let mut conversation = Conversation::new(&settings, &report, given);
        let mut requests = 0;
        for turn in turns {
            let request = serde_json::to_value(conversation.request()).unwrap();
            requests += 1;
            let messages = request["messages"].as_array().unwrap();
            for (index, message) in messages.iter().enumerate() {
                let calls = message["tool_calls"].as_array().map_or(0, Vec::len);
                let answers = &messages[index + 1..];
                prop_assert!(answers.iter().take(calls).filter(|answer| answer["role"] == "tool").count() == calls);
                prop_assert!(message["content"].is_string());
            }
            if !matches!(conversation.on_turn(turn), Step::Ask) {
                break;
            }
        }
        prop_assert!(requests <= MAX_ROUNDS + 1);
    }
}

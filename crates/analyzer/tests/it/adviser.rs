//! One adviser over several cycles: when it asks the model, when it does not, and what the line says.

use analyzer::adviser::{Adviser, Situation};
use analyzer::llm::models::{ListError, ModelList, Verdict};
use analyzer::recommendation::{Recommendation, Source, Status};
use analyzer::tick::tick_of;
use chrono::{DateTime, TimeDelta, Utc};
use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use rust_decimal::Decimal;
use secrecy::SecretString;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::model::advice::AbstainReason;
use strategy_core::model::report::MarketReport;
use tokio_util::sync::CancellationToken;

use crate::market::{self, KEY};

pub(crate) fn report() -> MarketReport {
    let (books, minutes) = (market::books(TimeDelta::seconds(5)), market::minutes(180));
    let symbol = market::symbol();
    let input = Input {
        symbol: &symbol,
        now: market::now(),
        depth: &books,
        minutes: &minutes,
    };
    analyze(&input, &Params::default())
}

pub(crate) async fn model() -> ModelServer {
    let config = ModelConfig {
        api_key: Some(KEY.to_owned()),
        ..ModelConfig::default()
    };
    ModelServer::start(config).await.unwrap()
}

pub(crate) fn adviser(url: &str, extra: &str) -> Adviser {
    let text = market::yaml(std::path::Path::new("."), 1, url, extra);
    let config = market::config(&text);
    Adviser::new(&config.analyzer.deepseek, market::nothing_spent()).unwrap()
}

pub(crate) async fn advise(adviser: &mut Adviser, report: &MarketReport) -> Recommendation {
    advise_at(adviser, report, market::now()).await
}

async fn advise_at(adviser: &mut Adviser, report: &MarketReport, now: DateTime<Utc>) -> Recommendation {
    let situation = Situation {
        report,
        tick: tick_of(None),
        book: None,
        now,
    };
    adviser
        .advise(&situation, &CancellationToken::new(), || 0.0)
        .await
}

/// What a line says of its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Model,
    Rules(&'static str),
    Abstain(AbstainReason),
}

pub(crate) fn said(line: &Recommendation) -> Said {
    match (
        line.source,
        line.status,
        line.fallback_reason.as_deref(),
        line.abstain_reason,
    ) {
        (Source::Deepseek, Status::Ok, None, None) => Said::Model,
        (Source::Rules, Status::Ok, Some(code), None) => Said::Rules(code.to_owned().leak()),
        (Source::Deepseek, Status::Abstain, None, Some(reason)) => Said::Abstain(reason),
        other => panic!("a line that contradicts itself: {other:?}"),
    }
}

#[tokio::test]
async fn a_model_that_is_not_there() {
    let gone = model().await;
    let url = gone.url();
    drop(gone);
    let line = advise(&mut adviser(&url, "timeout: 20"), &report()).await;
    assert_eq!(said(&line), Said::Rules("unreachable"));
}

#[tokio::test]
async fn the_line_of_a_good_model_rests_on_the_analysis() {
    let server = model().await;
    let report = report();
    let line = advise(&mut adviser(&server.url(), "timeout: 20"), &report).await;
    assert_eq!(line.model.as_deref(), Some("deepseek-flash"));
    assert!(line.confidence > 0.5 && !line.quotes.is_empty(), "{line:?}");
    let spending = line.model_usage.unwrap();
    assert_eq!(spending.requests, 2);
    assert!(spending.output_tokens > 0 && spending.cost_usd > Decimal::ZERO);
    assert_eq!(spending.estimated_requests, 0);
    assert_eq!(line.model_today.unwrap().spending, spending);
    let requests = server.requests();
    for request in &requests {
        assert_eq!(
            request.authorization.as_deref(),
            Some(format!("Bearer {KEY}").as_str())
        );
        assert_eq!(request.body["thinking"]["type"], "disabled");
        assert_eq!(request.path, "/v1/chat/completions");
    }
    // The prefix that the vendor caches is the same in both rounds.
    assert_eq!(requests[0].body["messages"][0], requests[1].body["messages"][0]);
    assert_eq!(requests[0].body["tools"], requests[1].body["tools"]);
}

/// While thinking the model's reasoning goes back with every turn: the endpoint refuses anything else.
#[tokio::test]
async fn a_model_may_think_if_the_setting_says_so() {
    let server = model().await;
    let line = advise(
        &mut adviser(&server.url(), "timeout: 20, thinking: true"),
        &report(),
    )
    .await;
    assert_eq!(said(&line), Said::Model);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.body["thinking"]["type"], "enabled");
        assert!(request.body.get("temperature").is_none());
    }
    let reasoning = &requests[1].body["messages"][2]["reasoning_content"];
    assert!(
        reasoning.as_str().is_some_and(|text| !text.is_empty()),
        "{reasoning}"
    );
}

#[tokio::test]
async fn the_vendor_is_asked_whether_it_knows_the_model() {
    let server = model().await;
    let verdict = async |extra: &str, key: &str| {
        let text = market::yaml(std::path::Path::new("."), 1, &server.url(), extra);
        let config = market::config(&text);
        let list = ModelList::new(&config.analyzer.deepseek, SecretString::from(key)).unwrap();
        list.ask().await
    };
    assert!(matches!(verdict("timeout: 20", KEY).await, Verdict::Offered));
    let retired = verdict("timeout: 20, model: deepseek-chat", KEY).await;
    assert!(matches!(retired, Verdict::NotOffered(names) if names.contains(&"deepseek-flash".to_owned())));
    let refused = verdict("timeout: 20", "wrong").await;
    assert!(
        matches!(refused, Verdict::Unknown(ListError::Status(401))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again_for_a_while() {
    let server = model().await;
    server.script().always(ModelReply::unauthorized());
    let (mut adviser, report) = (adviser(&server.url(), "timeout: 20"), report());
    for _cycle in 0..5 {
        assert_eq!(
            said(&advise(&mut adviser, &report).await),
            Said::Rules("unauthorized")
        );
    }
    assert_eq!(server.requests().len(), 1);
    assert!(adviser.trouble().is_some());
    // Later it is probed, and a key that works again is used.
    server.script().clear();
    let later = market::now() + TimeDelta::minutes(6);
    let line = advise_at(&mut adviser, &report, later).await;
    assert_eq!(said(&line), Said::Model);
    assert_eq!(adviser.trouble(), None);
}

#[tokio::test]
async fn a_model_that_fails_again_and_again_is_left_alone() {
    let server = model().await;
    server.script().always(ModelReply::error(400, "no"));
    let (mut adviser, report) = (adviser(&server.url(), "timeout: 20"), report());
    for expected in [
        "request_rejected",
        "request_rejected",
        "request_rejected",
        "breaker_open",
    ] {
        assert_eq!(said(&advise(&mut adviser, &report).await), Said::Rules(expected));
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_wrong_base_url_is_named() {
    for status in [404, 307] {
        let server = model().await;
        server.script().always(ModelReply::error(status, ""));
        let (mut adviser, report) = (adviser(&server.url(), "timeout: 20"), report());
        let line = advise(&mut adviser, &report).await;
        let detail = line.detail.unwrap();
        let place = server.url().replace("http://", "") + "/chat/completions";
        let words = format!("status {status}: check analyzer.deepseek.base_url ({place})");
        assert!(detail.contains(&words), "{words}: {detail}");
        assert!(!detail.trim_end().ends_with(':'), "{detail}");
    }
}

#[tokio::test]
async fn beyond_the_budget_the_rules_advise() {
    let server = model().await;
    let extra = "timeout: 20, max_cost_per_day_usd: 0.0001, prices: {input_usd: 100}";
    let (mut adviser, report) = (adviser(&server.url(), extra), report());
    assert_eq!(said(&advise(&mut adviser, &report).await), Said::Model);
    assert_eq!(said(&advise(&mut adviser, &report).await), Said::Rules("budget"));
    assert_eq!(server.requests().len(), 2);
    let tomorrow = market::now() + TimeDelta::days(1);
    let line = advise_at(&mut adviser, &report, tomorrow).await;
    assert_eq!(said(&line), Said::Model);
}

#[tokio::test]
async fn without_a_model_the_rules_advise_and_the_line_says_why() {
    let report = report();
    let mut disabled = adviser("http://127.0.0.1:1/v1", "enabled: false");
    assert_eq!(
        said(&advise(&mut disabled, &report).await),
        Said::Rules("disabled")
    );
    let mut keyless = adviser("http://127.0.0.1:1/v1", "api_key: ''");
    assert_eq!(
        said(&advise(&mut keyless, &report).await),
        Said::Rules("no_api_key")
    );
}

#[tokio::test]
async fn data_that_do_not_allow_advice_cost_nothing() {
    let server = model().await;
    let mut adviser = adviser(&server.url(), "timeout: 20");
    let symbol = market::symbol();
    let (old_books, minutes) = (market::books(TimeDelta::minutes(10)), market::minutes(180));
    let fresh_books = market::books(TimeDelta::seconds(5));
    for (depth, minutes, reason) in [
        (&old_books[..], &minutes[..], AbstainReason::StaleData),
        (&fresh_books[..], &minutes[..5], AbstainReason::IncompleteData),
    ] {
        let now = market::now();
        let input = Input {
            symbol: &symbol,
            now,
            depth,
            minutes,
        };
        let report = analyze(&input, &Params::default());
        let line = advise_at(&mut adviser, &report, now).await;
        assert_eq!(
            (line.status, line.abstain_reason),
            (Status::Abstain, Some(reason))
        );
    }
    assert!(server.requests().is_empty());
}

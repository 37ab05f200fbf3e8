//! What the model costs: in line, status, file and Redis, and what of it survives which loss.
#![expect(clippy::disallowed_types, reason = "it runs a program")]

use std::path::PathBuf;
use std::process::Stdio;

use market_sim::model::{ModelReply, Phase};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use rust_decimal::{Decimal, dec};
use serde_json::Value;
use strategy_core::config::Config;
use strategy_core::store::{AnalyzerStatus, DaySpending, Spending};
use tokio::process::Command;

use crate::market::{self, KEY};
use crate::world::{PATIENCE, Running, World, log, once};

const FILE: &str = "logs/model_spending_btcfdusd.json";
const KEY_IN_REDIS: &str = "analyzer_model_spending";

/// A single conversation is beyond this budget.
fn tiny_budget(world: &World) -> Config {
    world.config(
        "timeout: 20, max_cost_per_day_usd: 0.0001, prices: {input_usd: 100}",
        60,
    )
}

fn file(world: &World) -> PathBuf {
    world.directory.path().join(FILE)
}

fn last(world: &World) -> Value {
    world.lines().last().unwrap().clone()
}

/// Amounts are read from their text.
fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

/// A cycle that asks, then a loss, then a cycle that must know what was spent.
async fn spent_is_known_after(what: &str, lose: impl AsyncFnOnce(&mut World)) {
    let mut world = World::new().await;
    assert!(once(&tiny_budget(&world)).await);
    assert_eq!(last(&world)["source"], "deepseek", "{what}");
    let spent = last(&world)["model_today"]["spending"].clone();
    lose(&mut world).await;
    let asked = world.model.requests().len();
    assert!(once(&tiny_budget(&world)).await);
    let line = last(&world);
    assert_eq!(
        (&line["source"], &line["fallback_reason"]),
        (&"rules".into(), &"budget".into()),
        "{what}: {line}"
    );
    assert_eq!(line["model_today"]["spending"], spent, "{what}");
    assert!(line.get("model_usage").is_none());
    assert_eq!(world.model.requests().len(), asked, "{what}");
}

#[tokio::test]
async fn what_was_spent_today_survives_the_loss_of_all_records_but_one() {
    spent_is_known_after("nothing lost", async |_| {}).await;
    spent_is_known_after("log moved, redis emptied", async |world| {
        let mut connection = world.redis.connection().await;
        let () = connection.del(KEY_IN_REDIS).await.unwrap();
        std::fs::rename(log(world.directory.path()), world.directory.path().join("moved")).unwrap();
    })
    .await;
    spent_is_known_after("file and log gone", async |world| {
        std::fs::remove_file(file(world)).unwrap();
        std::fs::remove_file(log(world.directory.path())).unwrap();
    })
    .await;
    spent_is_known_after("file gone, redis emptied", async |world| {
        let mut connection = world.redis.connection().await;
        let () = connection.del(KEY_IN_REDIS).await.unwrap();
        std::fs::remove_file(file(world)).unwrap();
    })
    .await;
    spent_is_known_after("file and redis broken", async |world| {
        let mut connection = world.redis.connection().await;
        let () = connection.set(KEY_IN_REDIS, "{}").await.unwrap();
        std::fs::write(file(world), "{\"torn").unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_records_that_differ_the_greater_counts() {
    let world = World::new().await;
    assert!(once(&world.config("timeout: 20", 60)).await);
    let mut record: DaySpending = read(&last(&world)["model_today"]);
    record.spending.cost_usd += dec!(2.5);
    let mut connection = world.redis.connection().await;
    let dearer = strategy_core::json::to_string(&record).unwrap();
    let () = connection.set(KEY_IN_REDIS, dearer).await.unwrap();
    assert!(once(&world.config("timeout: 20", 60)).await);
    let now: DaySpending = read(&last(&world)["model_today"]);
    assert!(now.spending.cost_usd > record.spending.cost_usd);
    let text = std::fs::read_to_string(file(&world)).unwrap();
    assert_eq!(serde_json::from_str::<DaySpending>(&text).unwrap(), now);
    // A record of another day says nothing.
    record.day = record.day.pred_opt().unwrap();
    record.spending.cost_usd = dec!(100);
    let () = connection
        .set(KEY_IN_REDIS, strategy_core::json::to_string(&record).unwrap())
        .await
        .unwrap();
    assert!(once(&world.config("timeout: 20", 60)).await);
    assert_eq!(last(&world)["source"], "deepseek");
}

/// `kill -9` while the model has the request and has not answered.
#[tokio::test]
async fn a_request_that_a_crash_cut_off_is_paid_for() {
    let world = World::new().await;
    world.model.script().always(ModelReply::Hang);
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        &world.model.url(),
        "timeout: 45, max_cost_per_day_usd: 0.0001",
    );
    std::fs::write(world.directory.path().join("analyzer.yaml"), text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .current_dir(world.directory.path())
        .env_clear()
        .envs(crate::world::coverage())
        .env("DEEPSEEK_API_KEY", KEY)
        .args(["--config", "analyzer.yaml"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the model is asked", PATIENCE, async || {
        !world.model.requests().is_empty()
    })
    .await
    .unwrap();
    child.kill().await.unwrap();
    assert!(world.lines().is_empty());
    world.model.script().clear();
    assert!(once(&world.config("timeout: 20, max_cost_per_day_usd: 0.0001", 60)).await);
    let line = last(&world);
    assert_eq!(line["fallback_reason"], "budget", "{line}");
    let spending = &line["model_today"]["spending"];
    assert_eq!(
        (&spending["requests"], &spending["estimated_requests"]),
        (&1.into(), &1.into())
    );
    assert_eq!(world.model.requests().len(), 1);
}

/// What each way of failing adds to requests, estimated requests and stated tokens.
#[tokio::test]
async fn every_failure_has_its_price() {
    let hang = ModelReply::Hang;
    let no_usage = ModelReply::body(r#"{"choices":[{"finish_reason":"stop","message":{"content":"x"}}]}"#);
    for (name, phase, reply, requests, estimated) in [
        ("well", Phase::Any, ModelReply::Well, 2, 0),
        ("hang", Phase::Any, hang.clone(), 1, 1),
        ("hang after the tools", Phase::Final, hang, 2, 1),
        ("401", Phase::Any, ModelReply::unauthorized(), 1, 0),
        ("402", Phase::Any, ModelReply::no_balance(), 1, 0),
        ("422", Phase::Any, ModelReply::unprocessable_text(), 1, 0),
        ("429", Phase::Any, ModelReply::rate_limited(Some(3600)), 1, 0),
        ("cut", Phase::Any, ModelReply::Cut(60), 1, 1),
        ("503", Phase::Any, ModelReply::error(503, "busy"), 1, 1),
        ("502", Phase::Any, ModelReply::bad_gateway_html(), 1, 1),
        ("markup", Phase::Any, ModelReply::body("<html>"), 1, 1),
        ("no usage", Phase::Any, no_usage, 2, 2),
        ("length", Phase::Any, ModelReply::finish_reason("length"), 1, 0),
    ] {
        let world = World::new().await;
        world.model.script().push(phase, reply, u32::MAX);
        assert!(once(&world.config("timeout: 3, prices: {peak_factor: 1}", 60)).await);
        let line = last(&world);
        let spending: Spending = read(&line["model_usage"]);
        let counted = (spending.requests, spending.estimated_requests);
        // What may pass is tried again while there is time, and each try counts.
        let tries = ["cut", "503", "502", "markup"].contains(&name) && counted.0 <= 3;
        let retried = tries && counted.0 == counted.1;
        assert!(counted == (requests, estimated) || retried, "{name}: {line}");
        assert_eq!(spending.requests, world.model.stats().model_calls(), "{name}");
        assert_eq!(spending.estimated_usd > Decimal::ZERO, estimated > 0, "{name}");
        let stated = spending.cached_tokens + spending.input_tokens + spending.output_tokens;
        assert_eq!(stated > 0, world.model.stats().model_answers() > 0, "{name}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_costs_nothing() {
    let world = World::new().await;
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        "http://127.0.0.1:1/v1",
        "timeout: 1",
    );
    assert!(once(&market::config(&text)).await);
    let line = last(&world);
    assert_eq!(line["fallback_reason"], "unreachable", "{line}");
    assert_eq!(
        (&line["model_usage"]["requests"], &line["model_usage"]["cost_usd"]),
        (&0.into(), &0.into())
    );
}

#[tokio::test]
async fn the_status_tells_tokens_and_money_of_the_last_call_and_of_the_day() {
    let world = World::new().await;
    let running = Running::start(&world.config("timeout: 1, prices: {peak_factor: 1}", 2));
    let status = async || -> Option<AnalyzerStatus> {
        let mut connection = world.redis.connection().await;
        let text: Option<String> = connection.get("analyzer_status").await.unwrap();
        text.map(|text| serde_json::from_str(&text).unwrap())
    };
    let agree = async || {
        let today = status()
            .await
            .and_then(|status| status.model)
            .map(|model| model.today);
        let lines = world.lines();
        let line = lines.get(1..).and_then(<[Value]>::last);
        today.is_some() && today == line.map(|line| read(&line["model_today"]))
    };
    eventually("the status says what the second line says", PATIENCE, agree)
        .await
        .unwrap();
    let model = status().await.unwrap().model.unwrap();
    assert!(running.stop().await.0);
    assert!(model.today.spending.requests >= 4);
    assert_eq!(model.name.as_deref(), Some("deepseek-flash"));
    assert_eq!(model.max_cost_per_day_usd, dec!(3));
    let spending = model.last_call.unwrap();
    assert!(spending.cached_tokens > 0 && spending.cost_usd > Decimal::ZERO);
    let words = model.words();
    for part in [
        "model: deepseek-flash\n".to_owned(),
        format!("last call: {spending}"),
        format!(
            "{}: {}; at most 3 usd a day",
            model.today.day, model.today.spending
        ),
    ] {
        assert!(words.contains(&part), "{words}");
    }
}

//! Two programs that write one recommendation log and one list.

use std::sync::Arc;

use analyzer::status::Board;
use chrono::TimeDelta;
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::store::{AnalyzerStatus, Store, Writer};
use strategy_core::time::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::world::{PATIENCE, Running, World, once};
use crate::{market, program};

const NO_MODEL: &str = "timeout: 1, enabled: false";

/// Every line is in the log once and in Redis once.
async fn assert_once_each(world: &World, count: usize) {
    let sorted = |mut lines: Vec<String>| {
        lines.sort_unstable();
        lines
    };
    let in_log = sorted(world.lines().iter().map(Value::to_string).collect());
    let mut different = in_log.clone();
    different.dedup();
    assert_eq!(in_log, different);
    assert!(in_log.len() >= count, "{} lines", in_log.len());
    let in_redis = world.in_redis().await;
    let parsed = in_redis
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap().to_string());
    assert_eq!(sorted(parsed.collect()), in_log);
}

#[tokio::test]
async fn single_cycles_beside_a_running_analyzer_double_no_line() {
    let world = World::new().await;
    let running = Running::start(&world.config(NO_MODEL, 1));
    eventually("a line", PATIENCE, async || !world.lines().is_empty())
        .await
        .unwrap();
    for _cycle in 0..5 {
        assert!(once(&world.config(NO_MODEL, 60)).await);
    }
    assert!(running.stop().await.0);
    assert_once_each(&world, 6).await;
}

/// A line another program wrote between the start and the first look at Redis was taken for a lost one.
#[tokio::test]
async fn a_start_beside_a_running_analyzer_doubles_no_line() {
    let world = World::new().await;
    let config = world.config(NO_MODEL, 60);
    assert!(once(&config).await);
    let options = config.redis.store_options();
    let mut late = analyzer::build(&config, &options, None, Arc::new(SystemClock)).unwrap();
    assert!(once(&config).await);
    late.run(&CancellationToken::new()).await.unwrap();
    assert_once_each(&world, 3).await;
}

#[tokio::test]
async fn a_single_cycle_leaves_the_lines_of_others_where_they_are() {
    let world = World::new().await;
    let config = world.config(NO_MODEL, 60);
    assert!(once(&config).await);
    // Sent to Redis by another program, which has not written it to the log yet.
    let mut other = world.lines().remove(0);
    other["reasoning"] = "of another program".into();
    other["timestamp"] = (market::now() + TimeDelta::seconds(1)).to_rfc3339().into();
    let mut connection = world.redis.connection().await;
    let () = connection
        .lpush("trading_recommendations", other.to_string())
        .await
        .unwrap();
    assert!(once(&config).await);
    assert_eq!(world.lines().len(), 2);
    assert!(!world.lines().contains(&other));
    assert_eq!(world.in_redis().await.len(), 3);
}

/// Both wrote a line in every cycle, and the status was that of either in turn.
#[tokio::test]
async fn a_second_analyzer_stands_by_and_takes_over() {
    let world = World::new().await;
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        "http://127.0.0.1:1/v1",
        NO_MODEL,
    );
    let text = format!("{text}  analysis: {{interval_seconds: 1}}\n");
    std::fs::write(world.directory.path().join("analyzer.yaml"), text).unwrap();
    let start = || program::command(world.directory.path()).spawn().unwrap();
    let log = || std::fs::read_to_string(world.directory.path().join("logs/strategy_agent.log")).unwrap();
    let says = async |words: &str, times: usize| {
        eventually(words, PATIENCE, async || log().matches(words).count() >= times)
            .await
            .unwrap();
    };
    let more_lines = async || {
        let before = world.lines().len();
        eventually("three lines more", PATIENCE, async || {
            world.lines().len() >= before + 3
        })
        .await
        .unwrap();
    };
    let first = start();
    more_lines().await;
    let second = start();
    let (first_id, second_id) = (first.id().unwrap(), second.id().unwrap());
    says("another analyzer writes the same keys", 1).await;
    let named = format!(":{first_id}:");
    let said = log();
    let line = said
        .lines()
        .find(|line| line.contains("another analyzer"))
        .unwrap();
    assert!(line.contains(" WARN ") && line.contains(&named), "{line}");
    more_lines().await;
    let writer = async || {
        let status: Option<String> = world
            .redis
            .connection()
            .await
            .get("analyzer_status")
            .await
            .unwrap();
        let status: Value = serde_json::from_str(&status.unwrap()).unwrap();
        status["writer"].as_str().unwrap().to_owned()
    };
    assert!(writer().await.contains(&named));
    // It dies without a word: the second takes over.
    program::signal(&first, "KILL").await;
    let died = first.wait_with_output().await.unwrap();
    assert!(program::text(&died.stderr).contains("recommendation written"));
    let before = world.lines().len();
    eventually("the second writes", PATIENCE, async || {
        world.lines().len() > before
    })
    .await
    .unwrap();
    says("the other analyzer is gone", 1).await;
    assert!(writer().await.contains(&format!(":{second_id}:")));
    // One that stops says so: the third need not wait.
    let third = start();
    let third_id = third.id().unwrap();
    says("another analyzer writes the same keys", 2).await;
    assert_eq!(program::end(second, "INT").await.0, Some(0));
    says("the other analyzer is gone", 2).await;
    more_lines().await;
    assert!(writer().await.contains(&format!(":{third_id}:")));
    program::signal(&third, "INT").await;
    let ended = third.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let said = program::text(&ended.stderr);
    let (waiting, writing) = said.split_once("the other analyzer is gone").unwrap();
    assert!(!waiting.contains("recommendation written"), "{said}");
    assert!(writing.contains("recommendation written"), "{said}");
    assert_once_each(&world, 9).await;
}

/// Whatever stands at the status: only that of another one that runs and is fresh keeps an analyzer waiting.
#[tokio::test]
async fn only_a_fresh_status_of_a_running_analyzer_is_in_the_way() {
    let world = World::new().await;
    let options = world.config(NO_MODEL, 60).redis.store_options();
    let mut store = Store::new(&options).unwrap();
    let board = Board::new(market::symbol(), Arc::new(SystemClock));
    let status = |writer: &str, is_running: bool| AnalyzerStatus {
        writer: writer.to_owned(),
        ..board.status(is_running, true, market::now())
    };
    let other = || Writer::Other("first".to_owned());
    let mut connection = world.redis.connection().await;
    for foreign in [
        "no json",
        "[1]",
        "{}",
        r#"{"is_running":true}"#,
        r#"{"is_running":true,"writer":5}"#,
    ] {
        let () = connection.set("analyzer_status", foreign).await.unwrap();
        let written = store.put_analyzer_status(&status("first", true)).await.unwrap();
        assert_eq!(written, Writer::This, "{foreign}");
    }
    let () = connection.del("analyzer_status").await.unwrap();
    let () = connection.lpush("analyzer_status", "a list").await.unwrap();
    for (writer, is_running, expected) in [
        ("first", true, Writer::This),
        ("second", true, other()),
        ("second", false, other()),
        ("first", true, Writer::This),
        ("first", false, Writer::This),
        ("second", true, Writer::This),
    ] {
        let written = store
            .put_analyzer_status(&status(writer, is_running))
            .await
            .unwrap();
        assert_eq!(written, expected, "{writer} {is_running}");
    }
    // Of 30 s it has lived less than 12, and then 12.
    for (left_ms, expected) in [
        (28_000, Writer::Other("second".to_owned())),
        (18_000, Writer::This),
    ] {
        let () = connection.pexpire("analyzer_status", left_ms).await.unwrap();
        let written = store.put_analyzer_status(&status("first", true)).await.unwrap();
        assert_eq!(written, expected, "{left_ms}");
    }
    let left: i64 = connection.pttl("analyzer_status").await.unwrap();
    assert!(left > 25_000, "{left}");
}

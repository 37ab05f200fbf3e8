//! Cycles on a Redis that answers and has something else than the layout says, or does not allow something.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use market_sim::redis::{RedisOptions, RedisServer};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use rust_decimal::dec;
use serde_json::Value;
use strategy_core::config::Config;
use strategy_core::model::{DepthLevel, DepthSnapshot};
use strategy_core::num::Quantity;
use strategy_core::store::encode_depth;

use crate::world::{PATIENCE, Running, World, once};
use crate::{market, program};

/// Longest a cycle may take that has nothing to wait for.
const PROMPT: Duration = Duration::from_secs(5);

/// The configuration of a world without a model, with `redis` in front of the other settings of that section.
fn config(world: &World, redis: &str, interval: u32) -> Config {
    let environment = [("REDIS_PASSWORD".to_owned(), "known-to-the-test".to_owned())].into();
    Config::parse(&yaml(world, redis, interval), "test.yaml", &environment)
        .unwrap()
        .0
}

/// The text of the same.
fn yaml(world: &World, redis: &str, interval: u32) -> String {
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        "http://127.0.0.1:1/v1",
        "timeout: 1, enabled: false",
    );
    let text = text.replace("redis: {", &format!("redis: {{{redis}"));
    format!("{text}  analysis: {{interval_seconds: {interval}}}\n")
}

/// Runs one command.
async fn command(world: &World, words: &str) {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    let () = command
        .query_async(&mut world.redis.connection().await)
        .await
        .unwrap();
}

fn assert_abstains(line: &Value, words: &str) {
    assert_eq!(line["status"], "abstain", "{line}");
    assert_eq!(line["abstain_reason"], "incomplete_data", "{line}");
    assert!(line["detail"].as_str().unwrap().contains(words), "{line}");
    assert!(!line["reasoning"].as_str().unwrap().contains("redis"), "{line}");
}

#[tokio::test]
async fn a_single_book_of_an_older_version_is_read() {
    let world = World::new().await;
    let book = encode_depth(&market::books(TimeDelta::seconds(5))[0]).unwrap();
    let () = world
        .redis
        .connection()
        .await
        .set("depth_snapshot_5000", book)
        .await
        .unwrap();
    assert!(once(&config(&world, "", 60)).await);
    let analysis = world.analysis().await.unwrap();
    assert_eq!(analysis["data_honesty"]["snapshots_used"], 1);
    assert_eq!(analysis["context"]["mid"], 110_150);
    assert_eq!(world.lines()[0]["status"], "ok");
}

#[tokio::test]
async fn a_key_of_another_type_is_named_in_the_line_at_once_and_in_the_status() {
    for (key, set, kind) in [
        ("depth_snapshot_5000", "HSET depth_snapshot_5000 a b", "hash"),
        ("trades_window", "SET trades_window a", "string"),
    ] {
        let world = World::new().await;
        command(&world, &format!("DEL {key}")).await;
        command(&world, set).await;
        let words = format!("{key} in redis is a {kind}, not a list");
        let asked = Instant::now();
        assert!(once(&config(&world, "", 60)).await);
        assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
        assert_abstains(&world.lines()[0], &words);

        let running = Running::start(&config(&world, "", 60));
        eventually("the status names it", PATIENCE, async || {
            let reasons = world.degraded().await.unwrap_or_default();
            matches!(&reasons[..], [reason] if reason.starts_with(&words))
        })
        .await
        .unwrap();
        assert!(running.stop().await.0);
    }
}

/// The key was not named, every cycle said it twice, and a foreign list of changes was called a window.
#[tokio::test]
async fn a_foreign_key_where_the_analyzer_writes_or_reads_is_named_once_and_cycles_go_on() {
    for (key, stops_advice) in [
        ("trading_recommendations", false),
        ("trades_window_changes", true),
    ] {
        let world = World::new().await;
        command(&world, &format!("DEL {key}")).await;
        command(&world, &format!("HSET {key} a b")).await;
        // Of the same name as the results, and in nobody's way.
        command(&world, "HSET analysis_results a b").await;
        let text = yaml(&world, "", 1);
        std::fs::write(world.directory.path().join("analyzer.yaml"), text).unwrap();
        let program = program::command(world.directory.path()).spawn().unwrap();
        eventually("three lines", PATIENCE, async || world.lines().len() >= 3)
            .await
            .unwrap();
        let words = format!("{key} in redis is a hash, not a list: rename or delete that key");
        eventually("the status names it", PATIENCE, async || {
            let reasons = world.degraded().await.unwrap_or_default();
            matches!(&reasons[..], [reason] if reason.starts_with(&words))
        })
        .await
        .unwrap();
        let status = if stops_advice { "abstain" } else { "ok" };
        assert_eq!(world.lines()[2]["status"], status);
        command(&world, &format!("DEL {key}")).await;
        eventually("the status is well again", PATIENCE, async || {
            world.degraded().await.is_some_and(|reasons| reasons.is_empty())
        })
        .await
        .unwrap();
        eventually("all lines are in redis", PATIENCE, async || {
            world.in_redis().await.len() >= 3
        })
        .await
        .unwrap();
        assert_eq!(program::end(program, "INT").await.0, Some(0));
        let log = world.directory.path().join("logs/strategy_agent.log");
        let said = std::fs::read_to_string(log).unwrap();
        assert_eq!(said.matches(&words).count(), 1, "{said}");
        assert_eq!(said.matches("redis answers").count(), 2, "{said}");
    }
}

/// What cannot be read looked like nothing there.
#[tokio::test]
async fn documents_that_cannot_be_read_are_said() {
    let world = World::new().await;
    for words in [
        "DEL depth_snapshot_5000 trades_window trades_window_changes",
        "RPUSH depth_snapshot_5000 {bad",
        "RPUSH trades_window bad",
    ] {
        command(&world, words).await;
    }
    let words = "in redis 1 snapshots and 1 minutes of trades cannot be read";
    assert!(once(&config(&world, "", 60)).await);
    let line = world.lines().remove(0);
    assert_eq!(line["abstain_reason"], "incomplete_data", "{line}");
    assert!(line["detail"].as_str().unwrap().starts_with(words), "{line}");
    let notes = world.analysis().await.unwrap()["data_honesty"]["notes"].clone();
    assert_eq!(notes[0], words);

    let running = Running::start(&config(&world, "", 1));
    eventually("the status says so", PATIENCE, async || {
        let reasons = world.degraded().await.unwrap_or_default();
        reasons.iter().any(|reason| reason.starts_with(words))
    })
    .await
    .unwrap();
    // It can be read again.
    world.publish(&market::minutes(180)).await;
    eventually("all can be read", PATIENCE, async || {
        let reasons = world.degraded().await.unwrap_or_default();
        !reasons.iter().any(|reason| reason.contains("cannot be read"))
    })
    .await
    .unwrap();
    assert!(running.stop().await.0);
}

/// Half of it was English.
#[tokio::test]
async fn a_chinese_line_and_analysis_are_chinese() {
    let mut world = World::new().await;
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        "http://127.0.0.1:1/v1",
        "timeout: 1, enabled: false",
    );
    let config = market::config(&text.replace("language: en", "language: zh"));
    assert!(once(&config).await);
    let notes = world.analysis().await.unwrap()["data_honesty"]["notes"].clone();
    let notes: Vec<String> = serde_json::from_value(notes).unwrap();
    assert!(!notes.is_empty());
    for note in &notes {
        assert!(!note.contains("minutes") && !note.contains("snapshots"), "{note}");
    }
    world.redis.kill();
    assert!(once(&config).await);
    let line = world.lines().remove(1);
    assert_eq!(line["reasoning"], "不给建议：数据不完整。");
    assert!(line["detail"].as_str().unwrap().contains("redis"), "{line}");
}

#[tokio::test]
async fn one_bad_book_among_many_is_counted_once() {
    let world = World::new().await;
    command(&world, "RPUSH depth_snapshot_5000 {bad").await;
    assert!(once(&config(&world, "", 60)).await);
    assert_eq!(world.lines()[0]["status"], "ok");
    let notes = world.analysis().await.unwrap()["data_honesty"]["notes"].clone();
    assert_eq!(
        notes[0],
        "in redis 1 snapshots and 0 minutes of trades cannot be read"
    );
}

#[tokio::test]
async fn what_a_user_may_not_do_is_reported_as_refused() {
    for (action, rules) in [
        (
            "look at the window",
            "~analyzer_status ~depth_snapshot_5000 ~trading_recommendations",
        ),
        (
            "store the analysis",
            "~analyzer_status ~depth_snapshot_5000 ~trades_window ~trades_window_changes ~trading_recommendations",
        ),
    ] {
        let world = World::new().await;
        command(
            &world,
            &format!("ACL SETUSER limited on >known-to-the-test +@all {rules}"),
        )
        .await;
        let redis = "username: limited, password: '${REDIS_PASSWORD}', ";
        let running = Running::start(&config(&world, redis, 60));
        let words = format!("redis refuses: {action}: NoPerm");
        eventually("the status names it", PATIENCE, async || {
            let degraded = world.degraded().await.unwrap_or_default();
            degraded.len() == 1 && degraded[0].starts_with(&words)
        })
        .await
        .unwrap();
        assert!(running.stop().await.0);
        assert_abstains(&world.lines()[0], action);
        assert_eq!(world.analysis().await, None);
    }
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_not_tried_again_and_again() {
    let mut world = World::new().await;
    let options = RedisOptions {
        password: Some("another".to_owned()),
        ..RedisOptions::default()
    };
    world.redis = RedisServer::start_with(options).await;
    for password in ["password: '${REDIS_PASSWORD}', ", ""] {
        let asked = Instant::now();
        assert!(once(&config(&world, password, 60)).await);
        assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
        assert_abstains(world.lines().last().unwrap(), "redis refused");
    }
}

/// Sums of such a book have more digits than a number of the layout keeps.
#[tokio::test]
async fn the_analysis_of_absurd_quantities_is_stored() {
    let world = World::new().await;
    let huge = |levels: &[DepthLevel]| -> Vec<DepthLevel> {
        let quantity = Quantity::new(dec!(8987654.32109876)).unwrap();
        levels
            .iter()
            .map(|level| DepthLevel { quantity, ..*level })
            .collect()
    };
    let books: Vec<DepthSnapshot> = market::books(TimeDelta::seconds(5))
        .iter()
        .map(|book| {
            let (bids, asks) = (huge(book.bids()), huge(book.asks()));
            let id = book.last_update_id();
            DepthSnapshot::new(market::symbol(), book.received_at(), id, bids, asks).unwrap()
        })
        .collect();
    let mut connection = world.redis.connection().await;
    market::publish(&mut connection, &books, &market::minutes(180)).await;
    assert!(once(&config(&world, "", 60)).await);
    assert_eq!(world.lines()[0]["status"], "ok");
    let analysis = world.analysis().await.unwrap();
    assert!(
        analysis["context"]["bid_volume_1_0"].as_f64().unwrap() > 1e8,
        "{analysis}"
    );
}

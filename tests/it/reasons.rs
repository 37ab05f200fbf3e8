//! What is wrong is said where it is looked for, with its cause.

use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;

const LIMIT: Duration = Duration::from_secs(60);

/// `journalctl -p warning` found nothing: every line counted as information.
#[tokio::test(flavor = "multi_thread")]
async fn a_warning_has_its_priority_in_the_journal_and_nowhere_else() {
    let world = World::start(WorldOptions::default()).await;
    world.redis_proxy.refuse(true);
    for journal in [true, false] {
        let arguments = ["--config", "config.yaml"];
        let mut program = if journal {
            Program::start_under_journal("data-collector", &world.directory(), &arguments)
        } else {
            Program::start("data-collector", &world.directory(), &arguments)
        };
        eventually("a warning", LIMIT, async || program.stderr().contains(" WARN "))
            .await
            .unwrap();
        assert_eq!(program.stop("INT").await.0, Some(0));
        let printed = program.stderr();
        for line in printed.lines() {
            let priority = match line.split_whitespace().nth(1) {
                Some("ERROR") => "<3>",
                Some("WARN") => "<4>",
                Some("INFO") => "<6>",
                _ => panic!("{line}"),
            };
            assert_eq!(line.starts_with(priority), journal, "{line}");
        }
        let log = std::fs::read_to_string(world.directory().join("logs/strategy_agent.log")).unwrap();
        assert!(log.contains(" WARN ") && !log.contains("<4>"), "{log}");
    }
}

/// The manual says that the cause stands behind the reason.
#[tokio::test(flavor = "multi_thread")]
async fn every_reason_of_an_exchange_that_is_away_ends_with_the_cause() {
    let world = World::start(WorldOptions::default()).await;
    let away = "127.0.0.1:1";
    world.edit_config(&world.exchange.rest_url(), &format!("http://{away}"));
    world.edit_config(&world.exchange.ws_url(), &format!("ws://{away}"));
    let collector = world.collector();
    let mut reasons: Vec<String> = Vec::new();
    eventually("reasons of stream and books", LIMIT, async || {
        let status: serde_json::Value = serde_json::from_str(&world.status().await).unwrap_or_default();
        reasons = serde_json::from_value(status["degraded"].clone()).unwrap_or_default();
        ["no trade stream for ", "depth: ", "rest: "]
            .iter()
            .all(|words| reasons.iter().any(|reason| reason.starts_with(words)))
    })
    .await
    .unwrap();
    for reason in &reasons {
        assert!(reason.contains("Connection refused"), "{reason}");
    }
    drop(collector);
}

/// Only the first kind of trouble was in the log: that Redis was gone, not that it then asked for a password.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_with_another_password_is_said_to_refuse() {
    let world = World::start(WorldOptions::default()).await;
    let mut collector = world.collector();
    eventually("recording", LIMIT, async || {
        world.status().await.contains("\"is_running\":true")
    })
    .await
    .unwrap();
    let mut connection = world.redis.connection().await;
    world.redis_proxy.refuse(true);
    world.redis_proxy.cut();
    eventually("redis is away", LIMIT, async || {
        collector.stderr().contains("redis is not there")
    })
    .await
    .unwrap();
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "another"])
        .query_async(&mut connection)
        .await
        .unwrap();
    world.redis_proxy.refuse(false);
    eventually("the refusal is said", LIMIT, async || {
        collector
            .stderr()
            .contains("redis refuses: trying again until it does not")
    })
    .await
    .unwrap();
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", ""])
        .query_async(&mut connection)
        .await
        .unwrap();
    eventually("redis answers", LIMIT, async || {
        collector.stderr().contains("redis answers again")
    })
    .await
    .unwrap();
    let window: usize = connection.llen("trades_window").await.unwrap();
    assert!(window > 0);
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

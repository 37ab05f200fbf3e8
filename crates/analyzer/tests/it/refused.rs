//! Lines a disk or a Redis refused: kept, told, written at the last moment or at the next start.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use market_sim::wait::eventually;
use serde_json::Value;
use strategy_core::config::Config;
use strategy_core::time::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::market;
use crate::program::{command, end, run, text};
use crate::world::{PATIENCE, Running, World, lines, log, once};

fn reversed(stored: &[String]) -> Vec<Value> {
    let lines = stored.iter().rev();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A directory where the log should be: the disk refuses every line.
fn refuse(directory: &Path) {
    std::fs::create_dir_all(log(directory)).unwrap();
}

/// Starts again and stops when there are that many lines in both places.
async fn one_more(world: &World, config: &Config, lines: usize) {
    let running = Running::start(config);
    let enough = async || world.lines().len() >= lines && world.in_redis().await.len() >= lines;
    eventually("the lines of before and a new one", PATIENCE, enough)
        .await
        .unwrap();
    assert!(running.stop().await.0);
}

#[tokio::test]
async fn lines_that_wait_are_written_when_the_program_stops() {
    let world = World::new().await;
    refuse(world.directory.path());
    let running = Running::start(&world.config("timeout: 1, enabled: false", 2));
    let degraded = async || {
        let words = world.degraded().await.unwrap_or_default();
        words
            .iter()
            .any(|words| words.contains("cannot be written, 2 lines are waiting"))
    };
    eventually("the status says that two lines wait", PATIENCE, degraded)
        .await
        .unwrap();
    std::fs::remove_dir(log(world.directory.path())).unwrap();
    assert!(running.stop().await.0);
    let lines = world.lines();
    assert!(lines.len() >= 2);
    assert_eq!(lines, reversed(&world.in_redis().await));
}

#[tokio::test]
async fn lines_that_stay_unwritten_are_told_with_their_number_and_added_at_the_next_start() {
    let world = World::new().await;
    let config = world.config("timeout: 1, enabled: false", 2);
    assert!(once(&config).await);
    let (path, aside) = (log(world.directory.path()), world.directory.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    refuse(world.directory.path());

    let settings = market::yaml(
        world.directory.path(),
        world.redis.port(),
        "http://127.0.0.1:1/v1",
        "timeout: 1, enabled: false",
    );
    let settings = format!("{settings}  analysis: {{interval_seconds: 2}}\n");
    std::fs::write(world.directory.path().join("analyzer.yaml"), settings).unwrap();
    let child = command(world.directory.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("three lines in redis", PATIENCE, async || {
        world.in_redis().await.len() >= 3
    })
    .await
    .unwrap();
    let words = "degraded: ";
    let degraded = async || {
        let status = run(world.directory.path(), &["status"]).await;
        let reasons = text(&status.stderr);
        status.status.code() == Some(1)
            && reasons.contains(words)
            && reasons.contains("trading_recommendations_btcfdusd.log cannot be written")
    };
    eventually("the status says so", PATIENCE, degraded)
        .await
        .unwrap();
    assert_eq!(end(child, "TERM").await.0, Some(0));
    let stored = world.in_redis().await;
    let main = std::fs::read_to_string(world.directory.path().join("logs/strategy_agent.log")).unwrap();
    let told = main
        .lines()
        .find(|line| line.contains("lines are not in the recommendation log"));
    let words = format!("lines={}", stored.len() - 1);
    assert!(told.is_some_and(|line| line.contains(&words)), "{words}: {main}");

    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(lines(world.directory.path()).len(), 1);
    let known = world.in_redis().await.len();
    one_more(&world, &config, known + 1).await;
    let stored = reversed(&world.in_redis().await);
    assert!(stored.len() >= 4);
    assert_eq!(world.lines(), stored);
}

#[tokio::test]
async fn lines_redis_never_had_are_added_at_the_next_start() {
    let mut world = World::new().await;
    let config = world.config("timeout: 1, enabled: false", 2);
    let running = Running::start(&config);
    eventually("a line", PATIENCE, async || !world.lines().is_empty())
        .await
        .unwrap();
    world.redis.kill();
    eventually("a line without redis", PATIENCE, async || {
        world
            .lines()
            .last()
            .is_some_and(|line| line["status"] == "abstain")
    })
    .await
    .unwrap();
    assert!(running.stop().await.0);
    let before = world.lines().len();
    // It comes back empty.
    world.redis.restart().await;
    world.publish(&market::minutes(180)).await;
    one_more(&world, &config, before + 1).await;
    let lines = world.lines();
    assert_eq!(reversed(&world.in_redis().await), lines);
}

// The log had the causes, the status had not.
#[tokio::test]
async fn what_the_disk_refuses_beside_the_log_is_in_the_status_with_its_cause() {
    let world = World::new().await;
    let config = world.config("timeout: 20", 60);
    let logs = world.directory.path().join("logs");
    std::fs::create_dir_all(logs.join("model_spending_btcfdusd.json")).unwrap();
    std::fs::write(logs.join("model"), "in the way").unwrap();
    let clock = Arc::new(SystemClock);
    let mut cycle = analyzer::build(&config, &config.redis.store_options(), None, clock).unwrap();
    cycle.run(&CancellationToken::new()).await.unwrap();
    let reasons = cycle.board.status(true, true, SystemClock.now()).degraded;
    for (begin, cause) in [
        ("archive: ", "jsonl cannot be written: the directory "),
        (
            "the record of the model's cost ",
            "cannot be written: Is a directory (os error 21) since ",
        ),
    ] {
        assert!(
            reasons
                .iter()
                .any(|reason| reason.starts_with(begin) && reason.contains(cause)),
            "{begin}: {reasons:?}"
        );
    }
    assert_eq!(reasons.len(), 2, "{reasons:?}");
}

//! Two programs that write one recommendation log and one list.

use std::sync::Arc;

use chrono::TimeDelta;
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::time::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::market;
use crate::world::{PATIENCE, Running, World, once};

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

//! Keys of another market, and minutes of another grid.

use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;

const LIMIT: Duration = Duration::from_secs(40);

/// What a refusal says.
const HINT: &str = "set redis.key_prefix";

async fn world(seed: u64) -> World {
    World::start(WorldOptions {
        seed,
        ..WorldOptions::default()
    })
    .await
}

/// A configuration in which `from` stands as `to`.
fn changed_config(world: &World, name: &str, from: &str, to: &str) {
    let config = std::fs::read_to_string(world.directory().join("config.yaml")).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(world.directory().join(name), config.replace(from, to)).unwrap();
}

async fn is_refused(collector: &mut Program) {
    let (exit, _) = collector.wait().await;
    assert_eq!(exit.code(), Some(1));
    assert!(collector.stderr().contains(HINT), "{}", collector.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_market_are_refused() {
    let world = world(14).await;
    let minute =
        r#"{"timestamp":"2025-11-22T06:14:00+00:00","symbol":"ETHFDUSD","price_levels":{},"complete":true}"#;
    let book = r#"{"symbol":"ETHFDUSD","timestamp":"2025-11-22T06:14:00+00:00","last_update_id":7,"bids":[[100.5,1]],"asks":[[100.6,1]]}"#;
    let mut connection = world.connection().await;
    for (key, document) in [("trades_window", minute), ("depth_snapshot_5000", book)] {
        let () = connection.lpush(key, document).await.unwrap();
        is_refused(&mut world.collector()).await;
        let kept: Vec<String> = connection.lrange(key, 0, -1).await.unwrap();
        assert_eq!(kept, [document], "nothing was written");
        let () = connection.del(key).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_another_market_does_not_wait_as_a_standby() {
    let world = world(17).await;
    let mut collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    changed_config(
        &world,
        "other.yaml",
        "binance:\n",
        "binance:\n  symbol: \"ETHFDUSD\"\n",
    );
    let arguments = ["--config", "other.yaml"];
    is_refused(&mut Program::start(
        "data-collector",
        &world.directory(),
        &arguments,
    ))
    .await;
    // Nor does its status say that all is well, when it is another market that is recorded.
    eventually("a status", LIMIT, async || !world.status().await.is_empty())
        .await
        .unwrap();
    let arguments = ["status", "--config", "other.yaml"];
    let mut status = Program::start("data-collector", &world.directory(), &arguments);
    assert_eq!(status.wait().await.0.code(), Some(1));
    assert!(
        status.stderr().contains("not running for ETHFDUSD"),
        "{}",
        status.stderr()
    );
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_another_bucket_width_are_set_aside_and_read_anew() {
    let world = world(18).await;
    let coarse = "    price_precision: 10\n    window_size_minutes:";
    changed_config(&world, "coarse.yaml", "    window_size_minutes:", coarse);
    let arguments = ["--config", "coarse.yaml"];
    let mut collector = Program::start("data-collector", &world.directory(), &arguments);
    eventually("a window of the coarse grid", LIMIT, async || {
        world
            .recorded()
            .await
            .is_ok_and(|recorded| recorded.window.len() >= 15 && recorded.incomplete() == 0)
    })
    .await
    .unwrap();
    assert_eq!(collector.stop("INT").await.0, Some(0));
    let mut collector = world.collector();
    // The truth has the fine grid.
    world.assert_whole(world.now(), LIMIT).await;
    let mut connection = world.connection().await;
    let aside: u64 = connection.llen("trades_window_set_aside").await.unwrap();
    assert!(aside >= 15, "{aside}");
    let width: String = connection.get("trades_window_width").await.unwrap();
    assert_eq!(width, "1");
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

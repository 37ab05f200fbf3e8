//! The bare programs: each does all of the work it is compared for.

use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::redis::RedisServer;
use market_sim::wait::{eventually, eventually_some};
use serde_json::Value;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until it has done its work, reads what it did, and lets it end in order.
async fn done(program: &mut Program) -> String {
    let done = eventually_some("the work is done", LIMIT, async || {
        let said = program.stdout();
        let done = said.lines().find_map(|line| line.strip_prefix("done "))?;
        Some(done.to_owned())
    })
    .await;
    assert!(program.is_running(), "it stays until it is told to end");
    program.stop("TERM").await;
    done.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn daemon_and_floor_read_every_frame() {
    let world = World::start(WorldOptions {
        rate: 600.0,
        ..WorldOptions::default()
    })
    .await;
    let url = format!("{}/ws/btcfdusd@aggTrade", world.exchange.ws_url());
    let mut floor = Program::start("floor", &world.directory(), &["frames", &url]);
    let mut collector = world.collector();
    let frames = async || {
        let status: Value = serde_json::from_str(&world.status().await).unwrap_or_default();
        status["counters"]["frames"].as_u64()
    };
    let both = async || floor.stdout().contains("connected") && frames().await > Some(100);
    eventually("both read", LIMIT, both).await.unwrap();
    world.clock.pause();
    world.exchange.faults().send_text("end");
    let done = done(&mut floor).await;
    let bare: u64 = done.split(' ').next().unwrap().parse().unwrap();
    assert!(bare > 100, "{done}");
    // The word at the end is a frame that the bare program does not count.
    let all = async || {
        frames()
            .await
            .is_some_and(|ours| ours + bare + 1 == world.exchange.stats().frames_sent())
    };
    let compared = eventually("every frame was read by one of them", LIMIT, all).await;
    let sent = world.exchange.stats().frames_sent();
    assert!(compared.is_ok(), "{:?} and {bare} of {sent}", frames().await);
    collector.stop("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_is_an_error() {
    let world = World::start(WorldOptions::default()).await;
    let url = format!("{}/ws/btcfdusd@aggTrade", world.exchange.ws_url());
    let mut floor = Program::start("floor", &world.directory(), &["frames", &url]);
    let connected = async || floor.stdout().contains("connected");
    eventually("connected", LIMIT, connected).await.unwrap();
    world.exchange.stop();
    let (status, _) = floor.wait().await;
    assert_eq!(status.code(), Some(1), "{}", floor.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn books_are_read_whole_and_stored_as_long_as_they_are_meant_to_be() {
    let world = World::start(WorldOptions::default()).await;
    let (rest, port) = (world.exchange.rest_url(), world.redis.port().to_string());
    let arguments = ["depth", &rest, &port, "1234", "3", "--pause", "10"];
    let mut floor = Program::start("floor", &world.directory(), &arguments);
    assert_eq!(done(&mut floor).await, "3 books");
    let said = floor.stdout();
    let read: Vec<u64> = said
        .lines()
        .filter_map(|line| line.strip_suffix(" bytes read")?.parse().ok())
        .collect();
    assert_eq!(read.len(), 3, "{said}");
    // A level is at least a price and a quantity of eight digits each.
    assert!(read.iter().all(|bytes| *bytes > 10_000 * 20), "{said}");
    let stored: Vec<Vec<u8>> = redis::cmd("LRANGE")
        .arg("floor")
        .arg(0)
        .arg(-1)
        .query_async(&mut world.connection().await)
        .await
        .unwrap();
    assert_eq!(
        stored.iter().map(Vec::len).collect::<Vec<_>>(),
        [1234, 1234, 1234]
    );
}

/// A Redis with two lists: elements of 7 and 100 bytes, the short one first in the first of them.
async fn lists() -> RedisServer {
    let redis = RedisServer::start().await;
    let mut connection = redis.connection().await;
    for (key, lengths) in [("first", [100_usize, 100, 7]), ("second", [7, 7, 100])] {
        for length in lengths {
            let element = vec![b'.'; length];
            let push = redis::cmd("LPUSH")
                .arg(key)
                .arg(element)
                .exec_async(&mut connection)
                .await;
            push.unwrap();
        }
    }
    redis
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_up_to_the_count_and_heads_again_and_again() {
    let redis = lists().await;
    let (directory, port) = (tempfile::tempdir().unwrap(), redis.port().to_string());
    for (count, bytes) in [("2", "214 bytes"), ("9", "321 bytes")] {
        let arguments = ["lists", &port, count, "first", "second"];
        let mut floor = Program::start("floor", directory.path(), &arguments);
        let (status, _) = floor.wait().await;
        assert!(status.success(), "{}", floor.stderr());
        assert_eq!(floor.stdout().trim(), bytes);
    }
    let arguments = ["heads", &port, "2", "first", "second"];
    let mut floor = Program::start("floor", directory.path(), &arguments);
    assert_eq!(done(&mut floor).await, "214 bytes");
}

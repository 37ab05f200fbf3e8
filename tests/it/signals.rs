//! Stopping: at once when asked, whatever the peers are doing, and with everything safe.

use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::faults::{RestFault, StreamMode};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;

const LIMIT: Duration = Duration::from_secs(30);

/// The ordinary case, and whatever the peers do.
const ORDINARY: Duration = Duration::from_secs(3);
const ALWAYS: Duration = Duration::from_secs(5);

async fn recording(options: WorldOptions) -> (World, end_to_end_tests::Program) {
    let world = World::start(options).await;
    let collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    (world, collector)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_collector_stops_and_saves_the_open_minute() {
    let (world, mut collector) = recording(WorldOptions {
        seed: 21,
        speed: 10.0,
        ..WorldOptions::default()
    })
    .await;
    let (code, took) = collector.stop("TERM").await;
    assert_eq!(code, Some(0));
    assert!(took < ORDINARY, "{took:?}");
    let recorded = world.recorded().await.unwrap();
    let open = &recorded.window[0];
    assert!(!open.complete, "the open minute is stored as far as it is known");
    let status: String = world
        .connection()
        .await
        .get("data_collector_status")
        .await
        .unwrap();
    assert!(status.contains(r#""is_running":false"#), "{status}");
    assert!(
        !world
            .connection()
            .await
            .exists::<_, bool>("data_collector_lease")
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_under_load_stops_in_time() {
    let (_world, mut collector) = recording(WorldOptions {
        seed: 22,
        rate: 4_000.0,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    let (code, took) = collector.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < ORDINARY, "{took:?}");
}

// D11: a frozen Redis took 59 s, a frozen stream 10 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_does_not_hold_up_the_stop_and_nothing_is_lost() {
    let (world, mut collector) = recording(WorldOptions {
        seed: 23,
        ..WorldOptions::default()
    })
    .await;
    world.redis_proxy.freeze(true);
    let until = world.now().offset(2);
    eventually("two minutes pass", LIMIT, async || world.now() >= until)
        .await
        .unwrap();
    let (code, took) = collector.stop("INT").await;
    assert_eq!(code, Some(0), "{}", collector.stderr());
    assert!(took < ALWAYS, "{took:?}");
    let unsaved = std::fs::read_dir(world.storage().join("unsaved"))
        .unwrap()
        .count();
    assert!(unsaved > 0, "what Redis did not take is in files");
    world.redis_proxy.freeze(false);
    let _again = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    eventually("the files are gone once Redis has them", LIMIT, async || {
        std::fs::read_dir(world.storage().join("unsaved"))
            .unwrap()
            .count()
            == 0
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_exchange_does_not_hold_up_the_stop() {
    let (world, mut collector) = recording(WorldOptions {
        seed: 24,
        ..WorldOptions::default()
    })
    .await;
    world.exchange.faults().set_mode(StreamMode::BlackHole);
    world.exchange.faults().rest_outage(&RestFault::Hang);
    let requests = world.exchange.stats().total_requests();
    eventually("a request hangs", LIMIT, async || {
        world.exchange.stats().total_requests() > requests
    })
    .await
    .unwrap();
    let (code, took) = collector.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < ORDINARY, "{took:?}");
}

// B8: a signal during the start was overwritten; B26: without Redis both programs ended with code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_without_redis_waits_and_stops_when_asked() {
    let mut world = World::start(WorldOptions {
        seed: 25,
        ..WorldOptions::default()
    })
    .await;
    world.redis.kill();
    let mut collector = world.collector();
    eventually("it says what it waits for", LIMIT, async || {
        collector.stderr().contains("redis is not there")
    })
    .await
    .unwrap();
    let (code, took) = collector.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < ORDINARY, "{took:?}");
    let mut collector = world.collector();
    world.redis.restart().await;
    world.assert_whole(world.now().offset(1), LIMIT).await;
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let (world, mut collector) = recording(WorldOptions {
        seed: 26,
        ..WorldOptions::default()
    })
    .await;
    world.redis_proxy.freeze(true);
    let until = world.now().offset(2);
    eventually("two minutes pass", LIMIT, async || world.now() >= until)
        .await
        .unwrap();
    collector.signal("INT");
    eventually("the first signal was taken", LIMIT, async || {
        collector.stderr().contains("stopping")
    })
    .await
    .unwrap();
    let (_, took) = collector.stop("INT").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

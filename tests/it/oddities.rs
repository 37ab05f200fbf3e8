//! Peers that are not as they should be when the collector starts, and keys that it loses.

use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::exchange::Endpoint;
use market_sim::faults::RestFault;
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use strategy_core::model::MinuteFootprint;
use strategy_core::store::encode_minute;
use strategy_core::symbol::Symbol;

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn without_rest_the_stream_is_recorded_and_history_follows_when_rest_returns() {
    let world = World::start(WorldOptions {
        seed: 61,
        speed: 30.0,
        rate: 400.0,
        // An id that the exchange does not have can only be told from a lost one by asking it.
        rare_events: false,
        ..WorldOptions::default()
    })
    .await;
    world
        .exchange
        .faults()
        .rest_always(Endpoint::AggTrades, RestFault::bad_gateway_html());
    let mut collector = world.collector();
    eventually("whole minutes by the stream alone", LIMIT, async || {
        world
            .recorded()
            .await
            .is_ok_and(|recorded| recorded.window.iter().filter(|minute| minute.complete).count() >= 2)
    })
    .await
    .unwrap();
    let recorded = world.recorded().await.unwrap();
    assert_eq!(recorded.differences(&world.truth()), []);
    let first = recorded.window.iter().rev().find(|minute| minute.trade_count > 0);
    assert!(
        first.is_some_and(|minute| !minute.complete),
        "the first minute is shown as far as it is known"
    );
    world.exchange.faults().clear();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_keys_becomes_the_standby() {
    let world = World::start(WorldOptions {
        seed: 62,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let mut connection = world.connection().await;
    let _: () = connection
        .set_ex("data_collector_lease", "somebody-else", 6)
        .await
        .unwrap();
    eventually("it says that it lost them", LIMIT, async || {
        collector
            .stderr()
            .contains("another collector took over the keys")
    })
    .await
    .unwrap();
    world.assert_whole(world.now().offset(6), LIMIT).await;
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_the_future_do_not_block_the_present() {
    let world = World::start(WorldOptions {
        seed: 63,
        ..WorldOptions::default()
    })
    .await;
    let symbol = Symbol::new("BTCFDUSD").unwrap();
    let mut connection = world.connection().await;
    for ahead in 600..603 {
        let minute = MinuteFootprint::empty(world.now().offset(ahead), true);
        let element = encode_minute(&symbol, &minute).unwrap();
        let _: () = connection.lpush("trades_window", element).await.unwrap();
    }
    let _collector = world.collector();
    let recorded = world.assert_whole(world.now().offset(1), LIMIT).await;
    assert!(recorded.newest() < Some(world.now().offset(100)));
    let aside: u64 = connection.llen("trades_window_set_aside").await.unwrap();
    assert_eq!(aside, 3);
}

// Such bytes made every reading of the window fail, and nothing was recorded.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_do_not_block_the_recording() {
    let world = World::start(WorldOptions {
        seed: 64,
        ..WorldOptions::default()
    })
    .await;
    let mut connection = world.connection().await;
    let foreign = b"{\"timestamp\":\"\xff\xfe\"}".to_vec();
    for key in ["trades_window", "trades_window_changes", "depth_snapshot_5000"] {
        let _: () = connection.lpush(key, &foreign).await.unwrap();
    }
    for key in [
        "trades_window_mark",
        "trades_window_width",
        "data_collector_status",
    ] {
        let _: () = connection.set(key, &foreign).await.unwrap();
    }
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let aside: Vec<Vec<u8>> = connection.lrange("trades_window_set_aside", 0, -1).await.unwrap();
    assert_eq!(aside, [foreign], "kept byte for byte");
    // While it runs.
    let _: () = connection.rpush("trades_window", b"\xff").await.unwrap();
    world.assert_whole(world.now().offset(1), LIMIT).await;
}

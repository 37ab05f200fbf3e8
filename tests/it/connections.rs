//! How the collector treats the exchange's stream service, by what the exchange counted.

use std::time::{Duration, Instant};

use end_to_end_tests::{World, WorldOptions};
use market_sim::exchange::ExchangeConfig;
use market_sim::wait::eventually;

use crate::watch::{LIMIT, holds_until, reason_with};

const SECOND: Duration = Duration::from_secs(1);

/// An exchange that pings twice a second and does not wait long for the answer.
fn impatient() -> ExchangeConfig {
    ExchangeConfig {
        weight_limit: 1_000_000,
        ping_interval: SECOND / 2,
        pong_timeout: 2 * SECOND,
        ..ExchangeConfig::default()
    }
}

async fn answers_pings(options: WorldOptions, frames: impl Fn(u64) -> bool) {
    let world = World::start(WorldOptions {
        window: 6,
        backfill: 0,
        exchange: impatient(),
        ..options
    })
    .await;
    let mut collector = world.collector();
    let stats = world.exchange.stats().clone();
    eventually("twenty pongs", LIMIT, async || stats.pongs_received() >= 20)
        .await
        .unwrap();
    assert_eq!(stats.connects(), 1, "never closed for want of a pong");
    assert!(stats.pings_sent() <= stats.pongs_received() + 2);
    assert!(frames(stats.rows_sent()), "{} rows", stats.rows_sent());
    collector.stop("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pongs_go_out_while_nothing_else_happens() {
    let quiet = WorldOptions {
        seed: 91,
        speed: 1.0,
        rate: 0.001,
        rare_events: false,
        ..WorldOptions::default()
    };
    answers_pings(quiet, |rows| rows <= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pongs_go_out_while_frames_flood_in() {
    let flood = WorldOptions {
        seed: 92,
        speed: 60.0,
        rate: 1500.0,
        ..WorldOptions::default()
    };
    answers_pings(flood, |rows| rows >= 5000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_closes_at_once_is_called_ever_less_often() {
    let world = World::start(WorldOptions {
        seed: 93,
        ..WorldOptions::default()
    })
    .await;
    world.exchange.faults().close_on_accept(u32::MAX);
    let _collector = world.collector();
    let stats = world.exchange.stats();
    eventually("the first attempt", LIMIT, async || stats.connects() >= 1)
        .await
        .unwrap();
    // Two seconds apart at least, then 4, 8, 16: with the shortest jitter half of that.
    holds_until("too many attempts", Instant::now() + 14 * SECOND, || {
        stats.connects() <= 7
    })
    .await;
    assert!(stats.connects() >= 3, "never given up: {}", stats.connects());
    // Without a stream the minutes come by REST.
    world.assert_whole(world.now().offset(1), LIMIT).await;
    world.exchange.faults().close_on_accept(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_refuses_the_upgrade_is_left_alone_and_the_status_says_why() {
    let world = World::start(WorldOptions {
        seed: 94,
        ..WorldOptions::default()
    })
    .await;
    world.exchange.faults().refuse_upgrade(451, 1);
    let _collector = world.collector();
    let reason = reason_with(&world, "(451)").await;
    assert!(
        reason.starts_with("no trade stream") && reason.contains("binance.websocket_base"),
        "{reason}"
    );
    let stats = world.exchange.stats();
    holds_until("another attempt", Instant::now() + 4 * SECOND, || {
        stats.connects() == 1
    })
    .await;
    world.assert_whole(world.now().offset(1), LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_a_stream_connection_meets_counts_for_requests_too() {
    let world = World::start(WorldOptions {
        seed: 95,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let stats = world.exchange.stats();
    world.exchange.faults().refuse_upgrade(418, 1);
    world.exchange.faults().drop_all();
    reason_with(&world, "rest: the exchange has banned this address (418)").await;
    let (sent, connects) = (stats.total_requests(), stats.connects());
    holds_until(
        "requests or connections during a ban",
        Instant::now() + 4 * SECOND,
        || stats.total_requests() == sent && stats.connects() == connects,
    )
    .await;
}

// Every 257th frame of those that had come together was dropped, and asked for again by its id.
#[tokio::test(flavor = "multi_thread")]
async fn every_frame_of_a_burst_is_counted() {
    let world = World::start(WorldOptions {
        seed: 97,
        rate: 30.0,
        rare_events: false,
        window: 6,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let minute = world.exchange.burst(20_000).unwrap();
    let recorded = world.assert_whole(minute.offset(1), LIMIT).await;
    let burst = recorded.window.iter().find(|recorded| recorded.minute == minute);
    assert!(burst.unwrap().trade_count >= 20_000);
    // A market that stands still sends nothing more; what was dropped is never counted.
    world.clock.pause();
    let stats = world.exchange.stats();
    eventually("all frames are counted", LIMIT, async || {
        world_status(&world).await["counters"]["frames"].as_u64() == Some(stats.frames_sent())
    })
    .await
    .unwrap();
    assert_eq!(stats.connects(), 1);
    collector.stop("INT").await;
}

async fn world_status(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.status().await).unwrap_or_default()
}

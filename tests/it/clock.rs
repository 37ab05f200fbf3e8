//! A local clock that jumps: the minutes, and what is remembered of the exchange's orders, do not.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use end_to_end_tests::{LocalClock, Program, World, WorldOptions};
use market_sim::faults::RestFault;
use market_sim::wait::eventually;
use strategy_core::time::{Clock as _, SystemClock};

use crate::watch::{LIMIT, holds_until, reason_with, status};

const HOUR: i64 = 3600;

fn start(world: &World, clock: &LocalClock) -> Program {
    let arguments = ["--config", "config.yaml"];
    Program::start_with(
        "data-collector",
        &world.directory(),
        &arguments,
        &clock.environment(),
    )
}

/// Waits until the collector's own clock differs from the machine's by about so many seconds.
async fn shows(world: &World, seconds: i64) {
    eventually("the collector's clock has jumped", LIMIT, async || {
        let status = status(world).await;
        let shown = status["last_update"].as_str().unwrap_or_default();
        let Ok(shown) = shown.parse::<DateTime<Utc>>() else {
            return false;
        };
        let difference = shown - SystemClock.now() - TimeDelta::seconds(seconds);
        difference.abs() < TimeDelta::seconds(60)
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_the_local_clock_by_an_hour_changes_no_minute() {
    let world = World::start(WorldOptions {
        seed: 101,
        ..WorldOptions::default()
    })
    .await;
    let clock = LocalClock::new(&world.directory());
    let mut collector = start(&world, &clock);
    world.assert_whole(world.now().offset(1), LIMIT).await;
    for jump in [HOUR, -HOUR, 0, -HOUR, HOUR] {
        clock.set(jump);
        shows(&world, jump).await;
        world.assert_whole(world.now().offset(3), LIMIT).await;
    }
    // Over a restart, with a clock an hour behind the one it ended with.
    collector.kill();
    clock.set(0);
    let mut collector = start(&world, &clock);
    shows(&world, 0).await;
    let recorded = world.assert_whole(world.now().offset(3), LIMIT).await;
    assert!(recorded.window.iter().any(|minute| minute.trade_count > 50));
    assert_eq!(world.exchange.stats().connects(), 2, "no reconnect for a clock");
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

async fn ban_with_a_jump(seed: u64, jump: i64) {
    let world = World::start(WorldOptions {
        seed,
        speed: 20.0,
        ..WorldOptions::default()
    })
    .await;
    let clock = LocalClock::new(&world.directory());
    let mut collector = start(&world, &clock);
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let (faults, stats) = (world.exchange.faults(), world.exchange.stats());
    faults.rest_outage(&RestFault::banned(25, 0));
    let banned = Instant::now();
    reason_with(&world, "(418)").await;
    faults.clear_rest();
    let (sent, connects) = (stats.total_requests(), stats.connects());
    collector.kill();
    clock.set(jump);
    let _collector = start(&world, &clock);
    let (end, shortly_before) = (
        banned + Duration::from_secs(25),
        banned + Duration::from_millis(24_500),
    );
    holds_until("requests during a ban", shortly_before, || {
        stats.total_requests() == sent && stats.connects() == connects
    })
    .await;
    let until = end + Duration::from_secs(10);
    eventually(
        "requests after the ban",
        until.saturating_duration_since(Instant::now()),
        async || stats.total_requests() > sent,
    )
    .await
    .unwrap();
    world.assert_whole(world.now().offset(1), LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_clock_set_forward_does_not_shorten_a_remembered_ban() {
    ban_with_a_jump(102, HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_clock_set_back_does_not_prolong_a_remembered_ban() {
    ban_with_a_jump(103, -HOUR).await;
}

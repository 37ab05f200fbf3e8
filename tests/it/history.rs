//! The window is filled from the exchange's history, whatever stands in the way of it.

use std::time::{Duration, Instant};

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::exchange::{Endpoint, ExchangeConfig};
use market_sim::faults::RestFault;
use market_sim::wait::{eventually, eventually_some};
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::archive::Archive;
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// Longest wait for a window to become whole again.
const LIMIT: Duration = Duration::from_secs(40);

/// Longest wait for a window of two days.
const LONG_LIMIT: Duration = Duration::from_secs(120);

async fn status(world: &World) -> Value {
    serde_json::from_str(&world.status().await).unwrap_or(Value::Null)
}

/// What the files say that are not complete.
fn incomplete_files(world: &World) -> Vec<Minute> {
    let archive = Archive::new(&world.storage(), Symbol::new("BTCFDUSD").unwrap());
    let look = archive.incomplete_among(&archive.minutes().unwrap());
    look.incomplete.into_iter().collect()
}

async fn newest_is_at_least(world: &World, minute: Minute) {
    eventually("the present is recorded", LONG_LIMIT, async || {
        world
            .recorded()
            .await
            .is_ok_and(|recorded| recorded.newest() >= Some(minute))
    })
    .await
    .unwrap();
}

/// A market of two days with little trade, in real time but for the leaps a test makes.
async fn two_days() -> World {
    World::start(WorldOptions {
        seed: 71,
        rate: 4.0,
        speed: 20.0,
        window: 2880,
        backfill: 2880,
        ..WorldOptions::default()
    })
    .await
}

/// The true answer, half a second late.
fn slow_answer() -> RestFault {
    RestFault::SlowBody {
        chunk: usize::MAX,
        pause: Duration::from_millis(500),
    }
}

fn leap(world: &World, hours: u64) {
    world.clock.advance(Duration::from_secs(3600 * hours));
}

async fn stop(mut collector: Program) {
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_whole_after_an_hour_a_day_and_three_days_away() {
    let world = two_days().await;
    let collector = world.collector();
    let recorded = world.assert_whole(world.now(), LONG_LIMIT).await;
    assert!(recorded.window.len() >= 2878, "{}", recorded.window.len());
    stop(collector).await;

    leap(&world, 1);
    let collector = world.collector();
    world.assert_whole(world.now(), LONG_LIMIT).await;
    stop(collector).await;

    leap(&world, 24);
    // Slow answers: killed while it fills the window, the next one goes on with what is there.
    let faults = world.exchange.faults();
    faults.rest_always(Endpoint::AggTrades, slow_answer());
    let mut collector = world.collector();
    let present = world.now();
    newest_is_at_least(&world, present).await;
    collector.kill();
    let before = world.recorded().await.unwrap();
    assert!(before.incomplete() > 0, "killed in the middle of it");
    faults.clear_rest();
    let asked = world.exchange.stats().requests(Endpoint::AggTrades);
    let collector = world.collector();
    world.assert_whole(world.now(), LONG_LIMIT).await;
    let asked = world.exchange.stats().requests(Endpoint::AggTrades) - asked;
    // A day has 24 chunks of an hour, each of two or three requests.
    assert!(asked < 150, "{asked} requests for what was missing still");
    stop(collector).await;

    leap(&world, 72);
    let (collector, begun) = (world.collector(), Instant::now());
    newest_is_at_least(&world, world.now()).await;
    eprintln!(
        "2880 minutes filed and the present recorded after {:?}",
        begun.elapsed()
    );
    let recorded = world.assert_whole(world.now(), LONG_LIMIT).await;
    assert!(recorded.window.len() >= 2878, "{}", recorded.window.len());
    assert!(recorded.files.len() >= 2880, "{}", recorded.files.len());
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_that_leaves_the_window_incomplete_is_healed_in_its_file() {
    let world = World::start(WorldOptions {
        seed: 72,
        window: 6,
        backfill: 6,
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    world.assert_whole(world.now().offset(2), LIMIT).await;
    // A gap, and nobody to ask for it until its minute has left the window.
    let faults = world.exchange.faults();
    faults.rest_always(Endpoint::AggTrades, RestFault::bad_gateway_html());
    faults.skip_rows(3);
    eventually("an incomplete minute is filed", LIMIT, async || {
        incomplete_files(&world).len() >= 2
    })
    .await
    .unwrap();
    stop(collector).await;
    // What an earlier run left is healed too.
    faults.clear();
    let collector = world.collector();
    world.assert_whole(world.now().offset(2), LIMIT).await;
    eventually("the files are healed", LIMIT, async || {
        incomplete_files(&world).is_empty()
    })
    .await
    .unwrap();
    let recorded = world.recorded().await.unwrap();
    assert!(recorded.files.len() > 6);
    assert_eq!(recorded.differences(&world.truth()), []);
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_rest_cannot_show_costs_its_minute_and_no_older_one() {
    let world = World::start(WorldOptions {
        seed: 73,
        rare_events: false,
        ..WorldOptions::default()
    })
    .await;
    let lacking = world.now().offset(-6);
    let truth = world.truth().minute(lacking).unwrap();
    let ids = truth.trade_ids.expect("the minute has trades");
    world
        .exchange
        .faults()
        .break_row(ids.first + (ids.last - ids.first) / 2);
    let collector = world.collector();
    let oldest = world.now().offset(-15);
    eventually("everything but one minute is whole", LIMIT, async || {
        world.recorded().await.is_ok_and(|recorded| {
            let incomplete: Vec<Minute> = recorded
                .window
                .iter()
                .filter(|minute| !minute.complete)
                .map(|minute| minute.minute)
                .collect();
            incomplete == [lacking] && recorded.window.last().is_some_and(|last| last.minute <= oldest)
        })
    })
    .await
    .unwrap();
    let recorded = world.recorded().await.unwrap();
    assert_eq!(recorded.differences(&world.truth()), []);
    let shown = recorded.window.iter().find(|minute| minute.minute == lacking);
    assert_eq!(shown.unwrap().trade_count, truth.trade_count - 1);
    eventually("the status says so", LIMIT, async || {
        status(&world).await["degraded"].to_string().contains("1 minutes")
    })
    .await
    .unwrap();
    stop(collector).await;
    // Once the exchange shows it, the next start heals it.
    world.exchange.faults().clear();
    let collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_row_that_rest_cannot_show_costs_its_minute_and_no_later_one() {
    let world = World::start(WorldOptions {
        seed: 74,
        rare_events: false,
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    // The stream loses rows, and REST has no price for any of the ids that come next.
    let next = eventually_some("the last id", LIMIT, async || {
        status(&world).await["last_trade_id"].as_u64()
    })
    .await
    .unwrap();
    for id in next..next + 400 {
        world.exchange.faults().break_row(id);
    }
    world.exchange.faults().skip_rows(3);
    let after = world.now().offset(6);
    eventually("later minutes are whole", LIMIT, async || {
        world.recorded().await.is_ok_and(|recorded| {
            recorded.newest() >= Some(after) && recorded.window.iter().take(3).all(|minute| minute.complete)
        })
    })
    .await
    .unwrap();
    let recorded = world.recorded().await.unwrap();
    assert!(
        (1..=3).contains(&recorded.incomplete()),
        "{}",
        recorded.incomplete()
    );
    assert_eq!(recorded.differences(&world.truth()), []);
    world.exchange.faults().clear();
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_lacks_a_row_for_a_while_makes_no_hole() {
    let world = World::start(WorldOptions {
        seed: 75,
        rare_events: false,
        speed: 20.0,
        exchange: ExchangeConfig {
            weight_limit: 1_000_000,
            rest_ragged: Duration::from_secs(3),
            ..ExchangeConfig::default()
        },
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    // Gap after gap, each asked for while REST has only some of the rows.
    for gap in 1..=8 {
        world.exchange.faults().skip_rows(2);
        eventually("a gap is seen and filled", LIMIT, async || {
            let status = status(&world).await;
            status["counters"]["gaps"].as_u64() >= Some(gap)
                && !status["degraded"].to_string().contains("gap")
        })
        .await
        .unwrap();
    }
    let recorded = world.assert_whole(world.now(), LIMIT).await;
    assert!(
        recorded
            .window
            .iter()
            .all(|minute| minute.permanent_holes.is_empty())
    );
    let status = status(&world).await;
    assert!(status["counters"]["gaps"].as_u64() > Some(5), "{status}");
    assert_eq!(status["counters"]["missing_ids"], 0, "{status}");
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_during_a_long_ban_keeps_no_later_minute_back() {
    let world = World::start(WorldOptions {
        seed: 76,
        rare_events: false,
        window: 12,
        backfill: 12,
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let faults = world.exchange.faults();
    faults.rest_outage(&RestFault::busy());
    faults.skip_rows(2);
    // The wait for a gap is a minute of real time: an hour of this market.
    world.clock.set_speed(4.0);
    let gap = world.now();
    eventually("whole minutes behind the gap", LONG_LIMIT, async || {
        world.recorded().await.is_ok_and(|recorded| {
            recorded.newest() > Some(gap) && recorded.window.iter().take(2).all(|minute| minute.complete)
        })
    })
    .await
    .unwrap();
    let recorded = world.recorded().await.unwrap();
    assert!(recorded.incomplete() > 0, "the gap is not filled");
    assert_eq!(recorded.differences(&world.truth()), []);
    faults.clear();
    world.clock.set_speed(60.0);
    world.assert_whole(world.now(), LONG_LIMIT).await;
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_for_hours_is_survived_in_bounded_memory() {
    let world = World::start(WorldOptions {
        seed: 78,
        rate: 8.0,
        speed: 600.0,
        window: 600,
        backfill: 600,
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    let memory = collector.memory_kb();
    world.redis_proxy.refuse(true);
    // More minutes than may wait in memory.
    let end = world.now().offset(400);
    eventually("the hours have passed", LONG_LIMIT, async || world.now() >= end)
        .await
        .unwrap();
    let grown = collector.memory_kb().saturating_sub(memory);
    assert!(grown < 16 << 10, "{grown} kB more after six hours");
    world.redis_proxy.refuse(false);
    let recorded = world.assert_whole(world.now(), LONG_LIMIT).await;
    assert!(recorded.window.len() >= 598, "{}", recorded.window.len());
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_history_is_not_fetched_again() {
    let world = two_days().await;
    let slow = RestFault::SlowBody {
        chunk: 1 << 20,
        pause: Duration::from_millis(100),
    };
    world.exchange.faults().rest_always(Endpoint::AggTrades, slow);
    let collector = world.collector();
    newest_is_at_least(&world, world.now()).await;
    world.clock.pause();
    world.redis_proxy.freeze(true);
    // What can wait is fetched; then nothing more is until redis takes it.
    let stats = world.exchange.stats();
    let mut last = (0, Instant::now());
    eventually("no more history is fetched", LIMIT, async || {
        let asked = stats.requests(Endpoint::AggTrades);
        if asked != last.0 {
            last = (asked, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(5)
    })
    .await
    .unwrap();
    let window = world.recorded().await.unwrap();
    assert!(
        window.window.len() < 1440,
        "most of it is still missing: {}",
        window.window.len()
    );
    world.redis_proxy.freeze(false);
    world.clock.resume();
    world.assert_whole(world.now(), LONG_LIMIT).await;
    let asked = stats.requests(Endpoint::AggTrades);
    assert!(asked < 300, "{asked} requests for two days of 48 chunks");
    stop(collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_at_the_place_of_the_window_are_all_kept() {
    let world = World::start(WorldOptions {
        seed: 77,
        ..WorldOptions::default()
    })
    .await;
    let mut connection = world.connection().await;
    let () = connection.set("trades_window", "one").await.unwrap();
    let collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    let () = connection.del("trades_window").await.unwrap();
    let () = connection.set("trades_window", "two").await.unwrap();
    world.assert_whole(world.now(), LIMIT).await;
    let kept: Vec<String> = connection
        .mget(&["trades_window_other_type", "trades_window_other_type_2"])
        .await
        .unwrap();
    assert_eq!(kept, ["one", "two"]);
    stop(collector).await;
}

//! How the collector treats the exchange's REST service, by what the exchange counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::exchange::{Endpoint, ExchangeConfig};
use market_sim::faults::RestFault;
use market_sim::wait::eventually;
use redis::AsyncCommands as _;

use crate::watch::{LIMIT, holds_until, reason_with, reasons, status};

const SECOND: Duration = Duration::from_secs(1);

async fn books(world: &World) -> Vec<String> {
    world
        .connection()
        .await
        .lrange("depth_snapshot_5000", 0, -1)
        .await
        .unwrap()
}

/// The most request weight the exchange counted within one minute.
#[derive(Debug, Default)]
struct HeaviestMinute {
    looks: VecDeque<(Instant, u64)>,
    most: u64,
}

impl HeaviestMinute {
    fn look(&mut self, weight: u64) {
        let now = Instant::now();
        self.looks.push_back((now, weight));
        // Half a second less than a minute: the looks are not at the moments of the requests.
        while self
            .looks
            .front()
            .is_some_and(|(at, _)| now - *at > Duration::from_millis(59_500))
        {
            self.looks.pop_front();
        }
        self.most = self.most.max(weight - self.looks[0].1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_budget_starves_neither_books_nor_trades_nor_history_and_says_what_it_lacks() {
    let world = World::start(WorldOptions {
        seed: 81,
        speed: 1.0,
        rate: 20.0,
        window: 10,
        backfill: 8,
        depth_interval: 15,
        weight_per_minute: 250,
        ..WorldOptions::default()
    })
    .await;
    let start = world.now();
    let mut heaviest = HeaviestMinute::default();
    heaviest.look(0);
    let _collector = world.collector();
    let stats = world.exchange.stats().clone();
    eventually(
        "history, a new minute and some books",
        Duration::from_secs(120),
        async || {
            heaviest.look(stats.weight());
            let recorded = world.recorded().await.unwrap();
            recorded.newest() > Some(start)
                && recorded.window.len() >= 8
                && recorded.incomplete() == 0
                && books(&world).await.len() >= 4
        },
    )
    .await
    .unwrap();
    assert!(heaviest.most <= 250, "{} in one minute", heaviest.most);
    let recorded = world.recorded().await.unwrap();
    assert_eq!(recorded.differences(&world.truth()), []);
    let reasons = reasons(&status(&world).await);
    assert!(
        reasons.len() == 1
            && reasons[0].starts_with(
                "depth: a book of 5000 levels weighs 250, the budget of 250 a minute leaves 200"
            ),
        "{reasons:?}"
    );
    for book in books(&world).await {
        let book = strategy_core::store::decode_depth(&book).unwrap();
        assert_eq!(book.bids().len(), 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_429_nothing_is_sent_until_the_exchange_allows_it() {
    let world = World::start(WorldOptions {
        seed: 82,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let (faults, stats) = (world.exchange.faults(), world.exchange.stats());
    for endpoint in Endpoint::ALL {
        faults.rest(endpoint, RestFault::too_many_requests(9), 1);
    }
    let ordered = Instant::now();
    reason_with(&world, "(429)").await;
    let sent = stats.total_requests();
    faults.clear_rest();
    holds_until("requests during a 429", ordered + 8 * SECOND, || {
        stats.total_requests() == sent
    })
    .await;
    world.assert_whole(world.now().offset(1), LIMIT).await;
    assert!(stats.total_requests() > sent);
}

/// The exchange bans the address for `ban`; `meanwhile` does something to the collectors. Nothing must reach the exchange
/// until the ban is over, and then everything heals.
async fn ban(seed: u64, meanwhile: impl FnOnce(&World, Program) -> Vec<Program>, standby: bool) {
    const BAN: u64 = 25;
    let world = World::start(WorldOptions {
        seed,
        speed: 20.0,
        ..WorldOptions::default()
    })
    .await;
    let first = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let second = standby.then(|| world.collector());
    if let Some(second) = &second {
        eventually("the second waits", LIMIT, async || {
            second.stderr().contains("standby")
        })
        .await
        .unwrap();
    }
    let (faults, stats) = (world.exchange.faults(), world.exchange.stats());
    faults.rest_outage(&RestFault::banned(BAN, 0));
    let banned = Instant::now();
    reason_with(&world, "(418)").await;
    faults.clear_rest();
    let (sent, connects) = (stats.total_requests(), stats.connects());
    let _running = meanwhile(&world, first);
    holds_until(
        "requests or connections during a ban",
        banned + Duration::from_millis(BAN * 1000 - 500),
        || stats.total_requests() == sent && stats.connects() == connects,
    )
    .await;
    world.assert_whole(world.now().offset(1), LIMIT).await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_waited_out_although_the_collector_is_killed_and_started_again() {
    let restart = |world: &World, mut collector: Program| {
        collector.kill();
        vec![world.collector()]
    };
    ban(83, restart, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_waited_out_by_the_standby_that_takes_over() {
    let kill = |_: &World, mut collector: Program| {
        collector.kill();
        Vec::new()
    };
    ban(84, kill, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_waited_out_although_the_stream_ends_meanwhile() {
    let cut = |world: &World, collector: Program| {
        world.exchange.faults().drop_all();
        vec![collector]
    };
    ban(85, cut, false).await;
}

/// The number of seconds in "for another 7 s".
fn seconds_left(reason: &str) -> u64 {
    let (_, rest) = reason.split_once("for another ").unwrap();
    rest.split_once(" s").unwrap().0.parse().unwrap()
}

// The local clock is a year away from the exchange's here.
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_in_words_alone_is_counted_by_the_exchanges_clock() {
    let world = World::start(WorldOptions {
        seed: 86,
        speed: 1.0,
        rate: 3000.0,
        window: 5,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    eventually("a book is stored", LIMIT, async || {
        !books(&world).await.is_empty()
    })
    .await
    .unwrap();
    let (faults, stats) = (world.exchange.faults(), world.exchange.stats());
    let until = world.clock.now_ms() + 15_000;
    faults.rest_outage(&RestFault::banned_in_words(until));
    let banned = Instant::now();
    let reason = reason_with(&world, "(418)").await;
    assert!((8..=17).contains(&seconds_left(&reason)), "{reason}");
    faults.clear_rest();
    let sent = stats.total_requests();
    holds_until("requests during a ban", banned + 14 * SECOND, || {
        stats.total_requests() == sent
    })
    .await;
    eventually("requests after the ban", 5 * SECOND, async || {
        stats.total_requests() > sent
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_without_a_word_how_long_is_taken_for_two_minutes() {
    let world = World::start(WorldOptions {
        seed: 87,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    eventually("a book is stored", LIMIT, async || {
        !books(&world).await.is_empty()
    })
    .await
    .unwrap();
    let stats = world.exchange.stats();
    world.exchange.faults().rest_outage(&RestFault::banned_html());
    let reason = reason_with(&world, "(418)").await;
    assert!((110..=121).contains(&seconds_left(&reason)), "{reason}");
    let sent = stats.total_requests();
    holds_until("requests during a ban", Instant::now() + 4 * SECOND, || {
        stats.total_requests() == sent
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_is_not_served_is_not_asked_again_and_the_status_says_what_to_do() {
    let world = World::start(WorldOptions {
        seed: 88,
        rate: 400.0,
        rare_events: false,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let stats = world.exchange.stats();
    world.exchange.faults().rest_outage(&RestFault::geo_blocked());
    let reason = reason_with(&world, "(451)").await;
    assert!(
        reason.contains("binance.rest_api_base") && reason.contains("data-api.binance.vision"),
        "{reason}"
    );
    assert!(seconds_left(&reason) > 5 * 3600, "{reason}");
    let (sent, minute) = (stats.total_requests(), world.now());
    holds_until("requests after 451", Instant::now() + 4 * SECOND, || {
        stats.total_requests() == sent
    })
    .await;
    // The stream goes on, and minutes with it.
    let recorded = world.recorded().await.unwrap();
    assert!(recorded.newest() >= Some(minute));
    assert_eq!(recorded.differences(&world.truth()), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_for_good_is_not_sent_again_unchanged() {
    let world = World::start(WorldOptions {
        seed: 89,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    world
        .exchange
        .faults()
        .rest_always(Endpoint::Depth, RestFault::invalid_symbol());
    let collector = world.collector();
    let reason = reason_with(&world, "Invalid symbol").await;
    assert!(reason.starts_with("depth:"), "{reason}");
    assert!(collector.stderr().contains("refuses a request for good"));
    // A book is due every second.
    holds_until("the same request again", Instant::now() + 4 * SECOND, || {
        world.exchange.stats().requests(Endpoint::Depth) == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_start_beside_other_programs_never_meets_the_exchanges_limit() {
    let world = World::start(WorldOptions {
        seed: 90,
        speed: 1.0,
        rate: 60.0,
        window: 300,
        backfill: 300,
        depth_interval: 10,
        exchange: ExchangeConfig::default(),
        ..WorldOptions::default()
    })
    .await;
    let (faults, stats) = (world.exchange.faults(), world.exchange.stats());
    faults.spend_elsewhere(2900);
    let collector = world.collector();
    // They go on spending while history waits for them: 4400 in a minute.
    let (mut elsewhere, mut due) = (2900, Instant::now() + SECOND);
    eventually("the window is whole", Duration::from_secs(150), async || {
        if elsewhere < 4400 && Instant::now() >= due {
            faults.spend_elsewhere(100);
            (elsewhere, due) = (elsewhere + 100, due + SECOND);
        }
        assert_eq!(stats.limited(), 0, "{}", collector.stderr());
        let recorded = world.recorded().await.unwrap();
        recorded.window.len() >= 298 && recorded.incomplete() == 0
    })
    .await
    .unwrap();
    assert!(books(&world).await.len() >= 2);
    assert_eq!(world.recorded().await.unwrap().differences(&world.truth()), []);
}

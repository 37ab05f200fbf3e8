//! What a feed reads: exactly what Redis holds, and of that only what is new.

use std::collections::BTreeMap;

use analyzer::feed::Feed;
use chrono::{DateTime, TimeDelta, Utc};
use market_sim::redis::RedisServer;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use rust_decimal::Decimal;
use strategy_core::analysis::Params;
use strategy_core::json;
use strategy_core::model::{BucketFlow, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{PriceBucket, Quantity};
use strategy_core::store::{LeaseToken, Store, StoreOptions, WindowImage, encode_depth};
use strategy_core::time::Minute;

use crate::market;

/// The collector's side of Redis.
struct Collector {
    store: Store,
    token: LeaseToken,
    image: WindowImage,
    size: usize,
}

fn store(redis: &RedisServer) -> Store {
    let config = market::config(&format!("redis: {{host: 127.0.0.1, port: {}}}", redis.port()));
    let options: StoreOptions = config.redis.store_options();
    Store::new(&options).unwrap()
}

impl Collector {
    async fn new(redis: &RedisServer, size: usize) -> Self {
        let mut store = store(redis);
        let token = LeaseToken::new("test", 1, 1);
        store.acquire_lease(&token).await.unwrap();
        Self {
            store,
            token,
            image: WindowImage::default(),
            size,
        }
    }

    async fn put(&mut self, minutes: impl IntoIterator<Item = MinuteFootprint>) {
        self.store.acquire_lease(&self.token).await.unwrap();
        let batch: BTreeMap<Minute, MinuteFootprint> = minutes
            .into_iter()
            .map(|minute| (minute.minute, minute))
            .collect();
        let plan = self.image.plan(batch, self.size);
        let symbol = market::symbol();
        self.store
            .apply_window(&self.token, &symbol, &self.image, plan.leaving, &plan.changes)
            .await
            .unwrap();
        self.image = plan.after;
    }

    async fn push(&mut self, book: &DepthSnapshot, window: usize) {
        self.store.acquire_lease(&self.token).await.unwrap();
        let (document, id) = (encode_depth(book).unwrap(), book.last_update_id());
        let symbol = market::symbol();
        self.store
            .push_depth(&self.token, symbol.as_str(), id, &document, window, false)
            .await
            .unwrap();
    }
}

fn start() -> Minute {
    Minute::from_number(29_000_000).unwrap()
}

fn now(minute: i64) -> DateTime<Utc> {
    start().offset(minute).start() + TimeDelta::seconds(65)
}

fn minute(number: i64, lots: u32, complete: bool) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(start().offset(number), complete);
    for row in 0..4_i64 {
        let bucket = PriceBucket::new(Decimal::from(110_100 + (number * 7 + row * 11) % 80)).unwrap();
        let flow = BucketFlow {
            buy_volume: Quantity::new(Decimal::new(i64::from(lots) + row, 2)).unwrap(),
            sell_volume: Quantity::new(Decimal::new(5 + row, 2)).unwrap(),
            trade_count: 2,
        };
        minute.levels.insert(bucket, flow);
    }
    minute
}

fn book(number: i64) -> DepthSnapshot {
    let template = market::books(TimeDelta::zero()).remove(0);
    let id = u64::try_from(number).unwrap() + 1;
    let (bids, asks) = (template.bids().to_vec(), template.asks().to_vec());
    DepthSnapshot::new(market::symbol(), now(number), id, bids, asks).unwrap()
}

async fn report(feed: &mut Feed, store: &mut Store, at: i64) -> String {
    feed.refresh(store).await.unwrap();
    json::to_string(&feed.report(now(at)).await.unwrap()).unwrap()
}

/// What happens to Redis between two cycles.
#[derive(Debug, Clone)]
enum Event {
    /// So many minutes and books pass.
    Pass(i64),
    /// A minute this far back is replaced.
    Heal(i64, u32),
    /// Minutes before the oldest one are filled in.
    Backfill(i64),
    /// Redis ends and comes back without anything newer than its last save.
    Lose,
    /// The window is emptied by hand.
    Empty,
    /// The analyzer looks.
    Cycle,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_i64..4).prop_map(Event::Pass),
        3 => (0_i64..40, 0_u32..50).prop_map(|(back, lots)| Event::Heal(back, lots)),
        1 => (1_i64..8).prop_map(Event::Backfill),
        1 => Just(Event::Lose),
        1 => Just(Event::Empty),
        6 => Just(Event::Cycle),
    ]
}

async fn follows(events: &[Event], size: usize, profile: u32, depth: usize) -> Result<(), TestCaseError> {
    let mut redis = RedisServer::start().await;
    let mut collector = Collector::new(&redis, size).await;
    let mut reader = store(&redis);
    let params = Params {
        profile_window_minutes: profile,
        flow_window_minutes: 10,
        depth_window: depth,
        ..Params::default()
    };
    let mut feed = Feed::new(market::symbol(), params.clone());
    let mut last = 0;
    collector.put([minute(0, 1, true)]).await;
    collector.push(&book(0), depth).await;
    for event in events.iter().chain([&Event::Cycle]) {
        match event {
            Event::Pass(minutes) => {
                for _ in 0..*minutes {
                    last += 1;
                    collector.put([minute(last, 3, last % 3 > 0)]).await;
                    collector.push(&book(last), depth).await;
                }
            }
            Event::Heal(back, lots) => {
                let healed = start().offset(last - back);
                if collector.image.state(healed).is_some() {
                    collector.put([minute(last - back, *lots, true)]).await;
                }
            }
            Event::Backfill(minutes) => {
                let oldest = collector.image.oldest().unwrap().since(start());
                let older = (1..=*minutes).map(|back| oldest - back);
                collector.put(older.map(|number| minute(number, 2, true))).await;
            }
            Event::Lose => {
                redis.restart().await;
                collector = Collector::new(&redis, size).await;
                collector.put([minute(last, 9, true)]).await;
                collector.push(&book(last), depth).await;
            }
            Event::Empty => {
                let mut connection = redis.connection().await;
                let () = redis::cmd("DEL")
                    .arg("trades_window")
                    .arg("trades_window_changes")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                collector.image = WindowImage::default();
                collector.put([minute(last, 8, true)]).await;
            }
            Event::Cycle => {
                let kept = report_or_retry(&mut feed, &mut reader, last).await;
                let mut fresh = Feed::new(market::symbol(), params.clone());
                let anew = report(&mut fresh, &mut store(&redis), last).await;
                prop_assert_eq!(kept, anew);
            }
        }
    }
    Ok(())
}

/// The first command after a restart of the server finds a broken connection.
async fn report_or_retry(feed: &mut Feed, store: &mut Store, at: i64) -> String {
    // What failed is tried again, as a cycle does.
    let _broken = feed.refresh(store).await;
    report(feed, store, at).await
}

/// Whatever happens between cycles: the report is, byte for byte, that of a feed that has read everything anew.
#[test]
fn a_feed_kept_for_long_equals_a_fresh_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let cases = Runs {
        cases: 40,
        failure_persistence: None,
        ..Runs::default()
    };
    let sequences = (
        prop::collection::vec(event(), 1..40),
        3_usize..40,
        3_u32..40,
        1_usize..6,
    );
    TestRunner::new(cases)
        .run(&sequences, |(events, size, profile, depth)| {
            runtime.block_on(follows(&events, size, profile, depth))
        })
        .unwrap();
}

/// Bytes the server has sent so far, to anybody.
async fn sent(connection: &mut redis::aio::MultiplexedConnection) -> u64 {
    let text: String = redis::cmd("INFO")
        .arg("stats")
        .query_async(connection)
        .await
        .unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    line.unwrap().trim().parse().unwrap()
}

/// Bytes a cycle reads after one minute and one book have passed, a minute deep in the window was healed, and
/// nothing has happened.
async fn costs(size: usize, depth: usize) -> [u64; 3] {
    let redis = RedisServer::start().await;
    let mut collector = Collector::new(&redis, size).await;
    let length = i64::try_from(size).unwrap();
    collector
        .put((0..length).map(|number| minute(1_000 + number, 3, true)))
        .await;
    for number in 0..i64::try_from(depth).unwrap() {
        collector.push(&book(1_000 + number), depth).await;
    }
    let mut last = 1_000 + length.max(i64::try_from(depth).unwrap()) - 1;
    let params = Params {
        profile_window_minutes: u32::try_from(size).unwrap(),
        depth_window: depth,
        ..Params::default()
    };
    let mut feed = Feed::new(market::symbol(), params);
    let mut reader = store(&redis);
    feed.refresh(&mut reader).await.unwrap();
    let mut connection = redis.connection().await;
    let mut costs = [0; 3];
    for (kind, cost) in costs.iter_mut().enumerate() {
        match kind {
            0 => {
                last += 1;
                collector.put([minute(1_000 + length, 3, true)]).await;
                collector.push(&book(last), depth).await;
            }
            1 => collector.put([minute(1_002, 4, true)]).await,
            _ => {}
        }
        // The question itself is answered with as many bytes every time, give or take a digit.
        let question = {
            let before = sent(&mut connection).await;
            sent(&mut connection).await - before
        };
        let before = sent(&mut connection).await;
        feed.refresh(&mut reader).await.unwrap();
        *cost = sent(&mut connection).await - before - question;
    }
    costs
}

#[tokio::test]
async fn what_a_cycle_reads_does_not_depend_on_the_windows() {
    let (short, long) = (costs(60, 5).await, costs(2880, 60).await);
    for (short, long) in short.into_iter().zip(long) {
        assert!(short.abs_diff(long) < 100, "{short} and {long} bytes");
    }
    let element = encode_depth(&book(1)).unwrap().len() as u64;
    assert!(long[0] > element && long[0] < element + 4_000, "{long:?}");
    assert!(long[1] < 3_000 && long[2] < 1_500, "{long:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_cost_only_their_own_element() {
    let redis = RedisServer::start().await;
    let mut collector = Collector::new(&redis, 10).await;
    collector.put((0..5).map(|number| minute(number, 3, true))).await;
    collector.push(&book(1), 10).await;
    let mut reader = store(&redis);
    let mut feed = Feed::new(market::symbol(), Params::default());
    let mut connection = redis.connection().await;
    for key in ["trades_window", "depth_snapshot_5000"] {
        let mut foreign = redis::cmd("RPUSH");
        foreign.arg(key).arg(b"{\"timestamp\":\"\xff\xfe\"}");
        let () = foreign.query_async(&mut connection).await.unwrap();
    }
    let rejected = feed.refresh(&mut reader).await.unwrap();
    assert_eq!((rejected.books, rejected.minutes), (1, 1));
    let mut whole = Feed::new(market::symbol(), Params::default());
    for key in ["trades_window", "depth_snapshot_5000"] {
        let () = redis::cmd("RPOP")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    assert_eq!(whole.refresh(&mut reader).await.unwrap().unknown(), None);
    let of = async |feed: &mut Feed| feed.report(now(5)).await.unwrap();
    let (with, without) = (of(&mut feed).await, of(&mut whole).await);
    assert_eq!(with.high_volume_nodes, without.high_volume_nodes);
    assert_eq!(
        json::to_string(&with.poc_levels).unwrap(),
        json::to_string(&without.poc_levels).unwrap()
    );
}

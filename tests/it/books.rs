//! Books on their way from the exchange to Redis.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use end_to_end_tests::{World, WorldOptions};
use market_sim::exchange::Endpoint;
use market_sim::faults::{DepthEdit, RestFault};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;

use crate::watch::{LIMIT, status};

/// The books in Redis, oldest first: when each came, its id, and its levels.
async fn books(world: &World) -> Vec<(DateTime<Utc>, u64, [usize; 2])> {
    let documents: Vec<String> = world
        .connection()
        .await
        .lrange("depth_snapshot_5000", 0, -1)
        .await
        .unwrap();
    let read = |document: &String| {
        let book: Value = serde_json::from_str(document).unwrap();
        let levels = ["bids", "asks"].map(|side| book[side].as_array().unwrap().len());
        let at = book["timestamp"].as_str().unwrap().parse().unwrap();
        (at, book["last_update_id"].as_u64().unwrap(), levels)
    };
    documents.iter().rev().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_do_not_move_the_books_off_their_interval() {
    const INTERVAL: u64 = 2;
    let world = World::start(WorldOptions {
        seed: 111,
        backfill: 0,
        depth_interval: INTERVAL,
        ..WorldOptions::default()
    })
    .await;
    // About 0.8 s for an answer: counted from answer to answer, the fourth book would be 2.4 s late.
    world.exchange.faults().rest_always(
        Endpoint::Depth,
        RestFault::SlowBody {
            chunk: 1 << 20,
            pause: Duration::from_millis(800),
        },
    );
    let _collector = world.collector();
    let mut books_now = Vec::new();
    eventually("eight books", LIMIT, async || {
        books_now = books(&world).await;
        books_now.len() >= 8
    })
    .await
    .unwrap();
    let first = books_now[0].0;
    for (index, (at, ..)) in (0..).zip(&books_now) {
        let off = *at - first - TimeDelta::seconds(index * INTERVAL.cast_signed());
        assert!(
            off.abs() < TimeDelta::milliseconds(900),
            "book {index} is {off} off its place"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_or_one_sided_book_is_stored_and_what_is_no_book_is_counted() {
    let world = World::start(WorldOptions {
        seed: 112,
        backfill: 0,
        ..WorldOptions::default()
    })
    .await;
    let faults = world.exchange.faults();
    let bad = [
        RestFault::Truncated(50_000),
        RestFault::body(""),
        RestFault::body("null"),
        RestFault::body(r#"{"lastUpdateId":-5,"bids":[],"asks":[]}"#),
    ];
    let count = bad.len() as u64;
    for fault in bad {
        faults.rest(Endpoint::Depth, fault, 1);
    }
    for edit in [DepthEdit::Levels(3), DepthEdit::NoBids, DepthEdit::NoAsks] {
        faults.rest(Endpoint::Depth, RestFault::Depth(edit), 1);
    }
    let _collector = world.collector();
    let mut stored = Vec::new();
    eventually("four books", LIMIT, async || {
        stored = books(&world).await;
        stored.len() >= 4
    })
    .await
    .unwrap();
    let levels: Vec<_> = stored[..4].iter().map(|(_, _, levels)| *levels).collect();
    assert_eq!(levels, [[3, 3], [0, 5000], [5000, 0], [5000, 5000]]);
    eventually("the others are counted", LIMIT, async || {
        status(&world).await["counters"]["depth_rejected"] == count
    })
    .await
    .unwrap();
    assert!(world.exchange.stats().requests(Endpoint::Depth) >= count + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_book_never_follows_a_newer_one_not_even_over_a_restart() {
    let world = World::start(WorldOptions {
        seed: 113,
        backfill: 0,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    eventually("two books", LIMIT, async || books(&world).await.len() >= 2)
        .await
        .unwrap();
    collector.kill();
    let before = books(&world).await;
    let older = RestFault::Depth(DepthEdit::OlderBy(1_000_000_000));
    world.exchange.faults().rest(Endpoint::Depth, older, 2);
    let _collector = world.collector();
    eventually("the older books are counted", LIMIT, async || {
        status(&world).await["counters"]["depth_rejected"] == 2
    })
    .await
    .unwrap();
    eventually("newer books follow", LIMIT, async || {
        books(&world).await.len() > before.len()
    })
    .await
    .unwrap();
    let stored = books(&world).await;
    assert_eq!(stored[..before.len()], before);
    assert!(stored.is_sorted_by_key(|(_, id, _)| *id), "{stored:?}");
}

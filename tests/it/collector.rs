//! What the collector records is what the exchange reports, whatever happens on the way.

use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::exchange::Endpoint;
use market_sim::faults::{DepthEdit, RestFault, StreamMode, WsCommand};
use market_sim::wait::{eventually, eventually_some};
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::model::MinuteFootprint;

/// Longest wait for a window to become whole again.
const LIMIT: Duration = Duration::from_secs(40);

async fn status(world: &World) -> Value {
    let text: Option<String> = world
        .connection()
        .await
        .get("data_collector_status")
        .await
        .unwrap();
    serde_json::from_str(&text.unwrap_or_default()).unwrap_or(Value::Null)
}

/// Waits until the collector's status satisfies `condition`.
async fn status_says(world: &World, what: &str, condition: impl Fn(&Value) -> bool) {
    eventually(what, LIMIT, async || condition(&status(world).await))
        .await
        .unwrap();
}

fn counter(status: &Value, name: &str) -> u64 {
    status["counters"][name].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_minute_equals_what_the_exchange_reports() {
    let world = World::start(WorldOptions::default()).await;
    let mut collector = world.collector();
    let recorded = world.assert_whole(world.now().offset(8), LIMIT).await;
    assert!(recorded.window.iter().any(|minute| minute.trade_count > 50));
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_market_has_every_minute_and_no_false_reconnect() {
    let world = World::start(WorldOptions {
        rate: 0.3,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let recorded = world.assert_whole(world.now().offset(6), LIMIT).await;
    assert!(recorded.window.iter().any(|minute| minute.trade_count == 0));
    assert_eq!(world.exchange.stats().connects(), 1);
    assert_eq!(collector.stop("TERM").await.0, Some(0));
}

// Expected are 1.1 s and 3.4 s: five leave room for a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_is_there_within_five_seconds_of_its_end_in_a_busy_and_in_a_quiet_market() {
    for rate in [600.0, 0.01] {
        let start = WorldOptions::default().start;
        let world = World::start(WorldOptions {
            seed: 19,
            rate,
            speed: 1.0,
            // A quarter of a minute before the end of one.
            start: start - chrono::Duration::seconds(start.timestamp() % 60 + 15),
            window: 5,
            backfill: 3,
            ..WorldOptions::default()
        })
        .await;
        let minute = world.now();
        let mut collector = world.collector();
        let late_ms = eventually_some("the minute is there", LIMIT, async || {
            let recorded = world.recorded().await.ok()?;
            let whole = |known: &&MinuteFootprint| known.minute == minute && known.complete;
            recorded.window.iter().find(whole)?;
            Some(world.clock.now_ms() - minute.end_ms())
        })
        .await
        .unwrap();
        assert!(
            (0..5_000).contains(&late_ms),
            "{late_ms} ms at {rate} trades a minute"
        );
        assert_eq!(collector.stop("INT").await.0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_doubles_and_disorder_of_the_stream_are_repaired() {
    let world = World::start(WorldOptions {
        rate: 400.0,
        seed: 3,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let faults = world.exchange.faults();
    faults.skip_rows(40);
    faults.duplicate_rows(30);
    faults.swap_rows(30);
    faults.extra_fields(10);
    faults.send_unknown_event();
    faults.send_foreign_trade();
    faults.send_error_object();
    faults.send_text("{\"e\":\"aggTrade\",");
    faults.command(WsCommand::Binary(vec![0, 159, 146, 150]));
    world.assert_whole(world.now().offset(6), LIMIT).await;
    status_says(&world, "rejected frames are counted", |status| {
        counter(status, "frames_rejected") >= 4 && counter(status, "duplicates") > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_however_the_stream_ends() {
    let world = World::start(WorldOptions {
        seed: 4,
        speed: 30.0,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let faults = world.exchange.faults();
    let ends: [fn(&market_sim::faults::Faults); 5] = [
        |faults| faults.drop_all(),
        |faults| faults.close_all(1000, "bye"),
        |faults| faults.close_all(1008, "Pong timeout"),
        |faults| faults.command(WsCommand::HalfFrame),
        |faults| faults.command(WsCommand::Shutdown),
    ];
    for end in ends {
        let connects = world.exchange.stats().connects();
        end(faults);
        eventually("another connection", LIMIT, async || {
            world.exchange.stats().connects() > connects
        })
        .await
        .unwrap();
    }
    faults.refuse_upgrade(403, 1);
    faults.refuse_upgrade(429, 1);
    faults.close_on_accept(2);
    faults.drop_all();
    world.assert_whole(world.now().offset(4), LIMIT).await;
    assert!(collector.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_without_data_is_noticed_and_replaced() {
    let world = World::start(WorldOptions {
        seed: 5,
        ..WorldOptions::default()
    })
    .await;
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    world.exchange.faults().set_mode(StreamMode::DataSilent);
    // The minutes go on without the stream, by rest.
    world.assert_whole(world.now().offset(3), LIMIT).await;
    status_says(&world, "the mute stream is noticed", |status| {
        counter(status, "mute_streams") > 0
    })
    .await;
    world.exchange.faults().set_mode(StreamMode::Normal);
    world.assert_whole(world.now().offset(3), LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_joins_two_connections_by_id() {
    let world = World::start(WorldOptions {
        seed: 6,
        rate: 400.0,
        // An id the exchange does not have would look like a trade lost between the connections.
        rare_events: false,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let before = world.assert_whole(world.now().offset(1), LIMIT).await;
    let faults = world.exchange.faults();
    // What is lost between two connections could only be had from REST.
    faults.rest_always(Endpoint::AggTrades, RestFault::bad_gateway_html());
    for renewals in 1..=3 {
        faults.command(WsCommand::AnnounceShutdown);
        eventually("the connection is renewed", LIMIT, async || {
            collector.stderr().matches("trade stream renewed").count() == renewals
        })
        .await
        .unwrap();
    }
    let recorded = world.assert_whole(world.now().offset(1), LIMIT).await;
    assert_eq!(world.exchange.stats().connects(), 4);
    collector.stop("INT").await;
    // Every id of the renewals' time is in a minute, each in one: as many trades as the exchange has, from the
    // first id to the last.
    let renewed: Vec<_> = recorded
        .window
        .iter()
        .filter(|minute| Some(minute.minute) > before.newest())
        .collect();
    let truth = world.truth();
    let (mut trades, mut true_trades) = (0, 0);
    for minute in &renewed {
        let expected = truth.minute(minute.minute).unwrap();
        assert_eq!(minute.trade_ids, expected.trade_ids, "{}", minute.minute);
        trades += minute.trade_count;
        true_trades += expected.trade_count;
    }
    let ids = renewed.iter().filter_map(|minute| minute.trade_ids);
    let (first, last) = (
        ids.clone().map(|ids| ids.first).min(),
        ids.map(|ids| ids.last).max(),
    );
    assert_eq!(trades, true_trades);
    assert_eq!(last.unwrap() - first.unwrap() + 1, trades);
    assert!(
        renewed.len() >= 3 && trades > 500,
        "{trades} trades in {} minutes",
        renewed.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_faults_delay_and_lose_nothing() {
    let world = World::start(WorldOptions {
        seed: 7,
        ..WorldOptions::default()
    })
    .await;
    let faults = world.exchange.faults();
    let trades = Endpoint::AggTrades;
    faults.rest(trades, RestFault::bad_gateway_html(), 2);
    faults.rest(trades, RestFault::body("[{\"a\":\"x\"}]"), 1);
    faults.rest(trades, RestFault::Truncated(200), 1);
    faults.rest(trades, RestFault::Cut(300), 1);
    faults.rest(trades, RestFault::EmptyPage, 2);
    faults.rest(trades, RestFault::ShortPage(3), 3);
    faults.rest(
        trades,
        RestFault::SlowBody {
            chunk: 20_000,
            pause: Duration::from_millis(5),
        },
        2,
    );
    faults.rest(trades, RestFault::too_many_requests(1), 1);
    let _collector = world.collector();
    world.exchange.faults().skip_rows(20);
    world.assert_whole(world.now().offset(5), LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_cannot_be_true_are_counted_and_never_stored() {
    let world = World::start(WorldOptions {
        seed: 8,
        backfill: 2,
        ..WorldOptions::default()
    })
    .await;
    let faults = world.exchange.faults();
    let depth = Endpoint::Depth;
    for edit in [
        DepthEdit::Crossed,
        DepthEdit::Empty,
        DepthEdit::ZeroQuantity,
        DepthEdit::Unsorted,
    ] {
        faults.rest(depth, RestFault::Depth(edit), 1);
    }
    faults.rest(depth, RestFault::body("<html>"), 1);
    faults.rest(
        depth,
        RestFault::body(r#"{"lastUpdateId":1,"bids":[["-1","1"]],"asks":[["NaN","1"]]}"#),
        1,
    );
    let _collector = world.collector();
    status_says(&world, "bad books are counted", |status| {
        counter(status, "depth_rejected") >= 6
    })
    .await;
    eventually("good books follow", LIMIT, async || {
        world
            .connection()
            .await
            .llen::<_, u64>("depth_snapshot_5000")
            .await
            .unwrap()
            >= 2
    })
    .await
    .unwrap();
    faults.rest(depth, RestFault::Depth(DepthEdit::OlderBy(1_000_000_000)), 1);
    status_says(&world, "the older book is counted", |status| {
        counter(status, "depth_rejected") >= 7
    })
    .await;
    let books: Vec<String> = world
        .connection()
        .await
        .lrange("depth_snapshot_5000", 0, -1)
        .await
        .unwrap();
    let ids: Vec<u64> = books
        .iter()
        .map(|book| strategy_core::store::decode_depth(book).unwrap().last_update_id())
        .collect();
    assert!(ids.is_sorted_by(|newer, older| newer >= older), "{ids:?}");
}

// D12, B11, B12: minutes were lost or doubled when Redis was away.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_loses_nothing() {
    let mut world = World::start(WorldOptions {
        seed: 11,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    world.redis_proxy.freeze(true);
    let until = world.now().offset(5);
    eventually("five minutes pass", LIMIT, async || world.now() >= until)
        .await
        .unwrap();
    world.redis_proxy.freeze(false);
    world.assert_whole(world.now(), LIMIT).await;
    // A crash without persistence: everything is gone and comes back.
    world.redis.kill();
    let until = world.now().offset(3);
    eventually("three minutes pass", LIMIT, async || world.now() >= until)
        .await
        .unwrap();
    world.redis.restart().await;
    world.assert_whole(world.now().offset(1), LIMIT).await;
    assert!(collector.is_running());
    let errors = collector.stderr();
    assert!(
        errors.matches("redis is not there").count() <= 4,
        "said once per change:\n{errors}"
    );
}

// B18: kill -9 lost up to a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_collector_goes_on_without_a_hole() {
    let world = World::start(WorldOptions {
        seed: 12,
        ..WorldOptions::default()
    })
    .await;
    for _ in 0..3 {
        let mut collector = world.collector();
        world.assert_whole(world.now().offset(2), LIMIT).await;
        collector.kill();
        let until = world.now().offset(2);
        eventually("two minutes pass", LIMIT, async || world.now() >= until)
            .await
            .unwrap();
    }
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_left_unsaved_by_an_earlier_run_replace_nothing_that_is_whole() {
    let world = World::start(WorldOptions {
        seed: 16,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let recorded = world.assert_whole(world.now().offset(2), LIMIT).await;
    collector.stop("INT").await;
    // As a collector leaves it that lost the keys to another one, before a late trade came.
    let mut older = recorded.window[8].clone();
    assert!(older.complete && older.trade_count > 1);
    older.trade_count -= 1;
    older.levels.pop_first();
    let symbol = strategy_core::symbol::Symbol::new("BTCFDUSD").unwrap();
    let unsaved = strategy_core::archive::Archive::new(&world.storage().join("unsaved"), symbol);
    unsaved.file(&older).unwrap();
    let _collector = world.collector();
    eventually("the unsaved minute is dealt with", LIMIT, async || {
        unsaved.minutes().unwrap().is_empty()
    })
    .await
    .unwrap();
    world.assert_whole(world.now().offset(1), LIMIT).await;
}

// B29: two collectors counted twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_collector_waits_and_takes_over() {
    let world = World::start(WorldOptions {
        seed: 13,
        speed: 20.0,
        ..WorldOptions::default()
    })
    .await;
    let mut first = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let mut second = world.collector();
    eventually("the second says that it waits", LIMIT, async || {
        second.stderr().contains("standby")
    })
    .await
    .unwrap();
    first.kill();
    eventually(
        "the second takes over within 15 s",
        Duration::from_secs(15),
        async || second.stderr().contains("this collector owns the keys"),
    )
    .await
    .unwrap();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    assert_eq!(second.stop("INT").await.0, Some(0));
}

// D8: two markets were mixed under one set of keys.
// D4: older versions kept one book in a string and minutes of their own making.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_left_in_redis_is_converted_or_set_aside() {
    let world = World::start(WorldOptions {
        seed: 15,
        ..WorldOptions::default()
    })
    .await;
    let mut connection = world.connection().await;
    let old = r#"{"timestamp":"2025-10-26T00:24:40.544939","price_levels":{"111495":{"price_level":111495.0,"buy_volume":0.2,"sell_volume":0.1,"total_volume":0.3,"delta":0.1,"trade_count":3}}}"#;
    let _: () = connection
        .set(
            "depth_snapshot_5000",
            r#"{"symbol":"BTCFDUSD","bids":[],"asks":[]}"#,
        )
        .await
        .unwrap();
    let _: () = connection.lpush("trades_window", old).await.unwrap();
    let _collector = world.collector();
    world.assert_whole(world.now().offset(1), LIMIT).await;
    let aside: Vec<String> = connection.lrange("trades_window_set_aside", 0, -1).await.unwrap();
    assert_eq!(aside, [old]);
    assert!(connection.llen::<_, u64>("depth_snapshot_5000").await.unwrap() >= 2);
}

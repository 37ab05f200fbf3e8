//! Whole cycles against a real Redis: what is in the log, what is in Redis, and what a failure leaves.

use std::time::Duration;

use analyzer::feed::Feed;
use chrono::TimeDelta;
use market_sim::model::ModelReply;
use market_sim::redis::{RedisOptions, RedisServer};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::config::Config;
use strategy_core::model::{DepthSnapshot, MinuteFootprint};
use strategy_core::num::BucketWidth;
use strategy_core::store::Store;
use strategy_core::time::Minute;

use crate::market;
use crate::world::{PATIENCE, Running, World, lines, once};

#[tokio::test]
async fn one_cycle_leaves_the_same_in_the_log_and_in_redis() {
    let world = World::new().await;
    assert!(once(&world.config("timeout: 20", 60)).await);
    let lines = world.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(
        (&line["source"], &line["status"]),
        (&"deepseek".into(), &"ok".into()),
        "{line}"
    );
    assert_eq!(
        line["market_context"]["support_count"].as_u64(),
        Some(1),
        "{line}"
    );

    let stored = world.in_redis().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(serde_json::from_str::<Value>(&stored[0]).unwrap(), *line);

    let mut connection = world.redis.connection().await;
    let keys: Vec<String> = connection.keys("analysis_results:*").await.unwrap();
    assert_eq!(keys.len(), 1);
    let lifetime: i64 = connection.ttl(&keys[0]).await.unwrap();
    assert!((3500..=3600).contains(&lifetime), "{lifetime}");
    let analysis: String = connection.get(&keys[0]).await.unwrap();
    let analysis: Value = serde_json::from_str(&analysis).unwrap();
    assert_eq!(analysis["timestamp"], line["timestamp"]);
    assert_eq!(analysis["support_levels"][0]["price"], 110_136);
    for field in [
        "resistance_levels",
        "poc_levels",
        "liquidity_vacuum_zones",
        "resonance_zones",
    ] {
        assert!(analysis[field].is_array(), "{field}");
    }
}

#[tokio::test]
async fn the_model_advises_from_all_minutes_of_the_window_and_from_late_ones() {
    let world = World::new().await;
    let minutes = market::minutes(300);
    let mut damaged = minutes.clone();
    damaged[100] = MinuteFootprint::empty(damaged[100].minute, false);
    world.publish(&damaged[..250]).await;
    let config = world.config("timeout: 1", 2);
    let running = Running::start(&config);
    let used = async |count: u64| {
        let mut connection = world.redis.connection().await;
        let keys: Vec<String> = connection.keys("analysis_results:*").await.unwrap();
        let Some(newest) = keys.iter().max() else {
            return false;
        };
        let analysis: String = connection.get(newest).await.unwrap();
        let honesty = &serde_json::from_str::<Value>(&analysis).unwrap()["data_honesty"];
        let incomplete = u64::from(count == 250);
        honesty["minutes_used"] == count && honesty["incomplete_minutes"] == incomplete
    };
    eventually("250 minutes are used", PATIENCE, async || used(250).await)
        .await
        .unwrap();
    // The window grew at its old end and the damaged minute was healed.
    world.publish(&minutes).await;
    eventually("300 minutes are used", PATIENCE, async || used(300).await)
        .await
        .unwrap();
    assert!(running.stop().await.0);
}

/// What a feed has read, compared with an analysis of everything at once.
async fn reads_all(feed: &mut Feed, world: &World, minutes: &[MinuteFootprint], books: &[DepthSnapshot]) {
    let mut store = Store::new(&world.config("timeout: 1", 60).redis.store_options()).unwrap();
    feed.refresh(&mut store).await.unwrap();
    let now = market::now();
    let symbol = market::symbol();
    let input = Input {
        symbol: &symbol,
        now,
        depth: books,
        minutes,
    };
    assert_eq!(
        feed.report(now).await.unwrap(),
        analyze(&input, &Params::default())
    );
    // The prices of these books are whole.
    assert_eq!(feed.tick(), BucketWidth::ONE);
}

#[tokio::test]
async fn a_feed_that_was_away_for_hours_reads_what_it_missed() {
    let world = World::new().await;
    let (books, minutes) = (market::books(TimeDelta::seconds(5)), market::minutes(700));
    let mut connection = world.redis.connection().await;
    let mut feed = Feed::new(market::symbol(), Params::default());
    market::publish(&mut connection, &books[8..], &minutes[400..]).await;
    reads_all(&mut feed, &world, &minutes[400..], &books[8..]).await;
    // Five hours and several snapshots later, all at once.
    market::publish(&mut connection, &books, &minutes).await;
    reads_all(&mut feed, &world, &minutes, &books).await;
    // Redis lost almost everything.
    market::publish(&mut connection, &books[10..], &minutes[650..]).await;
    reads_all(&mut feed, &world, &minutes[650..], &books[10..]).await;
}

#[tokio::test]
async fn cycles_follow_each_other_and_none_overlaps() {
    let world = World::new().await;
    let running = Running::start(&world.config("timeout: 1, api_key: ''", 2));
    eventually("three lines", PATIENCE, async || world.lines().len() >= 3)
        .await
        .unwrap();
    let (well, _) = running.stop().await;
    assert!(well);
    let lines = world.lines();
    for line in &lines {
        assert_eq!(
            (&line["source"], &line["fallback_reason"]),
            (&"rules".into(), &"no_api_key".into())
        );
    }
    let times: Vec<chrono::DateTime<chrono::Utc>> = lines
        .iter()
        .map(|line| line["timestamp"].as_str().unwrap().parse().unwrap())
        .collect();
    for pair in times.windows(2) {
        let apart = (pair[1] - pair[0]).num_milliseconds();
        assert!((1500..2500).contains(&apart), "{apart} ms");
    }
    let stored = world.in_redis().await;
    let stored: Vec<Value> = stored
        .iter()
        .rev()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(stored, lines);
}

#[tokio::test]
async fn a_status_is_there_while_it_runs_and_says_when_it_stopped() {
    let world = World::new().await;
    let running = Running::start(&world.config("timeout: 1, api_key: ''", 2));
    let status = async || -> Option<Value> {
        let mut connection = world.redis.connection().await;
        let text: Option<String> = connection.get("analyzer_status").await.unwrap();
        text.map(|text| serde_json::from_str(&text).unwrap())
    };
    eventually("a status after a recommendation", PATIENCE, async || {
        status()
            .await
            .is_some_and(|status| status["last_recommendation"].is_string())
    })
    .await
    .unwrap();
    let while_running = status().await.unwrap();
    assert_eq!(while_running["is_running"], true);
    assert_eq!(while_running["redis_connected"], true);
    assert!(while_running["last_analysis"].is_string());
    assert_eq!(while_running["degraded"], serde_json::json!([]));
    assert!(running.stop().await.0);
    assert_eq!(status().await.unwrap()["is_running"], false);
}

#[tokio::test]
async fn it_stops_quickly_while_the_model_hangs() {
    let world = World::new().await;
    world.model.script().always(ModelReply::Hang);
    let running = Running::start(&world.config("timeout: 45", 60));
    eventually("the model is asked", PATIENCE, async || {
        !world.model.requests().is_empty()
    })
    .await
    .unwrap();
    let (well, took) = running.stop().await;
    assert!(well && took < Duration::from_secs(1), "{took:?}");
    // The cycle that was cut off has its line, and the request that nobody answered its cost.
    let lines = world.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(
        (&line["source"], &line["status"], &line["fallback_reason"]),
        (&"rules".into(), &"ok".into(), &"stopped".into()),
        "{line}"
    );
    assert_eq!(line["model_usage"]["requests"], 1);
    assert_eq!(line["model_usage"]["estimated_requests"], 1);
    assert!(
        line["model_usage"]["cost_usd"].as_f64().unwrap() > 0.001,
        "{line}"
    );
    let stored = world.in_redis().await;
    assert_eq!(serde_json::from_str::<Value>(&stored[0]).unwrap(), *line);
}

#[tokio::test]
async fn it_stops_quickly_while_redis_is_away() {
    let world = World::new().await;
    let mut config = world.config("timeout: 1", 2);
    config.redis.port = 1;
    let running = Running::start(&config);
    eventually("a line without data", PATIENCE, async || {
        !world.lines().is_empty()
    })
    .await
    .unwrap();
    let (well, took) = running.stop().await;
    assert!(well && took < Duration::from_secs(3), "{took:?}");
}

/// One line per cycle, always: also without Redis, and then it says so.
#[tokio::test]
async fn one_cycle_without_redis_writes_an_honest_line() {
    let world = World::new().await;
    let mut config = world.config("timeout: 59", 60);
    config.redis.port = 1;
    assert!(once(&config).await);
    let lines = world.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(
        (&line["status"], &line["abstain_reason"], &line["action"]),
        (&"abstain".into(), &"incomplete_data".into(), &"HOLD".into()),
    );
    assert!(
        line["detail"].as_str().unwrap().contains("is not reachable"),
        "{line}"
    );
    assert!(world.model.requests().is_empty());
}

/// B26: a cycle whose line is nowhere ended with code 0.
/// It waited ten seconds for a list of models that did not come.
#[tokio::test]
async fn one_cycle_ends_although_the_list_of_models_hangs() {
    let world = World::new().await;
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let text = market::yaml(world.directory.path(), world.redis.port(), &url, "timeout: 1");
    let asked = std::time::Instant::now();
    assert!(once(&market::config(&text)).await);
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert_eq!(world.lines()[0]["fallback_reason"], "timeout");
}

#[tokio::test]
async fn one_cycle_whose_line_the_disk_refuses_fails() {
    let world = World::new().await;
    std::fs::write(world.directory.path().join("logs"), "").unwrap();
    assert!(!once(&world.config("timeout: 20, enabled: false", 60)).await);
    assert_eq!(world.in_redis().await.len(), 1);
}

#[tokio::test]
async fn while_redis_is_away_lines_say_so_and_reach_it_later() {
    let mut world = World::new().await;
    let running = Running::start(&world.config("timeout: 1, api_key: ''", 2));
    eventually("a line with advice", PATIENCE, async || !world.lines().is_empty())
        .await
        .unwrap();
    world.redis.kill();
    let is_abstention = |line: &Value| line["abstain_reason"] == "incomplete_data";
    eventually("a line without data", PATIENCE, async || {
        world.lines().last().is_some_and(is_abstention)
    })
    .await
    .unwrap();
    world.redis.restart().await;
    world.publish(&market::minutes(180)).await;
    eventually("advice again", PATIENCE, async || {
        world.lines().last().is_some_and(|line| line["status"] == "ok")
    })
    .await
    .unwrap();
    assert!(running.stop().await.0);
    let stored = world.in_redis().await;
    let stored: Vec<Value> = stored
        .iter()
        .rev()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lines = world.lines();
    // The server came back empty, so what it had before is gone; the rest is there in order.
    assert!(stored.iter().any(is_abstention));
    assert_eq!(stored[..], lines[lines.len() - stored.len()..]);
}

/// B27: a stale snapshot was analysed as if it were current.
#[tokio::test]
async fn stale_and_missing_data_are_abstained_on_without_a_call() {
    let world = World::new().await;
    let config = world.config("timeout: 20", 60);
    let old = market::books(TimeDelta::minutes(10));
    market::publish(&mut world.redis.connection().await, &old, &market::minutes(180)).await;
    assert!(once(&config).await);
    market::publish(&mut world.redis.connection().await, &[], &[]).await;
    assert!(once(&config).await);
    let lines = world.lines();
    assert_eq!(lines[0]["abstain_reason"], "stale_data");
    for line in &lines {
        assert_eq!(
            (&line["action"], &line["status"]),
            (&"HOLD".into(), &"abstain".into()),
            "{line}"
        );
        assert_eq!(
            (&line["confidence"], &line["price_range"]),
            (&0.into(), &Value::Null),
            "{line}"
        );
    }
    assert!(world.model.requests().is_empty());
}

/// B21, B33: what stands in Redis and is not what the layout says never ends a cycle.
#[tokio::test]
async fn broken_documents_in_redis_are_left_out() {
    let world = World::new().await;
    let mut connection = world.redis.connection().await;
    let () = connection
        .lpush("depth_snapshot_5000", "{\"bids\": Infinity}")
        .await
        .unwrap();
    let other = MinuteFootprint::empty(Minute::of(market::now()).unwrap(), true);
    let foreign = strategy_core::store::encode_minute(&"ETHFDUSD".to_owned().try_into().unwrap(), &other);
    let () = connection.lpush("trades_window", "nonsense").await.unwrap();
    let () = connection.lpush("trades_window", foreign.unwrap()).await.unwrap();
    assert!(once(&world.config("timeout: 20", 60)).await);
    assert_eq!(world.lines()[0]["status"], "ok");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_caught_up_with() {
    let world = World::new().await;
    let blocker = world.directory.path().join("logs");
    std::fs::write(&blocker, "").unwrap();
    let running = Running::start(&world.config("timeout: 1, api_key: ''", 2));
    eventually("two lines in redis", PATIENCE, async || {
        world.in_redis().await.len() >= 2
    })
    .await
    .unwrap();
    std::fs::remove_file(&blocker).unwrap();
    let caught_up = async || world.lines().len() >= 3;
    eventually("the lines are in the log", PATIENCE, caught_up)
        .await
        .unwrap();
    assert!(running.stop().await.0);
    let stored = world.in_redis().await;
    let stored: Vec<Value> = stored
        .iter()
        .rev()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(stored, world.lines());
}

#[tokio::test]
async fn a_password_of_redis_is_sent_and_not_logged() {
    let options = RedisOptions {
        password: Some("known-to-the-test".to_owned()),
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let books = market::books(TimeDelta::seconds(5));
    market::publish(&mut redis.connection().await, &books, &market::minutes(60)).await;
    let directory = tempfile::tempdir().unwrap();
    let text = market::yaml(
        directory.path(),
        redis.port(),
        "http://127.0.0.1:1/v1",
        "enabled: false",
    );
    let text = text.replace("redis: {", "redis: {password: '${REDIS_PASSWORD}', ");
    let environment = [("REDIS_PASSWORD".to_owned(), "known-to-the-test".to_owned())].into();
    let (config, _) = Config::parse(&text, "test.yaml", &environment).unwrap();
    assert!(!format!("{config:?}").contains("known-to-the-test"));
    assert!(once(&config).await);
    assert_eq!(lines(directory.path())[0]["fallback_reason"], "disabled");
}

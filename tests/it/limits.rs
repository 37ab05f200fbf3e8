//! What grows is watched, and bounded where that was asked for.

use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::redis::RedisOptions;
use market_sim::wait::eventually;
use strategy_core::archive::Archive;
use strategy_core::model::MinuteFootprint;
use strategy_core::symbol::Symbol;

use crate::page::{free_ports, scrape};

const LIMIT: Duration = Duration::from_secs(60);

fn with_redis(seed: u64, arguments: &[&str]) -> WorldOptions {
    WorldOptions {
        seed,
        window: 5,
        backfill: 5,
        redis: RedisOptions {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            ..RedisOptions::default()
        },
        ..WorldOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_forget_or_is_nearly_full_is_said() {
    let arguments = ["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"];
    let world = World::start(with_redis(331, &arguments)).await;
    let mut connection = world.connection().await;
    for number in 0..16 {
        let () = redis::cmd("SET")
            .arg(format!("ballast{number}"))
            .arg("x".repeat(1 << 20))
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    let mut collector = world.collector();
    eventually("memory is said to be short", LIMIT, async || {
        let status = world.status().await;
        status.contains("redis memory: ")
            && status.contains(" of 20 MB are used")
            && status.contains(" since ")
    })
    .await
    .unwrap();
    let said = collector.stderr();
    for words in ["maxmemory-policy allkeys-lru", "redis writes nothing to disk"] {
        let lines = said
            .lines()
            .filter(|line| line.contains(words) && line.contains(" WARN "));
        assert_eq!(lines.count(), 1, "{words}: {said}");
    }
    let (code, _, err) = world.ask("data-collector", &["status"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("degraded: redis memory: "), "{err}");
    let again = "redis has room in memory again";
    assert!(!collector.stderr().contains(again), "{}", collector.stderr());
    for number in 0..16 {
        let () = redis::cmd("DEL")
            .arg(format!("ballast{number}"))
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    eventually("memory is said to suffice again", LIMIT, async || {
        !world.status().await.contains("redis memory: ") && collector.stderr().contains(again)
    })
    .await
    .unwrap();
    collector.stop("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_set_up_well_gets_no_warning() {
    let mut options = with_redis(332, &["--maxmemory", "500mb", "--maxmemory-policy", "noeviction"]);
    options.redis.append_only = true;
    let world = World::start(options).await;
    let mut collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    assert!(
        !collector.stderr().contains("maxmemory") && !collector.stderr().contains("to disk"),
        "{}",
        collector.stderr()
    );
    assert!(!world.status().await.contains("redis memory"));
    collector.stop("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_go_only_where_that_was_asked_for() {
    let world = World::start(WorldOptions {
        seed: 333,
        window: 4,
        backfill: 4,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let newest = world.assert_whole(world.now(), LIMIT).await.newest().unwrap();
    collector.stop("INT").await;
    let archive = Archive::new(&world.storage(), Symbol::new("BTCFDUSD").unwrap());
    let days = |days: i64| newest.offset(-days * 24 * 60);
    for minute in [days(40), days(30), days(8), days(1)] {
        archive.file(&MinuteFootprint::empty(minute, true)).unwrap();
    }
    let foreign = archive.path_of(days(50));
    std::fs::write(&foreign, "not a minute").unwrap();
    let exists = |minute| archive.path_of(minute).exists();
    // By default nothing goes.
    let port = free_ports();
    let metrics = format!("metrics: {{ listen: \"127.0.0.1:{port}\" }}\ndata_collector:\n");
    world.edit_config("data_collector:\n", &metrics);
    let mut collector = world.collector();
    let looked = async || {
        eventually("the files were counted", LIMIT, async || {
            let page = scrape(port).await;
            page.is_some_and(|page| page.has("storage_files"))
        })
        .await
        .unwrap();
        scrape(port).await.unwrap().count("storage_files")
    };
    assert!(looked().await >= 5);
    collector.stop("INT").await;
    assert!(exists(days(40)) && exists(days(30)));
    world.edit_config(
        "data_collector:\n",
        "data_collector:\n  storage_retention_days: 8\n",
    );
    let (code, _, err) = world.ask("data-collector", &["--check-config"]).await;
    assert_eq!(code, Some(78));
    assert!(
        err.contains("data_collector.storage_retention_days: 8 is too few"),
        "{err}"
    );
    world.edit_config("storage_retention_days: 8\n", "storage_retention_days: 20\n");
    let mut collector = world.collector();
    looked().await;
    assert!(collector.stderr().contains("files=2"), "{}", collector.stderr());
    assert!(!exists(days(40)) && !exists(days(30)));
    assert!(exists(days(8)) && exists(days(1)) && foreign.exists());
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

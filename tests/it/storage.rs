//! Minutes that leave the window, and storage that does not take them.

use std::path::Path;
use std::time::Duration;

use end_to_end_tests::{Program, Recorded, World, WorldOptions};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;

/// Longest wait for a window to become whole again.
const LIMIT: Duration = Duration::from_secs(40);

async fn small_window(seed: u64) -> World {
    World::start(WorldOptions {
        seed,
        window: 3,
        backfill: 3,
        ..WorldOptions::default()
    })
    .await
}

async fn length(world: &World) -> u64 {
    world.connection().await.llen("trades_window").await.unwrap()
}

/// Waits until the status has a reason that begins with `storage:` and contains `cause`, or has none.
async fn storage_is(world: &World, cause: Option<&str>) {
    eventually("the status of storage", LIMIT, async || {
        let status: Value = serde_json::from_str(&world.status().await).unwrap_or(Value::Null);
        let Some(reasons) = status["degraded"].as_array() else {
            return false;
        };
        let found = reasons
            .iter()
            .filter_map(Value::as_str)
            .find(|reason| reason.starts_with("storage:"));
        match (cause, found) {
            (Some(cause), Some(found)) => found.contains(cause),
            (None, None) => true,
            _ => false,
        }
    })
    .await
    .unwrap();
}

async fn window_has(world: &World, what: &str, condition: impl Fn(u64) -> bool) {
    eventually(what, LIMIT, async || condition(length(world).await))
        .await
        .unwrap();
}

/// The files in a directory, compared with the truth.
fn files(world: &World, directory: &Path) -> usize {
    let recorded = Recorded::read(&[], directory).unwrap();
    assert_eq!(recorded.differences(&world.truth()), []);
    recorded.files.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_that_leave_the_window_become_files() {
    let world = World::start(WorldOptions {
        seed: 9,
        window: 4,
        backfill: 4,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let start = world.now();
    let recorded = world.assert_whole(start.offset(9), LIMIT).await;
    assert_eq!(recorded.window.len(), 4);
    let window_start = recorded.window.last().unwrap().minute;
    let mut minute = start;
    while minute < window_start {
        assert!(
            recorded.files.get(&minute).is_some_and(|file| file.complete),
            "{minute} has no complete file"
        );
        minute = minute.next();
    }
    collector.stop("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_storage_cannot_be_written_minutes_stay_in_redis() {
    let world = small_window(10).await;
    // A file where the directory should be: nobody can write below it.
    std::fs::write(world.storage(), "in the way").unwrap();
    let _collector = world.collector();
    storage_is(&world, Some("Not a directory")).await;
    window_has(&world, "the window keeps more than it should", |length| {
        length >= 5
    })
    .await;
    std::fs::remove_file(world.storage()).unwrap();
    window_has(&world, "the window is back to its size", |length| length <= 3).await;
    let recorded = world.assert_whole(world.now(), LIMIT).await;
    assert!(recorded.files.len() >= 2);
    storage_is(&world, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_no_minute_and_leaves_no_half_file() {
    let world = small_window(15).await;
    let arguments = ["--config", "config.yaml"];
    let mut collector =
        Program::start_with_full_storage("data-collector", &world.directory(), &arguments, 4096);
    storage_is(&world, Some("No space left")).await;
    window_has(&world, "the window keeps more than it should", |length| {
        length >= 5
    })
    .await;
    let storage = collector.look_in(&world.storage());
    assert_eq!(files(&world, &storage), 0, "no file without room");
    std::fs::remove_file(storage.join("ballast")).unwrap();
    window_has(&world, "the window is back to its size", |length| length <= 3).await;
    storage_is(&world, None).await;
    assert!(files(&world, &storage) >= 2);
    let whole = world.recorded().await.unwrap();
    assert_eq!(whole.differences(&world.truth()), []);
    assert_eq!(collector.stop("TERM").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_removed_is_made_again() {
    let world = small_window(16).await;
    let mut collector = world.collector();
    let has_files = async || {
        world
            .recorded()
            .await
            .is_ok_and(|recorded| recorded.files.len() >= 2)
    };
    eventually("files", LIMIT, has_files).await.unwrap();
    let directory = world.storage();
    while std::fs::remove_dir_all(&directory).is_err() {}
    eventually("files again", LIMIT, has_files).await.unwrap();
    storage_is(&world, None).await;
    assert!(files(&world, &directory) >= 2);
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

// Of every reload it was said that Redis had forgotten the minutes that had left the window.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_one_minute_turns_without_anything_being_forgotten() {
    let world = World::start(WorldOptions {
        seed: 17,
        window: 1,
        backfill: 1,
        ..WorldOptions::default()
    })
    .await;
    let mut collector = world.collector();
    let has_files = async |count: usize| {
        let recorded = world.recorded().await;
        recorded.is_ok_and(|recorded| recorded.files.len() >= count)
    };
    eventually("six files", LIMIT, async || has_files(6).await)
        .await
        .unwrap();
    // A connection that breaks makes the collector load the window again.
    world.redis_proxy.cut();
    let now = files(&world, &world.storage());
    eventually("three more files", LIMIT, async || has_files(now + 3).await)
        .await
        .unwrap();
    assert_eq!(collector.stop("INT").await.0, Some(0));
    assert_eq!(length(&world).await, 1);
    let log = collector.stderr();
    for words in ["forgotten", "is not what was written last", "ERROR"] {
        assert!(!log.contains(words), "{words} in {log}");
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "std makes no pipe; it is a test that starts the program which does"
)]
fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Opening a pipe waits for its other end, as opening a file on a dead disk does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_in_storage_keeps_nobody_from_recording() {
    let world = small_window(19).await;
    let mut collector = world.collector();
    let newest = world.assert_whole(world.now(), LIMIT).await.newest().unwrap();
    assert_eq!(collector.stop("INT").await.0, Some(0));
    let path = |ago: i64| {
        let stamp = newest.offset(-ago).file_stamp();
        world.storage().join(format!("trades_{stamp}.json"))
    };
    pipe(&path(20));
    std::fs::create_dir(path(30)).unwrap();
    let mut collector = world.collector();
    let status = async || serde_json::from_str::<Value>(&world.status().await).unwrap_or(Value::Null);
    eventually("both are said", LIMIT, async || {
        let status = status().await;
        let recording = status["websocket_connected"] == true;
        recording
            && status["degraded"].as_array().is_some_and(|reasons| {
                reasons.iter().filter_map(Value::as_str).any(|reason| {
                    reason.starts_with("files: not looked at for incomplete minutes: 2 files, the first: ")
                        && reason.contains("not a regular file")
                })
            })
    })
    .await
    .unwrap();
    let log = collector.stderr();
    for odd in [path(20), path(30)] {
        let name = odd.file_name().unwrap().to_str().unwrap();
        let lines = log
            .lines()
            .filter(|line| line.contains(name) && line.contains(" WARN "));
        assert_eq!(lines.count(), 1, "{name}: {log}");
    }
    assert_eq!(collector.stop("INT").await.0, Some(0));
    assert!(path(30).is_dir() && !path(20).is_file());
}

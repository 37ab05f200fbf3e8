//! One log file for both programs.

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::wait::eventually;

const LIMIT: Duration = Duration::from_secs(60);

/// Every line of the log and its old files, counted.
fn lines_of_log(world: &World) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for entry in std::fs::read_dir(world.directory().join("logs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("strategy_agent.log") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                *lines.entry(line.to_owned()).or_default() += 1;
            }
        }
    }
    lines
}

// B28: two programs rotated one file and lost lines.
#[tokio::test(flavor = "multi_thread")]
async fn two_programs_rotate_one_log_and_lose_no_line() {
    let world = World::start(WorldOptions {
        seed: 41,
        depth_interval: 1,
        ..WorldOptions::default()
    })
    .await;
    let logging = "analyzer: { analysis: { interval_seconds: 2 }, deepseek: { enabled: false, timeout: 1 } }
logging: { level: \"DEBUG\", max_file_size_mb: 0.001, backup_count: 1000 }";
    world.write_config("config.yaml", logging);
    let (mut collector, mut analyzer) = (world.collector(), world.analyzer());
    eventually("nine rotations", LIMIT, async || {
        world.directory().join("logs/strategy_agent.log.9").exists()
    })
    .await
    .unwrap();
    assert_eq!(collector.stop("INT").await.0, Some(0));
    assert_eq!(analyzer.stop("INT").await.0, Some(0));
    let logged = lines_of_log(&world);
    let mut printed: BTreeMap<String, usize> = BTreeMap::new();
    for line in collector.stderr().lines().chain(analyzer.stderr().lines()) {
        *printed.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(
        logged, printed,
        "the log and its old files hold what both programs printed, line by line"
    );
}

/// A configuration with the analyzer at a quick pace.
async fn quick_analyzer(seed: u64) -> World {
    let world = World::start(WorldOptions {
        seed,
        ..WorldOptions::default()
    })
    .await;
    let more = "analyzer: { analysis: { interval_seconds: 2 }, deepseek: { enabled: false, timeout: 1 } }";
    world.write_config("config.yaml", more);
    world
}

/// Reasons of a program's status.
async fn degraded(world: &World, key: &str) -> Vec<String> {
    let text: Option<String> = redis::cmd("GET")
        .arg(key)
        .query_async(&mut world.connection().await)
        .await
        .unwrap();
    let status: serde_json::Value = serde_json::from_str(&text.unwrap_or("{}".to_owned())).unwrap();
    serde_json::from_value(status["degraded"].clone()).unwrap_or_default()
}

/// Waits until the status of both programs names, or no longer names, a log that cannot be written.
async fn both_say(world: &World, expected: &[(&str, &str, bool)]) {
    for (key, words, said) in expected {
        let mut last = Vec::new();
        let met = eventually("the status says how the logs are", LIMIT, async || {
            last = degraded(world, key).await;
            let exists: bool = redis::cmd("EXISTS")
                .arg(key)
                .query_async(&mut world.connection().await)
                .await
                .unwrap();
            exists && last.iter().any(|reason| reason.starts_with(words)) == *said
        });
        assert!(met.await.is_ok(), "{key}: {words:?} said {said}: {last:?}");
    }
}

const MAIN: &str = "the log file logs/strategy_agent.log cannot be written: ";
const ADVICE: &str = "the recommendation log logs/trading_recommendations_btcfdusd.log cannot be written, ";

// The message named no file, and the status was well.
#[tokio::test(flavor = "multi_thread")]
async fn logs_that_cannot_be_opened_are_named_in_both_statuses_while_it_lasts() {
    let world = quick_analyzer(42).await;
    let logs = world.directory().join("logs");
    std::fs::write(&logs, "in the way").unwrap();
    let (mut collector, mut analyzer) = (world.collector(), world.analyzer());
    let main = format!("{MAIN}the directory logs cannot be made: File exists");
    both_say(
        &world,
        &[
            ("data_collector_status", &main, true),
            ("analyzer_status", &main, true),
            ("analyzer_status", ADVICE, true),
        ],
    )
    .await;
    let reasons = degraded(&world, "analyzer_status").await;
    let advice = reasons.iter().find(|reason| reason.starts_with(ADVICE));
    assert!(
        advice
            .unwrap()
            .contains("lines are waiting: the directory logs cannot be made: File exists"),
        "{reasons:?}"
    );
    for program in [&collector, &analyzer] {
        assert_eq!(program.stderr().matches(&main).count(), 1, "{}", program.stderr());
    }
    std::fs::remove_file(&logs).unwrap();
    both_say(
        &world,
        &[
            ("data_collector_status", MAIN, false),
            ("analyzer_status", MAIN, false),
            ("analyzer_status", ADVICE, false),
        ],
    )
    .await;
    assert_eq!(collector.stop("INT").await.0, Some(0));
    assert_eq!(analyzer.stop("INT").await.0, Some(0));
    let text: String = lines_of_log(&world).into_keys().collect();
    for program in ["data-collector", "analyzer"] {
        assert!(
            text.contains(&format!("{program} the log file is written again, ")),
            "{text}"
        );
    }
}

// A link to a device that is always full stands for the disk.
#[tokio::test(flavor = "multi_thread")]
async fn logs_on_a_full_disk_are_named_in_both_statuses_while_it_lasts() {
    let world = quick_analyzer(43).await;
    let logs = world.directory().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let files = ["strategy_agent.log", "trading_recommendations_btcfdusd.log"].map(|name| logs.join(name));
    for file in &files {
        std::os::unix::fs::symlink("/dev/full", file).unwrap();
    }
    let (mut collector, mut analyzer) = (world.collector(), world.analyzer());
    let main = format!("{MAIN}No space left on device");
    both_say(
        &world,
        &[
            ("data_collector_status", &main, true),
            ("analyzer_status", &main, true),
            ("analyzer_status", ADVICE, true),
        ],
    )
    .await;
    let (code, printed, reasons) = world.ask("data-collector", &["status"]).await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(reasons.contains(&main), "{reasons}");
    for file in &files {
        std::fs::remove_file(file).unwrap();
    }
    both_say(
        &world,
        &[
            ("data_collector_status", MAIN, false),
            ("analyzer_status", MAIN, false),
            ("analyzer_status", ADVICE, false),
        ],
    )
    .await;
    assert_eq!(collector.stop("INT").await.0, Some(0));
    assert_eq!(analyzer.stop("INT").await.0, Some(0));
}

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

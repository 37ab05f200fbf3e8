//! The benchmarks run, and say what they found.

use std::time::Duration;

use end_to_end_tests::Program;
use market_sim::wait::eventually;

/// Longest time for one run of each line that is asked for.
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn daemon_and_floor_do_the_same_work() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "--runs", "1", "--only", "frames", "--only", "first", "--only", "starts",
    ];
    let mut bench = Program::start("bench", directory.path(), &arguments);
    eventually("the end", LIMIT, async || !bench.is_running())
        .await
        .unwrap();
    let (status, _) = bench.wait().await;
    assert!(status.success(), "{}", bench.stderr());
    let table = bench.stdout();
    for work in ["trade frames", "analyzer, first cycle", "start of the collector"] {
        let line = table.lines().find(|line| line.contains(work)).unwrap_or_default();
        // Work, daemon, floor and ratio: all of them have a figure.
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let figures = cells.get(2..5).unwrap_or_default();
        let has_figure = |cell: &&str| cell.chars().any(|character| ('1'..='9').contains(&character));
        assert!(
            figures.len() == 3 && figures.iter().all(has_figure),
            "{work}: {table}"
        );
    }
}

//! Every line of the table, from the smallest part of its work.

use std::time::Duration;

use end_to_end_tests::Program;
use market_sim::wait::eventually;

/// Longest time for one line, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(300);

/// Bytes of sixty books as they stand in Redis, in kilobytes; a window has them besides its minutes.
const BOOKS: f64 = 12_000.0;

/// One row of the table: work, measured, floor, ratio, goal, reached.
struct Row([String; 6]);

impl Row {
    fn of(line: &str) -> Option<Self> {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<String> = cells.split(" | ").map(|cell| cell.trim().to_owned()).collect();
        Some(Self(cells.try_into().ok()?))
    }

    /// What begins a cell.
    fn number(&self, cell: usize) -> f64 {
        let text = &self.0[cell];
        let number = text.split([' ', '%']).find_map(|word| word.parse().ok());
        number.unwrap_or_else(|| panic!("no number in {text:?}"))
    }

    fn measured(&self) -> f64 {
        self.number(1)
    }

    fn floor(&self) -> f64 {
        self.number(2)
    }

    fn ratio(&self) -> f64 {
        self.number(3)
    }

    /// The number that stands before these words in the measured cell.
    fn before(&self, words: &str) -> f64 {
        let (before, _) = self.0[1].split_once(words).expect(words);
        before.rsplit([' ', ',']).next().unwrap().parse().unwrap()
    }
}

/// The rows of one line, which begin with these words and no others.
async fn rows<const COUNT: usize>(line: &str, works: [&str; COUNT]) -> [Row; COUNT] {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--runs", "1", "--one-in", "50", "--only", line];
    let mut bench = Program::start("bench", directory.path(), &arguments);
    let ended = eventually("the end", LIMIT, async || !bench.is_running()).await;
    ended.unwrap();
    let (status, _) = bench.wait().await;
    let table = bench.stdout();
    assert!(status.success(), "{}{table}", bench.stderr());
    let mut lines = table.lines().skip_while(|line| line.is_empty());
    assert_eq!(
        lines.next(),
        Some("| work | measured | floor | ratio | goal | reached |")
    );
    assert_eq!(lines.next(), Some("|---|---|---|---|---|---|"));
    let found: Vec<Row> = lines
        .map(|line| Row::of(line).unwrap_or_else(|| panic!("no row: {line}")))
        .collect();
    assert_eq!(found.len(), COUNT, "{table}");
    for (row, work) in found.iter().zip(works) {
        assert!(row.0[0].starts_with(work), "{work}: {table}");
        assert!(["yes", "**no**"].contains(&row.0[5].as_str()), "{table}");
        assert!(!row.0[4].is_empty(), "a row without a goal: {table}");
    }
    found.try_into().unwrap_or_else(|_| panic!("{table}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn frames() {
    let [row] = rows("frames", ["trade frames, per million"]).await;
    assert!(row.measured() > 0.0 && row.floor() > 0.0, "{:?}", row.0);
    assert!(row.ratio() > 0.0, "{:?}", row.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn books() {
    let [book, pause] = rows(
        "depth",
        ["a book of 5000 + 5000 levels", "longest pause of the trade path"],
    )
    .await;
    // The difference of two spans of which the shorter has noise of its own.
    assert!(book.measured().is_finite() && book.floor() > 0.0, "{:?}", book.0);
    assert!(pause.measured() > 0.0 && pause.floor() > 0.0, "{:?}", pause.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_cycle() {
    let [row] = rows("first", ["analyzer, first cycle"]).await;
    assert!(row.measured() > 0.0 && row.floor() > 0.0, "{:?}", row.0);
    assert!(row.ratio() > 0.0, "{:?}", row.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn steady_cycles_read_what_is_new_and_not_the_window() {
    let works = [
        "analyzer, steady cycle",
        "steady cycle, 180 minutes of 60 levels",
        "steady cycle, 180 minutes of 60 levels",
        "steady cycle, 201 minutes of 60 levels",
        "steady cycle, 180 minutes of 300 levels",
    ];
    let [all, windows @ ..] = rows("steady", works).await;
    assert!(all.measured() > 0.0 && all.floor() > 0.0, "{:?}", all.0);
    for row in windows {
        assert!(row.measured() > 0.0 && row.ratio() > 0.0, "{:?}", row.0);
        let read = row.before(" kB read");
        assert!(read > BOOKS / 60.0 && read < BOOKS / 4.0, "{:?}", row.0);
        let resident = row.before(" MB resident");
        assert!(
            resident > 1.0 && row.before(" MB at its peak") >= resident,
            "{:?}",
            row.0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_stops() {
    let [row] = rows("starts", ["start of the collector to its first book"]).await;
    assert!(row.measured() > 0.0 && row.floor() > 0.0, "{:?}", row.0);
    let works = [
        "collector, SIGTERM to its end, idle",
        "collector, SIGTERM to its end, 400 trades a second",
        "collector, SIGTERM to its end, two days missing",
        "analyzer, SIGTERM to its end",
    ];
    for row in rows("stops", works).await {
        assert!(row.measured() > 0.0, "{:?}", row.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filled_window_is_the_exchange_s() {
    let works = [
        "warm start: ",
        "the same: CPU per million trades",
        "the same: memory of the collector at its peak",
    ];
    let rows = rows("warm", works).await;
    let work = &rows[0].0[0];
    assert!(work.contains(", 0 differences, "), "{work}");
    let minutes: u32 = work.split(' ').nth(2).unwrap().parse().unwrap();
    assert!((55..=57).contains(&minutes), "{work}");
    for row in rows {
        assert!(row.measured() > 0.0, "{:?}", row.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_recorded_whole() {
    let [row] = rows("burst", ["burst of 400 trades in a second, 50 times as fast"]).await;
    let measured = &row.0[1];
    assert!(measured.starts_with("published "), "{measured}");
    assert!(measured.contains(", 0 differences, "), "{measured}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_the_work_and_no_run_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        ["--one-in", "0"],
        ["--one-in", "51"],
        ["--runs", "0"],
        ["--only", "nothing"],
    ] {
        let mut bench = Program::start("bench", directory.path(), &arguments);
        let (status, _) = bench.wait().await;
        assert_eq!(status.code(), Some(2), "{arguments:?}: {}", bench.stderr());
        assert!(bench.stderr().contains(arguments[0]), "{}", bench.stderr());
    }
}

//! Many chaos runs, several at a time, and what they add up to.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::chaos::run::{Outcome, run_seed};

/// Threads of one world.
const WORKERS: usize = 2;

/// What all runs add up to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds without a difference.
    pub passed: Vec<u64>,
    /// Seeds with one, or that could not be brought to their end.
    pub failed: Vec<u64>,
    trades: u64,
    minutes: u64,
    incomplete_files: u64,
    looks: u64,
    versions: u64,
    early: u64,
    leases_lost: u64,
    faults: BTreeMap<&'static str, u64>,
    slowest_healing: Duration,
    took: Duration,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        if outcome.differences.is_empty() {
            self.passed.push(outcome.plan.seed);
        } else {
            self.failed.push(outcome.plan.seed);
        }
        self.trades += outcome.trades;
        self.minutes += outcome.minutes;
        self.incomplete_files += outcome.incomplete_files;
        self.looks += outcome.looks;
        self.versions += outcome.versions;
        self.early += outcome.early;
        self.leases_lost += outcome.leases_lost;
        for (kind, count) in &outcome.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.slowest_healing = self.slowest_healing.max(outcome.healed_after);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "at the end: {} minutes with {} trades compared, {} files not complete",
            self.minutes, self.trades, self.incomplete_files,
        )?;
        writeln!(
            formatter,
            "during the runs: {} looks at the window, {} versions of complete minutes compared, {} of them amended later; {} leases lost; slowest healing {:.1} s",
            self.looks,
            self.versions,
            self.early,
            self.leases_lost,
            self.slowest_healing.as_secs_f64(),
        )?;
        let faults: Vec<String> = self
            .faults
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        writeln!(
            formatter,
            "{} faults: {}",
            self.faults.values().sum::<u64>(),
            faults.join(", ")
        )?;
        if !self.failed.is_empty() {
            writeln!(formatter, "failed seeds: {:?}", self.failed)?;
        }
        write!(
            formatter,
            "{} passed, {} failed in {:.0} s",
            self.passed.len(),
            self.failed.len(),
            self.took.as_secs_f64(),
        )
    }
}

/// Runs all seeds, `jobs` at a time; `tell` is called with every outcome, or with the seed of a run that
/// could not be brought to its end.
pub fn run_seeds(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: usize,
    keep: &Path,
    tell: impl Fn(Result<&Outcome, u64>) + Sync,
) -> Summary {
    let started = Instant::now();
    let seeds = Mutex::new(seeds);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let next = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(seed) = next else { return };
            let outcome = catch_unwind(AssertUnwindSafe(|| run_alone(seed, keep)));
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(outcome) = outcome {
                summary.add(&outcome);
                tell(Ok(&outcome));
            } else {
                summary.failed.push(seed);
                tell(Err(seed));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(work);
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.took = started.elapsed();
    summary
}

/// Where failed runs are kept unless told otherwise: `chaos` beside the directory programs are built into.
pub fn default_keep() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let mut built = program.parent().unwrap_or(&program);
    if built.ends_with("deps") {
        built = built.parent().unwrap_or(built);
    }
    built.parent().unwrap_or(built).join("chaos")
}

/// One seed in a runtime of its own, which ends with everything in it.
fn run_alone(seed: u64, keep: &Path) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(run_seed(seed, keep));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

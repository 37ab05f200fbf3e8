//! A fixed handful of the seeded runs of `cargo xtask chaos`.

use std::sync::Mutex;

use end_to_end_tests::chaos::{default_keep, run_seeds};

/// Chosen to have, together, every kind of fault: a crash of Redis with and without its file, storage that
/// is blocked, two collectors, outages of REST and of the stream.
const SEEDS: [u64; 8] = [1, 4, 6, 13, 16, 123, 1021, 2077];

/// Worlds at a time: they wait more than they compute.
const JOBS: usize = 4;

#[test]
fn seeded_faults_lose_nothing_and_double_nothing() {
    let told = Mutex::new(String::new());
    let summary = run_seeds(SEEDS.into_iter(), JOBS, &default_keep(), |outcome| {
        let text = match outcome {
            Ok(outcome) => format!("{outcome}\n"),
            Err(seed) => format!("seed {seed} could not be brought to its end\n"),
        };
        told.lock().unwrap().push_str(&text);
    });
    let told = told.into_inner().unwrap();
    assert!(summary.failed.is_empty(), "{told}{summary}");
    assert_eq!(summary.passed.len(), SEEDS.len());
}

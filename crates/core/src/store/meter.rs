//! How long Redis takes, counted for all connections of a program together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds.
const LIMITS: [u64; 10] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// Counts commands; shared by the connections.
#[derive(Debug, Default)]
pub struct StoreMeter {
    /// Answers by bucket, the last for those beyond all limits.
    buckets: [AtomicU64; LIMITS.len() + 1],
    micros: AtomicU64,
    failures: AtomicU64,
}

/// How long something took, how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latencies {
    /// How many took at most so long, the limits rising.
    pub buckets: Vec<(Duration, u64)>,
    /// All of them.
    pub count: u64,
    /// Their times together.
    pub sum: Duration,
}

impl StoreMeter {
    /// Counts a command that was answered after so long.
    pub(super) fn answered(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = LIMITS.partition_point(|limit| *limit < micros);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts a command that was refused or not answered.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Commands that were refused or not answered.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How long the answered ones took.
    pub fn latencies(&self) -> Latencies {
        let mut count = 0;
        let mut sums = self.buckets.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let buckets = LIMITS
            .iter()
            .zip(&mut sums)
            .map(|(limit, sum)| (Duration::from_micros(*limit), sum))
            .collect();
        let all = sums.next().unwrap_or_default();
        Latencies {
            buckets,
            count: all,
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_what_took_at_most_its_limit() {
        let meter = StoreMeter::default();
        for micros in [400, 500, 501, 9_000_000] {
            meter.answered(Duration::from_micros(micros));
        }
        meter.failed();
        let latencies = meter.latencies();
        assert_eq!(latencies.buckets[0], (Duration::from_micros(500), 2));
        assert_eq!(latencies.buckets[1], (Duration::from_millis(1), 3));
        assert_eq!(latencies.buckets[9], (Duration::from_secs(5), 3));
        assert_eq!((latencies.count, meter.failures()), (4, 1));
        assert_eq!(latencies.sum, Duration::from_micros(9_001_401));
    }
}

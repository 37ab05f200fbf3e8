//! When the next cycle is due. Pure: the time is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// Due times at a fixed distance from the start; those that pass during a long cycle are skipped.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
    interval: Duration,
}

impl Schedule {
    /// The first cycle is due at `start`, then one every `interval` (at least a millisecond).
    pub fn new(start: Instant, interval: Duration) -> Self {
        Self {
            start,
            interval: interval.max(Duration::from_millis(1)),
        }
    }

    /// The first due time after `now`, so that cycles never overlap and never pile up.
    pub fn next_due(&self, now: Instant) -> Instant {
        let elapsed = now.saturating_duration_since(self.start);
        let passed = elapsed.as_nanos() / self.interval.as_nanos();
        let into = elapsed.as_nanos() - passed * self.interval.as_nanos();
        // Less than one interval, so it fits.
        let rest = self.interval.as_nanos() - into;
        now + Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn due_times_that_passed_are_skipped() {
        let start = Instant::now();
        let schedule = Schedule::new(start, Duration::from_secs(60));
        let due = |after: u64| schedule.next_due(start + Duration::from_secs(after)) - start;
        assert_eq!(due(0), Duration::from_secs(60));
        assert_eq!(due(59), Duration::from_secs(60));
        assert_eq!(due(60), Duration::from_secs(120));
        assert_eq!(due(185), Duration::from_secs(240));
    }

    proptest! {
        #[test]
        fn the_next_cycle_is_always_ahead_and_on_the_grid(interval_ms in 1_u64..100_000, elapsed_ms in 0_u64..10_000_000) {
            let start = Instant::now();
            let schedule = Schedule::new(start, Duration::from_millis(interval_ms));
            let now = start + Duration::from_millis(elapsed_ms);
            let due = schedule.next_due(now);
            prop_assert!(due > now && due - now <= Duration::from_millis(interval_ms));
            prop_assert_eq!((due - start).as_millis() % u128::from(interval_ms), 0);
        }
    }
}

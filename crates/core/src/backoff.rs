//! How long to wait before the next attempt. Pure: the caller passes the randomness in and does the waiting.

use std::time::Duration;

/// Exponential waiting times with jitter, a cap and a reset.
///
/// The n-th wait is drawn from the upper half of `base * 2^n`, at most `cap`: never shorter than half of
/// it, so that a failing peer is spared, and spread, so that programs do not come back in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits from `base` (at least a millisecond) up to `cap` (at least `base`).
    pub fn new(base: Duration, cap: Duration) -> Self {
        let base = base.max(Duration::from_millis(1));
        Self {
            base,
            cap: cap.max(base),
            attempts: 0,
        }
    }

    /// The next wait; `jitter` is a random number from 0 to 1.
    pub fn next_delay(&mut self, jitter: f64) -> Duration {
        let doublings = self.attempts.min(31);
        self.attempts = self.attempts.saturating_add(1);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let jitter = if jitter.is_finite() {
            jitter.clamp(0.0, 1.0)
        } else {
            1.0
        };
        full.mul_f64(0.5 + 0.5 * jitter)
    }

    /// Waits given out since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts again at `base`, after the peer was well for a while.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..4).map(|_| backoff.next_delay(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0.0), Duration::from_millis(500));
        assert_eq!(backoff.attempts(), 1);
    }

    /// Programs that lost the same peer at one moment come back one after the other, over half of every wait.
    #[test]
    fn the_waits_of_many_programs_are_spread_evenly_over_the_upper_half() {
        let mut programs = vec![Backoff::new(Duration::from_millis(500), Duration::from_secs(30)); 101];
        for full_ms in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let waits: Vec<Duration> = (0..=100)
                .zip(&mut programs)
                .map(|(share, program)| program.next_delay(f64::from(share) / 100.0))
                .collect();
            let full = Duration::from_millis(full_ms);
            assert_eq!((waits[0], waits[50], waits[100]), (full / 2, full * 3 / 4, full));
            // A hundredth of the upper half lies between any two neighbours, but for rounding.
            let step = full / 200;
            for pair in waits.windows(2) {
                let apart = pair[1].saturating_sub(pair[0]);
                let least = step.saturating_sub(Duration::from_micros(1));
                assert!(
                    apart >= least && apart <= step + Duration::from_micros(1),
                    "{apart:?}"
                );
            }
        }
    }

    /// The exchange allows 300 attempts in five minutes.
    #[test]
    fn attempts_stay_far_inside_300_in_five_minutes_with_the_shortest_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let (mut uptime, mut attempts) = (Duration::ZERO, 0);
        while uptime < Duration::from_secs(300) {
            attempts += 1;
            uptime += backoff.next_delay(0.0);
        }
        // Six short waits, which are 15.75 s together, and then one every 15 s.
        assert_eq!(attempts, 25);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_zero_and_never_above_the_cap(
            base_ms in 0_u64..100_000,
            cap_ms in 0_u64..10_000_000,
            jitters in prop::collection::vec(prop::num::f64::ANY, 1..80),
        ) {
            let (base, cap) = (Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
            let mut backoff = Backoff::new(base, cap);
            let highest = cap.max(base).max(Duration::from_millis(1));
            let lowest = base.max(Duration::from_millis(1)) / 2;
            for jitter in jitters {
                let wait = backoff.next_delay(jitter);
                prop_assert!(wait >= lowest && wait <= highest);
            }
        }
    }
}

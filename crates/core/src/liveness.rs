//! Whether a program goes on: every part promises when it will be heard of next. Pure.
//!
//! A part is a task, and only the task itself speaks for it, when it did some work or has a reason to wait
//! that it can name. Nothing is heard of a task that hangs; its promise runs out, and the program as a whole
//! counts as stuck. `pulse` tells systemd.

use std::collections::BTreeMap;
use std::time::Duration;

/// Least time between two feeds.
const FEED_EVERY: Duration = Duration::from_secs(1);

/// The parts of a program and their promises, in time since some fixed moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Liveness {
    parts: BTreeMap<&'static str, Promise>,
    fed_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Promise {
    heard_at: Duration,
    until: Duration,
}

/// A part whose promise ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// Its name.
    pub part: &'static str,
    /// For how long nothing has been heard of it.
    pub silent_for: Duration,
}

impl Liveness {
    /// A part was heard of, and will be again within `limit`. The first time it is expected from now on.
    pub fn beat(&mut self, part: &'static str, now: Duration, limit: Duration) {
        let until = now.saturating_add(limit);
        self.parts.insert(part, Promise { heard_at: now, until });
    }

    /// Nothing is expected any more, as when a term of work is over.
    pub fn forget_all(&mut self) {
        self.parts.clear();
    }

    /// The parts that are expected, by name.
    pub fn parts(&self) -> Vec<&'static str> {
        self.parts.keys().copied().collect()
    }

    /// The parts whose promise ran out, by name.
    pub fn overdue(&self, now: Duration) -> Vec<Overdue> {
        let late = self.parts.iter().filter(|(_, promise)| now > promise.until);
        late.map(|(part, promise)| Overdue {
            part,
            silent_for: now.saturating_sub(promise.heard_at),
        })
        .collect()
    }

    /// True if every part keeps its promise, and there is one at all.
    pub fn may_feed(&self, now: Duration) -> bool {
        !self.parts.is_empty() && self.parts.values().all(|promise| now <= promise.until)
    }

    /// True if the watchdog is to be fed now; then the next time is some while later.
    pub fn feed(&mut self, now: Duration) -> bool {
        let is_due = self.fed_at.is_none_or(|at| now.saturating_sub(at) >= FEED_EVERY);
        let feeds = is_due && self.may_feed(now);
        if feeds {
            self.fed_at = Some(now);
        }
        feeds
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_part_that_is_silent_stops_the_feeding_however_lively_the_others_are() {
        let mut liveness = Liveness::default();
        liveness.beat("persist", at(0), at(60));
        for now in 0..200 {
            liveness.beat("trades", at(now), at(5));
            assert_eq!(liveness.feed(at(now)), now <= 60, "at {now} s");
        }
        let overdue = Overdue {
            part: "persist",
            silent_for: at(200),
        };
        assert_eq!(liveness.overdue(at(200)), [overdue]);
        liveness.beat("persist", at(200), at(60));
        assert!(liveness.feed(at(200)));
        assert!(liveness.overdue(at(200)).is_empty());
    }

    #[test]
    fn nothing_is_fed_before_a_part_was_heard_or_after_all_were_forgotten() {
        let mut liveness = Liveness::default();
        assert!(!liveness.feed(at(1)));
        liveness.beat("lease", at(1), at(10));
        assert!(liveness.feed(at(1)));
        liveness.forget_all();
        assert!(!liveness.may_feed(at(2)));
    }

    #[test]
    fn the_watchdog_is_not_flooded() {
        let mut liveness = Liveness::default();
        let mut fed = 0;
        for tenth in 0..100 {
            let now = Duration::from_millis(tenth * 100);
            liveness.beat("trades", now, at(60));
            fed += u32::from(liveness.feed(now));
        }
        assert_eq!(fed, 10);
    }

    #[test]
    fn a_promise_may_become_shorter() {
        let mut liveness = Liveness::default();
        liveness.beat("depth", at(0), at(3600));
        liveness.beat("depth", at(1), at(10));
        assert!(!liveness.may_feed(at(12)));
    }

    proptest! {
        /// Feeding is allowed exactly while the last word of every part is young enough.
        #[test]
        fn feeding_follows_the_promises(
            words in prop::collection::vec((0_usize..3, 0_u64..1000, 0_u64..300), 1..40),
            later in 0_u64..400,
        ) {
            const PARTS: [&str; 3] = ["a", "b", "c"];
            let mut liveness = Liveness::default();
            let mut promised = BTreeMap::new();
            let mut words = words;
            words.sort_by_key(|word| word.1);
            for (part, now, limit) in &words {
                liveness.beat(PARTS[*part], at(*now), at(*limit));
                promised.insert(*part, now + limit);
            }
            let now = words.last().map_or(0, |word| word.1) + later;
            let kept = promised.values().all(|until| now <= *until);
            prop_assert_eq!(liveness.may_feed(at(now)), kept);
            prop_assert_eq!(liveness.overdue(at(now)).is_empty(), kept);
        }
    }
}

//! How far the window is filled, and how long the rest will take. Pure.

use strategy_core::store::Backfill;

use crate::clock::Uptime;

/// What is to be said after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing was missing before, nor is now.
    Idle,
    /// Minutes are missing.
    Filling,
    /// The last missing minute has come.
    Filled,
}

/// What filling costs: weight of the requests for history so far, and how much of it a minute allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) spent: u64,
    pub(crate) per_minute: u32,
}

/// Where a filling began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Uptime,
    done: u64,
    spent: u64,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct FillProgress {
    done: u64,
    total: u64,
    begun: Option<Begun>,
    missing: u64,
}

impl FillProgress {
    /// Notes how many minutes are missing now. Minutes that became missing since count as new ones.
    pub(crate) fn note(&mut self, missing: u64, cost: Cost, uptime: Uptime) -> Step {
        let was_filling = self.begun.is_some();
        self.missing = missing;
        if missing == 0 {
            self.begun = None;
            self.done = self.total;
            return if was_filling { Step::Filled } else { Step::Idle };
        }
        self.begun.get_or_insert(Begun {
            at: uptime,
            done: self.done,
            spent: cost.spent,
        });
        self.total = self.total.max(self.done + missing);
        self.done = self.total - missing;
        Step::Filling
    }

    /// As it stands in the status.
    pub(crate) fn backfill(&self, cost: Cost, uptime: Uptime) -> Backfill {
        Backfill {
            done_minutes: self.done,
            total_minutes: self.total,
            seconds_left: self.seconds_left(cost, uptime),
        }
    }

    /// Time until nothing is missing; `None` while no minute was filled, and when nothing is missing.
    ///
    /// The longer of two: at the pace so far, and at what the request budget allows. The pace alone is wrong
    /// at first, when a whole minute's budget is spent in seconds.
    fn seconds_left(&self, cost: Cost, uptime: Uptime) -> Option<u64> {
        let begun = self.begun?;
        let filled = self.done.checked_sub(begun.done).filter(|filled| *filled > 0)?;
        let missing = u128::from(self.missing);
        let spent = uptime.saturating_sub(begun.at).as_millis();
        let by_pace = (spent * missing / u128::from(filled)).div_ceil(1000);
        let weight = u128::from(cost.spent.saturating_sub(begun.spent)) * missing / u128::from(filled);
        let by_budget = (weight * 60).div_ceil(u128::from(cost.per_minute.max(1)));
        u64::try_from(by_pace.max(by_budget)).ok()
    }

    /// For a terminal: `[#####.....] 50 %  1440 of 2880 minutes, about 75 s left`.
    pub(crate) fn bar(&self, cost: Cost, uptime: Uptime) -> String {
        const WIDTH: usize = 30;
        let percent = self.done * 100 / self.total.max(1);
        let filled = usize::try_from(percent).unwrap_or(0) * WIDTH / 100;
        let (bar, rest) = ("#".repeat(filled), ".".repeat(WIDTH.saturating_sub(filled)));
        let left = self
            .seconds_left(cost, uptime)
            .map_or(String::new(), |left| format!(", about {left} s left"));
        format!(
            "[{bar}{rest}] {percent} %  {} of {} minutes{left}",
            self.done, self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A budget that is never the reason to wait.
    const FREE: Cost = Cost {
        spent: 0,
        per_minute: 1200,
    };

    #[test]
    fn the_estimate_follows_the_pace() {
        let mut progress = FillProgress::default();
        let at = Duration::from_secs;
        assert_eq!(progress.note(0, FREE, at(0)), Step::Idle);
        assert_eq!(progress.note(2880, FREE, at(10)), Step::Filling);
        assert_eq!(progress.backfill(FREE, at(10)).seconds_left, None);
        let nothing = format!("[{}] 0 %  0 of 2880 minutes", ".".repeat(30));
        assert_eq!(progress.bar(FREE, at(10)), nothing);
        assert_eq!(progress.note(1440, FREE, at(85)), Step::Filling);
        let expected = "[###############...............] 50 %  1440 of 2880 minutes, about 75 s left";
        assert_eq!(progress.bar(FREE, at(85)), expected);
        // Nothing has come for a while: it takes longer.
        assert_eq!(progress.backfill(FREE, at(100)).seconds_left, Some(90));
        assert_eq!(progress.note(0, FREE, at(160)), Step::Filled);
        let whole = progress.backfill(FREE, at(160));
        assert_eq!(
            (whole.done_minutes, whole.total_minutes, whole.seconds_left),
            (2880, 2880, None)
        );
        // A gap much later has a pace of its own.
        assert_eq!(progress.note(10, FREE, at(9_000)), Step::Filling);
        assert_eq!(progress.backfill(FREE, at(9_001)).seconds_left, None);
        assert_eq!(progress.note(5, FREE, at(9_002)), Step::Filling);
        let healing = progress.backfill(FREE, at(9_002));
        assert_eq!(
            (healing.done_minutes, healing.total_minutes, healing.seconds_left),
            (2885, 2890, Some(2))
        );
    }

    #[test]
    fn the_estimate_knows_that_a_minutes_budget_is_spent_in_seconds() {
        let mut progress = FillProgress::default();
        let at = Duration::from_secs;
        let cost = |spent| Cost {
            spent,
            per_minute: 900,
        };
        progress.note(2880, cost(100), at(0));
        // A fifth of the window in three seconds, for the weight of a whole minute.
        progress.note(2304, cost(1_000), at(3));
        assert_eq!(progress.backfill(cost(1_000), at(3)).seconds_left, Some(240));
    }
}

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

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct FillProgress {
    done: u64,
    total: u64,
    /// When minutes began to be missing, and how many were done by then.
    begun: Option<(Uptime, u64)>,
    missing: u64,
}

impl FillProgress {
    /// Notes how many minutes are missing now. Minutes that became missing since count as new ones.
    pub(crate) fn note(&mut self, missing: u64, uptime: Uptime) -> Step {
        let was_filling = self.begun.is_some();
        self.missing = missing;
        if missing == 0 {
            self.begun = None;
            self.done = self.total;
            return if was_filling { Step::Filled } else { Step::Idle };
        }
        self.begun.get_or_insert((uptime, self.done));
        self.total = self.total.max(self.done + missing);
        self.done = self.total - missing;
        Step::Filling
    }

    /// As it stands in the status.
    pub(crate) fn backfill(&self, uptime: Uptime) -> Backfill {
        Backfill {
            done_minutes: self.done,
            total_minutes: self.total,
            seconds_left: self.seconds_left(uptime),
        }
    }

    /// Time until nothing is missing, at the pace so far; `None` while there is none, and when nothing is.
    fn seconds_left(&self, uptime: Uptime) -> Option<u64> {
        let (since, before) = self.begun?;
        let filled = self.done.checked_sub(before).filter(|filled| *filled > 0)?;
        let spent = uptime.saturating_sub(since).as_millis();
        let left = spent * u128::from(self.missing) / u128::from(filled);
        u64::try_from(left.div_ceil(1000)).ok()
    }

    /// For a terminal: `[#####.....] 50 %  1440 of 2880 minutes, about 75 s left`.
    pub(crate) fn bar(&self, uptime: Uptime) -> String {
        const WIDTH: usize = 30;
        let percent = self.done * 100 / self.total.max(1);
        let filled = usize::try_from(percent).unwrap_or(0) * WIDTH / 100;
        let (bar, rest) = ("#".repeat(filled), ".".repeat(WIDTH.saturating_sub(filled)));
        let left = self
            .seconds_left(uptime)
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

    #[test]
    fn the_estimate_follows_the_pace() {
        let mut progress = FillProgress::default();
        let at = Duration::from_secs;
        assert_eq!(progress.note(0, at(0)), Step::Idle);
        assert_eq!(progress.note(2880, at(10)), Step::Filling);
        assert_eq!(progress.backfill(at(10)).seconds_left, None);
        assert_eq!(
            progress.bar(at(10)),
            format!("[{}] 0 %  0 of 2880 minutes", ".".repeat(30))
        );
        assert_eq!(progress.note(1440, at(85)), Step::Filling);
        let expected = "[###############...............] 50 %  1440 of 2880 minutes, about 75 s left";
        assert_eq!(progress.bar(at(85)), expected);
        assert_eq!(progress.note(0, at(160)), Step::Filled);
        let whole = progress.backfill(at(160));
        assert_eq!(
            (whole.done_minutes, whole.total_minutes, whole.seconds_left),
            (2880, 2880, None)
        );
        // A gap much later has a pace of its own.
        assert_eq!(progress.note(10, at(9_000)), Step::Filling);
        assert_eq!(progress.backfill(at(9_001)).seconds_left, None);
        assert_eq!(progress.note(5, at(9_002)), Step::Filling);
        let healing = progress.backfill(at(9_002));
        assert_eq!(
            (healing.done_minutes, healing.total_minutes, healing.seconds_left),
            (2885, 2890, Some(2))
        );
    }
}

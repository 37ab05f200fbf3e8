//! When REST is asked next. Pure.

use std::time::Duration;

use crate::clock::Uptime;

/// Shortest and longest wait before a question that brought nothing is put again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How often REST is read for new trades while no stream is open.
const POLL: Duration = Duration::from_secs(2);

/// A question that is put at a certain time and later and later while it brings nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    at: Uptime,
    retry: Duration,
}

impl Due {
    /// Due at `uptime`.
    pub(super) fn at(uptime: Uptime) -> Self {
        Self {
            at: uptime,
            retry: RETRY.0,
        }
    }

    /// True when the question may be put.
    pub(super) fn is_due(&self, uptime: Uptime) -> bool {
        uptime >= self.at
    }

    /// When the question may be put.
    pub(super) fn when(&self) -> Uptime {
        self.at
    }

    /// Puts the question now, and from then on as if for the first time.
    pub(super) fn at_once(&mut self, uptime: Uptime) {
        *self = Self::at(uptime);
    }

    /// Puts the question as soon as what it waits for allows.
    pub(super) fn not_before(&mut self, uptime: Uptime) {
        self.at = self.at.max(uptime);
    }

    /// It brought what was wanted: nothing more is expected for a while.
    pub(super) fn answered(&mut self, uptime: Uptime) {
        *self = Self::at(uptime + POLL);
    }

    /// The next wait begins small again.
    pub(super) fn reset(&mut self) {
        self.retry = RETRY.0;
    }

    /// It brought nothing.
    pub(super) fn again_later(&mut self, uptime: Uptime) {
        self.again_within(Duration::MAX, uptime);
    }

    /// It brought nothing, and after `enough` it will bring something.
    pub(super) fn again_within(&mut self, enough: Duration, uptime: Uptime) {
        self.at = uptime + self.retry.min(enough.max(RETRY.0));
        self.retry = (self.retry * 2).min(RETRY.1);
    }
}

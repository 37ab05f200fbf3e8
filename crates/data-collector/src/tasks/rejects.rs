//! Rejected frames of the trade stream: counted, and logged not more than once a minute.

use std::time::Duration;

use crate::clock::Uptime;
use crate::shared::Shared;

/// How often a rejected frame is logged; the ones in between are counted.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct RejectLog {
    last: Option<Uptime>,
    suppressed: u64,
}

impl RejectLog {
    pub(super) fn note(&mut self, shared: &Shared, reason: &dyn std::fmt::Display, uptime: Uptime) {
        shared.health.count("frames_rejected");
        if self.last.is_some_and(|last| uptime < last + LOG_EVERY) {
            self.suppressed += 1;
            return;
        }
        tracing::warn!(reason = %reason, suppressed = self.suppressed, "a frame of the trade stream was rejected");
        self.last = Some(uptime);
        self.suppressed = 0;
    }
}

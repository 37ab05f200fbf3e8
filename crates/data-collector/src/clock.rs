//! The exchange's clock, as far as it is known here. Pure: the caller says what the monotonic clock shows.
//!
//! The local wall clock plays no part, so a jump of it changes no minute.

use std::time::Duration;

use strategy_core::time::ExchangeMs;

/// Time since the start of the program, by a clock that never jumps.
pub(crate) type Uptime = Duration;

/// How far an event may be ahead of the clock before it is doubted.
const PLAUSIBLE_AHEAD_MS: i64 = 3_600_000;

/// Time of the exchange: the newest it has shown, moved on by the monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ExchangeClock {
    anchor: Option<(ExchangeMs, Uptime)>,
}

impl ExchangeClock {
    /// The exchange's time now; `None` until it has been heard once.
    pub(crate) fn now(&self, uptime: Uptime) -> Option<ExchangeMs> {
        self.anchor.map(|(at, heard)| {
            at.saturating_add(i64::try_from(uptime.saturating_sub(heard).as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Takes the exchange's own answer to "what time is it".
    pub(crate) fn set(&mut self, at: ExchangeMs, uptime: Uptime) {
        self.anchor = Some((at, uptime));
    }

    /// Takes the send time of a frame. The clock only moves forward by it.
    ///
    /// Returns false if the time is too far ahead to be believed: the exchange must be asked.
    pub(crate) fn observe(&mut self, at: ExchangeMs, uptime: Uptime) -> bool {
        match self.now(uptime) {
            Some(now) if at > now.saturating_add(PLAUSIBLE_AHEAD_MS) => false,
            Some(now) if at <= now => true,
            _ => {
                self.anchor = Some((at, uptime));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_with_the_monotonic_clock_and_forward_with_frames() {
        let mut clock = ExchangeClock::default();
        let at = Duration::from_secs;
        assert_eq!(clock.now(at(1)), None);
        clock.set(1_000_000, at(1));
        assert_eq!(clock.now(at(3)), Some(1_002_000));
        assert!(clock.observe(1_005_000, at(3)));
        assert!(clock.observe(1_000_000, at(4)));
        assert_eq!(clock.now(at(4)), Some(1_006_000));
        assert!(!clock.observe(1_006_001 + PLAUSIBLE_AHEAD_MS, at(4)));
        assert_eq!(clock.now(at(4)), Some(1_006_000));
        clock.set(500_000, at(5));
        assert_eq!(clock.now(at(5)), Some(500_000));
    }
}

//! Minutes of history that cannot be read for now, so that the others are not kept waiting. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use strategy_core::time::Minute;

use crate::clock::Uptime;

/// First and longest wait before a minute is asked for again.
const WAIT: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(6 * 3600));

/// Most minutes that are put off: a week. Beyond it the oldest is forgotten, and asked for again earlier.
const LIMIT: usize = 7 * 24 * 60;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Postponed {
    /// When each is asked for again, and the wait that led there.
    minutes: BTreeMap<Minute, (Uptime, Duration)>,
}

impl Postponed {
    /// Puts a minute off, each time for longer.
    pub(crate) fn put_off(&mut self, minute: Minute, uptime: Uptime) {
        let known = self.minutes.get(&minute);
        let wait = known.map_or(WAIT.0, |(_, wait)| (*wait * 2).min(WAIT.1));
        self.minutes.insert(minute, (uptime + wait, wait));
        if self.minutes.len() > LIMIT {
            self.minutes.pop_first();
        }
    }

    /// True while a minute is not to be asked for.
    pub(crate) fn is_put_off(&self, minute: Minute, uptime: Uptime) -> bool {
        self.minutes
            .get(&minute)
            .is_some_and(|(until, _)| uptime < *until)
    }

    /// Minutes that were read since, or are not wanted any more.
    pub(crate) fn forget(&mut self, is_settled: impl Fn(Minute) -> bool) {
        self.minutes.retain(|minute, _| !is_settled(*minute));
    }

    /// How many minutes could not be read at the last attempt.
    pub(crate) fn len(&self) -> usize {
        self.minutes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_asked_for_again_later_and_later_until_it_was_read() {
        let minute = Minute::from_number(29_000_000).unwrap();
        let seconds = Duration::from_secs;
        let mut postponed = Postponed::default();
        postponed.put_off(minute, seconds(0));
        assert!(postponed.is_put_off(minute, seconds(299)));
        assert!(!postponed.is_put_off(minute, seconds(300)));
        assert!(!postponed.is_put_off(minute.next(), seconds(0)));
        postponed.put_off(minute, seconds(300));
        assert!(postponed.is_put_off(minute, seconds(899)));
        for _ in 0..20 {
            postponed.put_off(minute, seconds(1_000));
        }
        assert!(!postponed.is_put_off(minute, seconds(1_000 + 6 * 3600)));
        postponed.forget(|settled| settled == minute);
        assert_eq!(postponed.len(), 0);
    }

    #[test]
    fn what_is_put_off_does_not_grow_without_limit() {
        let mut postponed = Postponed::default();
        for number in 0..20_000 {
            postponed.put_off(Minute::from_number(29_000_000 + number).unwrap(), Uptime::ZERO);
        }
        assert_eq!(postponed.len(), LIMIT);
    }
}

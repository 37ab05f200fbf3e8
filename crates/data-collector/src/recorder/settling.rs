//! Up to which id REST must have caught up with what is known to exist. Pure.
//!
//! REST reads from a copy that may be some seconds behind the stream. That an id is absent from an answer
//! says something only if a higher id was known to exist that much earlier, by the exchange's clock.

use std::collections::VecDeque;

use strategy_core::time::ExchangeMs;

/// How far REST may be behind the stream.
pub(super) const REST_TRAILS_BY_MS: i64 = 3_200;

/// Ids that became known within this time count as one, so that few are remembered.
const RESOLUTION_MS: i64 = 100;

/// When which ids became known: at most [`REST_TRAILS_BY_MS`] / [`RESOLUTION_MS`] and one older.
#[derive(Debug, Clone, Default)]
pub(super) struct Settling {
    known: VecDeque<(ExchangeMs, u64)>,
}

impl Settling {
    /// Notes the highest id that is known to exist by now.
    pub(super) fn note(&mut self, highest: u64, now: ExchangeMs) {
        // The clock was set back: what became known since then became known now.
        while self.known.back().is_some_and(|(at, _)| *at > now) {
            self.known.pop_back();
        }
        let last = self.known.back();
        if last.is_some_and(|(at, id)| *id >= highest || now < at.saturating_add(RESOLUTION_MS)) {
            return;
        }
        self.known.push_back((now, highest));
        let is_settled = |(at, _): &(ExchangeMs, u64)| at.saturating_add(REST_TRAILS_BY_MS) <= now;
        while self.known.get(1).is_some_and(is_settled) {
            self.known.pop_front();
        }
    }

    /// The ids below this one are settled: REST has those that exist.
    pub(super) fn settled(&self, now: ExchangeMs) -> u64 {
        let settled = |(at, _): &&(ExchangeMs, u64)| at.saturating_add(REST_TRAILS_BY_MS) <= now;
        self.known
            .iter()
            .take_while(settled)
            .last()
            .map_or(0, |(_, id)| *id)
    }

    /// How long it takes until the ids below `id` are settled, in milliseconds, by what is known now.
    pub(super) fn settled_in(&self, id: u64, now: ExchangeMs) -> u64 {
        let known = self.known.iter().find(|(_, known)| *known >= id);
        let settled_at = known.map_or(now, |(at, _)| *at).saturating_add(REST_TRAILS_BY_MS);
        u64::try_from(settled_at.saturating_sub(now)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_settled_when_a_higher_one_has_been_known_for_long_enough() {
        let mut settling = Settling::default();
        assert_eq!(settling.settled(9_999), 0);
        settling.note(10, 0);
        settling.note(20, 1_000);
        assert_eq!(settling.settled(3_199), 0);
        assert_eq!(settling.settled(3_200), 10);
        assert_eq!(settling.settled(4_200), 20);
        assert_eq!(settling.settled_in(5, 2_000), 1_200);
        assert_eq!(settling.settled_in(15, 2_000), 2_200);
        assert_eq!(settling.settled_in(21, 2_000), 3_200);
        assert_eq!(settling.settled_in(5, 9_000), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_by_no_more_than_the_time_itself() {
        let mut settling = Settling::default();
        settling.note(10, 3_600_000);
        settling.note(10, 5_000);
        assert_eq!(settling.settled(8_199), 0);
        assert_eq!(settling.settled(8_200), 10);
    }

    #[test]
    fn what_is_remembered_does_not_grow() {
        let mut settling = Settling::default();
        for step in 0..10_000_u32 {
            settling.note(u64::from(step), 10 * i64::from(step));
        }
        assert!(settling.known.len() <= 34, "{}", settling.known.len());
        let settled = settling.settled(99_990);
        assert!((9_650..=9_679).contains(&settled), "{settled}");
    }
}

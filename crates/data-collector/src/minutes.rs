//! Trades to minutes, and the rule when a minute is finished. Pure.
//!
//! A minute is finished when the chain of ids has passed it: a trade [`SEALING_GRACE_MS`] past its end was
//! let out, or, in a quiet market, the exchange has said that there is no newer trade. Trade times may step
//! back, by less than the grace as far as is known: a trade that belongs to a finished minute all the same
//! is added to it and the minute is published again.

use std::collections::{BTreeMap, BTreeSet};

use strategy_core::model::{AggTrade, IdRange, MinuteFootprint};
use strategy_core::num::{BucketWidth, NumError};
use strategy_core::time::{ExchangeMs, Minute};

/// How long after its end a minute waits for trades whose time steps back, in milliseconds.
pub(crate) const SEALING_GRACE_MS: i64 = 1_000;

/// How many finished minutes are kept for trades whose time steps back. As many are read again at a start, and
/// stored again where Redis has forgotten them.
pub(crate) const KEPT_MINUTES: i64 = 3;

/// Most minutes that are finished at one step; the rest follows at the next. A jump of the exchange's
/// clock by years thus costs neither memory nor time.
const SEALED_AT_ONCE: usize = 4096;

/// Where a trade went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// Into a minute that is not finished.
    Open,
    /// Into a finished minute, which must be published again.
    Amended(Minute),
    /// Nowhere: its minute is older than what is kept here and must be asked for again.
    TooOld(Minute),
}

/// The minutes that are not finished, and the last finished ones.
#[derive(Debug, Clone)]
pub(crate) struct MinuteLedger {
    width: BucketWidth,
    max_levels: usize,
    /// First minute that is not finished.
    open_from: Minute,
    /// First minute the chain covers from its start.
    first: Minute,
    minutes: BTreeMap<Minute, MinuteFootprint>,
    /// Minutes that lack a trade and will not be whole here.
    spoiled: BTreeSet<Minute>,
    /// The minute of the next trade lacks one too.
    spoil_next: bool,
    /// Latest trade time seen.
    newest: ExchangeMs,
}

impl MinuteLedger {
    /// Starts with `first`, whose trades will all come.
    pub(crate) fn starting_at(first: Minute, width: BucketWidth, max_levels: usize) -> Self {
        let newest = first.start_ms();
        Self {
            width,
            max_levels,
            open_from: first,
            first,
            minutes: BTreeMap::new(),
            spoiled: BTreeSet::new(),
            spoil_next: false,
            newest,
        }
    }

    /// First minute that is not finished.
    pub(crate) fn open_from(&self) -> Minute {
        self.open_from
    }

    /// Latest trade time seen; the start of the first minute before the first trade.
    pub(crate) fn newest(&self) -> ExchangeMs {
        self.newest
    }

    /// Counts one trade.
    ///
    /// # Errors
    /// [`NumError`] when a volume could no longer be kept exactly, [`Placed::TooOld`] is not an error.
    pub(crate) fn add(&mut self, trade: &AggTrade, minute: Minute) -> Result<Placed, NumError> {
        let placed = if minute >= self.open_from {
            Placed::Open
        } else if minute >= self.first && self.minutes.contains_key(&minute) {
            Placed::Amended(minute)
        } else {
            return Ok(Placed::TooOld(minute));
        };
        self.newest = self.newest.max(trade.traded_at);
        if std::mem::take(&mut self.spoil_next) {
            self.spoil(minute);
        }
        if let Some(footprint) = self.minutes.get_mut(&minute) {
            footprint.add(trade, self.width)?;
        } else {
            let mut footprint = MinuteFootprint::empty(minute, false);
            footprint.add(trade, self.width)?;
            self.minutes.insert(minute, footprint);
        }
        Ok(placed)
    }

    /// Notes ids that the exchange does not have, in the minute of the latest trade.
    pub(crate) fn note_hole(&mut self, hole: IdRange) {
        let minute = Minute::containing(self.newest)
            .unwrap_or(self.open_from)
            .max(self.open_from);
        let footprint = self
            .minutes
            .entry(minute)
            .or_insert_with(|| MinuteFootprint::empty(minute, false));
        footprint.permanent_holes.push(hole);
    }

    /// Finishes the minutes that the trades let out so far have passed, `now` being the exchange's clock.
    ///
    /// The clock alone proves nothing: a trade that steps back may be missing still, behind a gap or on a
    /// stream that has fallen silent.
    pub(crate) fn seal_passed(&mut self, now: ExchangeMs) -> Vec<MinuteFootprint> {
        let passed = self.newest.min(now).saturating_sub(SEALING_GRACE_MS);
        self.seal_before(Minute::containing(passed).unwrap_or(self.open_from))
    }

    /// Finishes every minute before `end`: the exchange has no trade for them that was not let out.
    pub(crate) fn seal_before(&mut self, end: Minute) -> Vec<MinuteFootprint> {
        let mut sealed = Vec::new();
        while self.open_from < end && sealed.len() < SEALED_AT_ONCE {
            let minute = self.open_from;
            let footprint = self
                .minutes
                .entry(minute)
                .or_insert_with(|| MinuteFootprint::empty(minute, false));
            footprint.complete = !self.spoiled.contains(&minute);
            sealed.push(self.published(minute));
            self.open_from = minute.next();
        }
        let kept_from = self.open_from.offset(-KEPT_MINUTES);
        self.minutes = self.minutes.split_off(&kept_from);
        self.spoiled = self.spoiled.split_off(&kept_from);
        self.first = self.first.max(kept_from);
        sealed
    }

    /// Notes that a minute lacks a trade: it is finished as incomplete and is history to be asked for.
    pub(crate) fn spoil(&mut self, minute: Minute) {
        self.spoiled.insert(minute);
    }

    /// Notes that a trade is missing between the latest one and the next: the minutes of both lack it.
    pub(crate) fn spoil_here(&mut self) {
        let newest = Minute::containing(self.newest).unwrap_or(self.open_from);
        self.spoil(newest.max(self.open_from));
        self.spoil_next = true;
    }

    /// True if a minute lacks a trade here.
    pub(crate) fn is_spoiled(&self, minute: Minute) -> bool {
        self.spoiled.contains(&minute)
    }

    /// Leaves out the minutes before `minute`: their trades will not all come.
    pub(crate) fn skip_to(&mut self, minute: Minute) {
        self.open_from = self.open_from.max(minute);
        self.first = self.first.max(minute);
        self.minutes = self.minutes.split_off(&self.first);
    }

    /// A minute as it is published: with at most the allowed number of levels.
    pub(crate) fn published(&self, minute: Minute) -> MinuteFootprint {
        let mut footprint = self
            .minutes
            .get(&minute)
            .cloned()
            .unwrap_or_else(|| MinuteFootprint::empty(minute, false));
        // The volume left out is part of a sum that was checked when it was counted; should it fail all
        // the same, the minute keeps all its levels, which loses nothing.
        if footprint.limit_levels(self.max_levels).is_err() {
            tracing::warn!(minute = %minute, "the levels of a minute could not be limited");
        }
        footprint
    }

    /// An unfinished minute as far as it is known, `waiting` trades behind a gap included.
    pub(crate) fn provisional<'a>(
        &self,
        minute: Minute,
        waiting: impl Iterator<Item = &'a AggTrade>,
    ) -> MinuteFootprint {
        let mut partial = self.clone_of(minute);
        for trade in waiting {
            if Minute::containing(trade.traded_at) == Ok(minute) && partial.add(trade, self.width).is_err() {
                break;
            }
        }
        partial.complete = false;
        if partial.limit_levels(self.max_levels).is_err() {
            tracing::warn!(minute = %minute, "the levels of a minute could not be limited");
        }
        partial
    }

    fn clone_of(&self, minute: Minute) -> MinuteFootprint {
        self.minutes
            .get(&minute)
            .cloned()
            .unwrap_or_else(|| MinuteFootprint::empty(minute, false))
    }

    /// Minutes from the first unfinished one to the one of the latest trade.
    pub(crate) fn unfinished(&self) -> Vec<Minute> {
        self.minutes
            .range(self.open_from..)
            .map(|(minute, _)| *minute)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strategy_core::model::Aggressor;
    use strategy_core::num::{Price, Quantity};

    fn minute(number: i64) -> Minute {
        Minute::from_number(29_000_000 + number).unwrap()
    }

    fn trade(id: u64, minute: Minute, offset_ms: i64) -> AggTrade {
        AggTrade {
            id,
            price: Price::parse("100.5").unwrap(),
            quantity: Quantity::parse("0.1").unwrap(),
            traded_at: minute.start_ms() + offset_ms,
            aggressor: Aggressor::Buyer,
        }
    }

    fn ledger() -> MinuteLedger {
        MinuteLedger::starting_at(minute(0), BucketWidth::ONE, 1000)
    }

    #[test]
    fn a_minute_is_finished_by_a_trade_after_the_grace() {
        let mut ledger = ledger();
        let late = minute(0).end_ms() + 5_000;
        ledger.add(&trade(1, minute(0), 59_998), minute(0)).unwrap();
        assert!(ledger.seal_passed(late).is_empty());
        // The next one may step back, and may be missing for long.
        ledger.add(&trade(2, minute(1), 10), minute(1)).unwrap();
        assert!(ledger.seal_passed(late).is_empty());
        let stepped = ledger.add(&trade(3, minute(0), 59_999), minute(0));
        assert_eq!(stepped.unwrap(), Placed::Open);
        ledger
            .add(&trade(4, minute(1), SEALING_GRACE_MS), minute(1))
            .unwrap();
        assert!(
            ledger
                .seal_passed(minute(1).start_ms() + SEALING_GRACE_MS - 1)
                .is_empty()
        );
        let sealed = ledger.seal_passed(late);
        assert_eq!(sealed.len(), 1);
        assert!(sealed[0].complete);
        assert_eq!((sealed[0].minute, sealed[0].trade_count), (minute(0), 2));
    }

    #[test]
    fn minutes_without_trades_are_finished_too() {
        let mut ledger = ledger();
        ledger
            .add(&trade(1, minute(3), SEALING_GRACE_MS), minute(3))
            .unwrap();
        let sealed = ledger.seal_passed(minute(3).end_ms());
        let seen: Vec<(Minute, u64, bool)> = sealed
            .iter()
            .map(|sealed| (sealed.minute, sealed.trade_count, sealed.complete))
            .collect();
        assert_eq!(
            seen,
            [(minute(0), 0, true), (minute(1), 0, true), (minute(2), 0, true)]
        );
    }

    #[test]
    fn a_trade_whose_time_steps_back_amends_the_finished_minute() {
        let mut ledger = ledger();
        ledger.add(&trade(1, minute(0), 0), minute(0)).unwrap();
        ledger.seal_before(minute(1));
        assert_eq!(
            ledger.add(&trade(2, minute(0), 59_000), minute(0)).unwrap(),
            Placed::Amended(minute(0))
        );
        let amended = ledger.published(minute(0));
        assert!(amended.complete);
        assert_eq!(amended.trade_count, 2);
        ledger.seal_before(minute(10));
        assert_eq!(
            ledger.add(&trade(3, minute(0), 0), minute(0)).unwrap(),
            Placed::TooOld(minute(0))
        );
        assert_eq!(
            ledger.add(&trade(3, minute(-5), 0), minute(-5)).unwrap(),
            Placed::TooOld(minute(-5))
        );
    }

    #[test]
    fn a_minute_that_lacks_a_trade_is_never_called_whole() {
        let mut ledger = ledger();
        ledger.add(&trade(1, minute(0), 0), minute(0)).unwrap();
        ledger.spoil(minute(0));
        let sealed = ledger.seal_before(minute(2));
        assert_eq!((sealed[0].complete, sealed[0].trade_count), (false, 1));
        assert!(sealed[1].complete);
    }

    #[test]
    fn an_unfinished_minute_is_told_as_far_as_it_is_known() {
        let mut ledger = ledger();
        ledger.add(&trade(1, minute(0), 0), minute(0)).unwrap();
        let waiting = [trade(5, minute(0), 100), trade(6, minute(1), 0)];
        let partial = ledger.provisional(minute(0), waiting.iter());
        assert_eq!((partial.trade_count, partial.complete), (2, false));
        assert_eq!(ledger.unfinished(), [minute(0)]);
    }

    #[test]
    fn a_jump_of_years_is_worked_off_in_steps() {
        let mut ledger = ledger();
        assert_eq!(ledger.seal_before(minute(1_000_000)).len(), SEALED_AT_ONCE);
        assert_eq!(ledger.open_from(), minute(4096));
    }
}

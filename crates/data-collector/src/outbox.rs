//! Minutes on their way to Redis: a bounded place where a newer version of a minute replaces the older.
//!
//! The trade task puts minutes in and never waits; the persisting task takes them out. While Redis is
//! away, up to [`OUTBOX_MINUTES`] minutes wait here. The oldest beyond that are let go: they are missing in
//! the window afterwards and are asked for again by id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use strategy_core::model::MinuteFootprint;
use strategy_core::time::Minute;
use tokio::sync::Notify;

/// Most minutes that wait: six hours, about 3 MB at 60 levels a minute.
pub(crate) const OUTBOX_MINUTES: usize = 360;

/// What waits.
#[derive(Debug, Default, Clone)]
pub(crate) struct Waiting {
    /// Minutes to be stored.
    pub(crate) minutes: BTreeMap<Minute, MinuteFootprint>,
    /// Minutes whose stored version is known to be wrong and must be asked for again.
    pub(crate) invalid: BTreeSet<Minute>,
}

impl Waiting {
    /// True if nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.minutes.is_empty() && self.invalid.is_empty()
    }

    /// What waits for a minute lacks trades.
    fn spoil(&mut self, minute: Minute) {
        if let Some(known) = self.minutes.get_mut(&minute) {
            known.complete = false;
        }
    }

    fn put(&mut self, footprint: MinuteFootprint) {
        match self.minutes.get(&footprint.minute) {
            Some(known) if known.complete && !footprint.complete => {}
            _ => drop(self.minutes.insert(footprint.minute, footprint)),
        }
    }
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Whole minutes that were taken out and are being stored.
    on_their_way: Mutex<BTreeSet<Minute>>,
    /// Changed under the lock of `waiting`.
    invalidations: AtomicU64,
    filled: Notify,
    drained: Notify,
}

impl Outbox {
    /// Puts a minute in. Returns the oldest one if it had to be let go.
    pub(crate) fn put(&self, footprint: MinuteFootprint) -> Option<Minute> {
        let mut waiting = self.lock();
        waiting.put(footprint);
        let gone = (waiting.minutes.len() > OUTBOX_MINUTES)
            .then(|| waiting.minutes.pop_first())
            .flatten();
        drop(waiting);
        self.filled.notify_one();
        gone.map(|(minute, _)| minute)
    }

    /// How often a minute was said to be wrong so far.
    pub(crate) fn invalidations(&self) -> u64 {
        self.invalidations.load(Ordering::SeqCst)
    }

    /// How many minutes wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().minutes.len()
    }

    /// Puts minutes in that were read as a whole, unless since `invalidations` one was said to be wrong:
    /// the trade that was found may be missing in what was read. False if nothing was put in.
    pub(crate) fn put_history(
        &self,
        footprints: impl Iterator<Item = MinuteFootprint>,
        invalidations: u64,
    ) -> bool {
        let mut waiting = self.lock();
        if self.invalidations() != invalidations {
            return false;
        }
        for footprint in footprints {
            waiting.put(footprint);
        }
        while waiting.minutes.len() > OUTBOX_MINUTES {
            // Missing in the window still, and asked for again.
            waiting.minutes.pop_first();
        }
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// Says that the stored version of a minute is wrong, and what waits to be stored too.
    pub(crate) fn invalidate(&self, minute: Minute) {
        let mut waiting = self.lock();
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        waiting.spoil(minute);
        waiting.invalid.insert(minute);
        if waiting.invalid.len() > OUTBOX_MINUTES {
            // The oldest is the least likely to be in the window still.
            waiting.invalid.pop_first();
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits until something was put in.
    ///
    /// # Cancel safety
    /// Nothing is lost when the call is dropped.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// True if this minute waits, or is being stored, as a whole: it need not be asked for.
    pub(crate) fn has_whole(&self, minute: Minute) -> bool {
        let waits = self
            .lock()
            .minutes
            .get(&minute)
            .is_some_and(|known| known.complete);
        waits || self.on_their_way().contains(&minute)
    }

    /// True while there is no room for history: Redis is away, and what was fetched now would push out what
    /// waits already.
    pub(crate) fn is_crowded(&self) -> bool {
        self.lock().minutes.len() + self.on_their_way().len() > OUTBOX_MINUTES / 2
    }

    /// Takes everything out. Afterwards either [`Outbox::stored`] or [`Outbox::put_back`].
    pub(crate) fn take(&self) -> Waiting {
        let mut waiting = self.lock();
        let taken = std::mem::take(&mut *waiting);
        let whole = taken.minutes.values().filter(|footprint| footprint.complete);
        *self.on_their_way() = whole.map(|footprint| footprint.minute).collect();
        taken
    }

    /// What was taken out is stored.
    pub(crate) fn stored(&self) {
        self.on_their_way().clear();
        self.drained.notify_one();
    }

    /// Waits until something was stored.
    ///
    /// # Cancel safety
    /// Nothing is lost when the call is dropped.
    pub(crate) async fn drained(&self) {
        self.drained.notified().await;
    }

    /// Puts back what could not be stored; what came in meanwhile is newer and stays.
    pub(crate) fn put_back(&self, older: Waiting) {
        let mut waiting = self.lock();
        let newer = std::mem::replace(&mut *waiting, older);
        for minute in &newer.invalid {
            waiting.spoil(*minute);
        }
        for footprint in newer.minutes.into_values() {
            waiting.put(footprint);
        }
        waiting.invalid.extend(newer.invalid);
        while waiting.minutes.len() > OUTBOX_MINUTES {
            waiting.minutes.pop_first();
        }
        self.on_their_way().clear();
    }

    /// Locked after `waiting` where both are.
    fn on_their_way(&self) -> MutexGuard<'_, BTreeSet<Minute>> {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change leaves the maps consistent, so a panic elsewhere does not spoil them.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(number: i64, complete: bool) -> MinuteFootprint {
        MinuteFootprint::empty(Minute::from_number(number).unwrap(), complete)
    }

    #[test]
    fn the_newer_version_replaces_the_older_but_never_a_whole_one_by_a_partial_one() {
        let outbox = Outbox::default();
        outbox.put(minute(1, false));
        outbox.put(minute(1, true));
        outbox.put(minute(1, false));
        let taken = outbox.take();
        assert!(taken.minutes.values().all(|minute| minute.complete));
        outbox.put(minute(2, true));
        outbox.put_back(taken);
        assert_eq!(outbox.take().minutes.len(), 2);
        assert!(outbox.take().is_empty());
    }

    #[test]
    fn a_minute_that_is_said_to_be_wrong_does_not_go_out_as_whole() {
        let outbox = Outbox::default();
        outbox.put(minute(1, true));
        outbox.put(minute(2, true));
        outbox.invalidate(minute(1, true).minute);
        let taken = outbox.take();
        outbox.invalidate(minute(2, true).minute);
        outbox.put_back(taken);
        let taken = outbox.take();
        assert!(taken.minutes.values().all(|minute| !minute.complete));
        outbox.put_back(taken);
        outbox.put(minute(2, true));
        assert!(outbox.take().minutes[&minute(2, true).minute].complete);
    }

    #[test]
    fn history_that_was_read_while_a_minute_turned_out_wrong_is_read_again() {
        let outbox = Outbox::default();
        let read_at = outbox.invalidations();
        outbox.invalidate(minute(1, true).minute);
        assert!(!outbox.put_history([minute(1, true)].into_iter(), read_at));
        assert!(outbox.take().minutes.is_empty());
        assert!(outbox.put_history([minute(1, true)].into_iter(), outbox.invalidations()));
        assert_eq!(outbox.take().minutes.len(), 1);
    }

    #[test]
    fn what_waits_or_is_being_stored_need_not_be_asked_for() {
        let outbox = Outbox::default();
        let asked = minute(1, true).minute;
        outbox.put(minute(1, true));
        outbox.put(minute(2, false));
        assert!(outbox.has_whole(asked) && !outbox.has_whole(asked.next()));
        let taken = outbox.take();
        assert!(outbox.has_whole(asked) && !outbox.has_whole(asked.next()));
        outbox.put_back(taken);
        outbox.invalidate(asked);
        assert!(!outbox.has_whole(asked), "it turned out to lack a trade");
        drop(outbox.take());
        outbox.stored();
        assert!(!outbox.has_whole(asked));
    }

    #[test]
    fn beyond_the_limit_the_oldest_minute_is_let_go() {
        let outbox = Outbox::default();
        let limit = i64::try_from(OUTBOX_MINUTES).unwrap();
        for number in 0..limit {
            assert_eq!(outbox.put(minute(number, true)), None);
        }
        assert_eq!(
            outbox.put(minute(limit, true)),
            Some(Minute::from_number(0).unwrap())
        );
    }
}

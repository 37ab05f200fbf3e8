//! The window as the collector knows it, and how a batch of minutes gets into it. Pure.
//!
//! [`WindowImage`] mirrors which minutes the list in Redis holds; every change is planned here and carried
//! out by one script of [`super::window`].

use std::collections::{BTreeMap, VecDeque};

use crate::model::MinuteFootprint;
use crate::time::Minute;

/// What is known of one minute of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteState {
    /// Every trade of the minute is in its element.
    pub complete: bool,
    /// Highest aggregate trade id in it.
    pub last_trade_id: Option<u64>,
}

/// The window as the collector knows it: which minutes it holds and which of them are complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowImage {
    newest: Option<Minute>,
    /// Index 0 is the newest minute.
    states: VecDeque<MinuteState>,
}

/// One change of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowChange {
    /// Put this minute in front of the newest.
    Prepend(MinuteFootprint),
    /// Put this minute behind the oldest.
    Append(MinuteFootprint),
    /// Put this minute in place of the element at the index (counted before any other change).
    Replace(usize, MinuteFootprint),
}

/// How a batch of minutes gets into the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPlan {
    /// Elements that leave at the old end; their files must be durable before the plan is carried out.
    pub leaving: usize,
    /// What is put in, in this order.
    pub changes: Vec<WindowChange>,
    /// Minutes of the batch that are older than the window: they go to their files directly.
    pub too_old: Vec<MinuteFootprint>,
    /// The window afterwards.
    pub after: WindowImage,
}

impl WindowImage {
    /// Newest minute, if there is any.
    pub fn newest(&self) -> Option<Minute> {
        self.newest
    }

    /// Oldest minute, if there is any.
    pub fn oldest(&self) -> Option<Minute> {
        self.newest
            .map(|newest| newest.offset(1 - i64::try_from(self.states.len()).unwrap_or(i64::MAX)))
    }

    /// Number of minutes.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What is known of a minute; `None` outside the window.
    pub fn state(&self, minute: Minute) -> Option<MinuteState> {
        self.index_of(minute)
            .and_then(|index| self.states.get(index).copied())
    }

    /// Minutes that are in the window and not complete, newest first.
    pub fn incomplete(&self) -> impl Iterator<Item = Minute> + '_ {
        let newest = self.newest;
        self.states
            .iter()
            .enumerate()
            .filter(|(_, state)| !state.complete)
            .filter_map(move |(index, _)| {
                newest.map(|newest| newest.offset(-i64::try_from(index).unwrap_or(i64::MAX)))
            })
    }

    /// Adds what was read of the next older element; the caller has seen that it is the next older.
    pub(super) fn push_older(&mut self, footprint: &MinuteFootprint) {
        self.newest = self.newest.or(Some(footprint.minute));
        self.states.push_back(state_of(footprint));
    }

    fn index_of(&self, minute: Minute) -> Option<usize> {
        let index = usize::try_from(self.newest?.since(minute)).ok()?;
        (index < self.states.len()).then_some(index)
    }

    /// Plans how `batch` gets into the window of `size` minutes.
    ///
    /// Minutes between the window and a batch minute that are in neither become elements without trades
    /// that say `complete: false`. A complete minute is never replaced by an incomplete one.
    pub fn plan(&self, batch: BTreeMap<Minute, MinuteFootprint>, size: usize) -> WindowPlan {
        let mut plan = WindowPlan {
            leaving: 0,
            changes: Vec::new(),
            too_old: Vec::new(),
            after: self.clone(),
        };
        let size = size.max(1);
        let Some(newest) = batch.keys().next_back().copied().max(self.newest) else {
            return plan;
        };
        let span = i64::try_from(size).unwrap_or(i64::MAX);
        let first_kept = newest.offset(1 - span);
        let (mut newer, mut older) = (Vec::new(), Vec::new());
        for (minute, footprint) in batch {
            if minute < first_kept {
                plan.too_old.push(footprint);
            } else if let Some(index) = self.index_of(minute) {
                if footprint.complete || !self.states[index].complete {
                    plan.after.states[index] = state_of(&footprint);
                    plan.changes.push(WindowChange::Replace(index, footprint));
                }
            } else if self.newest.is_none_or(|newest| minute > newest) {
                newer.push(footprint);
            } else {
                older.push(footprint);
            }
        }
        plan.leaving = self.oldest().map_or(0, |oldest| {
            usize::try_from(first_kept.since(oldest))
                .unwrap_or(0)
                .min(self.states.len())
        });
        plan.after.states.truncate(self.states.len() - plan.leaving);
        if plan.after.states.is_empty() {
            plan.after.newest = None;
        }
        for footprint in newer {
            plan.prepend(footprint, first_kept);
        }
        for footprint in older.into_iter().rev() {
            plan.append(footprint);
        }
        plan
    }
}

impl WindowPlan {
    fn prepend(&mut self, footprint: MinuteFootprint, first_kept: Minute) {
        let fill_from = self.after.newest.map(|newest| newest.next().max(first_kept));
        let mut minute = fill_from.unwrap_or(footprint.minute);
        while minute < footprint.minute {
            self.push_front(MinuteFootprint::empty(minute, false));
            minute = minute.next();
        }
        self.push_front(footprint);
    }

    fn push_front(&mut self, footprint: MinuteFootprint) {
        self.after.newest = Some(footprint.minute);
        self.after.states.push_front(state_of(&footprint));
        self.changes.push(WindowChange::Prepend(footprint));
    }

    fn append(&mut self, footprint: MinuteFootprint) {
        let mut minute = self.after.oldest().map_or(footprint.minute, Minute::previous);
        if self.after.newest.is_none() {
            self.after.newest = Some(footprint.minute);
        }
        while minute > footprint.minute {
            self.push_back(MinuteFootprint::empty(minute, false));
            minute = minute.previous();
        }
        self.push_back(footprint);
    }

    fn push_back(&mut self, footprint: MinuteFootprint) {
        self.after.states.push_back(state_of(&footprint));
        self.changes.push(WindowChange::Append(footprint));
    }

    /// Adds that the element at `index` (counted before any change) turned out to be incomplete: it is
    /// replaced by `footprint`. Nothing happens if the element leaves or is replaced anyway.
    pub fn spoil(&mut self, index: usize, mut footprint: MinuteFootprint) {
        let replaced = |change: &WindowChange| matches!(change, WindowChange::Replace(at, _) if *at == index);
        let prepended = self
            .changes
            .iter()
            .filter(|change| matches!(change, WindowChange::Prepend(_)))
            .count();
        if self.changes.iter().any(replaced) || index + prepended >= self.after.states.len() {
            return;
        }
        footprint.complete = false;
        self.after.states[index + prepended] = state_of(&footprint);
        self.changes.push(WindowChange::Replace(index, footprint));
    }

    /// True if carrying it out would change nothing.
    pub fn is_empty(&self) -> bool {
        self.leaving == 0 && self.changes.is_empty()
    }
}

fn state_of(footprint: &MinuteFootprint) -> MinuteState {
    MinuteState {
        complete: footprint.complete,
        last_trade_id: footprint.trade_ids.map(|ids| ids.last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minute(number: i64) -> Minute {
        Minute::from_number(29_000_000 + number).unwrap()
    }

    /// Carries a plan out on a plain list, as the script does.
    fn carry_out(list: &mut VecDeque<MinuteFootprint>, plan: &WindowPlan) {
        for change in &plan.changes {
            if let WindowChange::Replace(index, footprint) = change {
                list[*index] = footprint.clone();
            }
        }
        list.truncate(list.len() - plan.leaving);
        for change in &plan.changes {
            match change {
                WindowChange::Prepend(footprint) => list.push_front(footprint.clone()),
                WindowChange::Append(footprint) => list.push_back(footprint.clone()),
                WindowChange::Replace(..) => {}
            }
        }
    }

    fn batch(minutes: &[(i64, bool)]) -> BTreeMap<Minute, MinuteFootprint> {
        minutes
            .iter()
            .map(|(number, complete)| {
                (
                    minute(*number),
                    MinuteFootprint::empty(minute(*number), *complete),
                )
            })
            .collect()
    }

    #[test]
    fn minutes_that_nobody_has_become_incomplete_elements() {
        let first = WindowImage::default().plan(batch(&[(10, true)]), 100);
        let second = first.after.plan(batch(&[(13, true), (8, true)]), 100);
        let mut list = VecDeque::new();
        carry_out(&mut list, &first);
        carry_out(&mut list, &second);
        let seen: Vec<(Minute, bool)> = list
            .iter()
            .map(|element| (element.minute, element.complete))
            .collect();
        let expected = [
            (13, true),
            (12, false),
            (11, false),
            (10, true),
            (9, false),
            (8, true),
        ]
        .map(|(n, c)| (minute(n), c));
        assert_eq!(seen, expected);
        assert_eq!(
            second.after.incomplete().collect::<Vec<_>>(),
            [minute(12), minute(11), minute(9)]
        );
    }

    #[test]
    fn a_window_that_is_wholly_too_old_leaves_at_once() {
        let old = WindowImage::default()
            .plan(batch(&[(1, true), (2, true), (3, true)]), 5)
            .after;
        let plan = old.plan(batch(&[(1000, true)]), 5);
        assert_eq!(plan.leaving, 3);
        assert_eq!(
            plan.changes,
            [WindowChange::Prepend(MinuteFootprint::empty(minute(1000), true))]
        );
    }

    #[test]
    fn a_spoiled_minute_is_marked_where_it_stands() {
        let image = WindowImage::default()
            .plan(batch(&[(1, true), (2, true), (3, true)]), 10)
            .after;
        let mut plan = image.plan(batch(&[(4, true)]), 10);
        plan.spoil(1, MinuteFootprint::empty(minute(2), true));
        assert_eq!(plan.after.incomplete().collect::<Vec<_>>(), [minute(2)]);
        assert!(plan.changes.contains(&WindowChange::Replace(
            1,
            MinuteFootprint::empty(minute(2), false)
        )));
        let mut leaving = image.plan(batch(&[(4, true)]), 2);
        leaving.spoil(2, MinuteFootprint::empty(minute(1), true));
        assert_eq!(leaving.changes.len(), 1);
    }

    proptest! {
        /// Whatever comes in whatever order: no gap, no double, not too long, nothing complete is lost.
        #[test]
        fn the_window_never_has_gaps_or_doubles(
            batches in prop::collection::vec(prop::collection::vec((0_i64..40, any::<bool>()), 1..5), 1..20),
            size in 1_usize..12,
        ) {
            let mut image = WindowImage::default();
            let mut list: VecDeque<MinuteFootprint> = VecDeque::new();
            let mut offered: BTreeMap<Minute, bool> = BTreeMap::new();
            let mut left: BTreeMap<Minute, bool> = BTreeMap::new();
            for rows in batches {
                let batch = batch(&rows);
                for (minute, footprint) in &batch {
                    *offered.entry(*minute).or_default() |= footprint.complete;
                }
                let plan = image.plan(batch, size);
                for element in list.iter().rev().take(plan.leaving) {
                    *left.entry(element.minute).or_default() |= element.complete;
                }
                for element in &plan.too_old {
                    *left.entry(element.minute).or_default() |= element.complete;
                }
                // A leaving element may have been replaced by the same plan.
                for change in &plan.changes {
                    if let WindowChange::Replace(index, element) = change
                        && *index >= list.len() - plan.leaving
                    {
                        *left.entry(element.minute).or_default() |= element.complete;
                    }
                }
                carry_out(&mut list, &plan);
                image = plan.after;
                prop_assert!(list.len() <= size);
                prop_assert_eq!(list.len(), image.len());
                prop_assert_eq!(list.front().map(|element| element.minute), image.newest());
                prop_assert_eq!(list.back().map(|element| element.minute), image.oldest());
                for (index, element) in list.iter().enumerate() {
                    prop_assert_eq!(element.minute, list[0].minute.offset(-i64::try_from(index).unwrap()));
                    prop_assert_eq!(image.state(element.minute).unwrap().complete, element.complete);
                }
            }
            for (minute, complete) in offered {
                let kept = list.iter().find(|element| element.minute == minute).map(|element| element.complete);
                let gone = left.get(&minute).copied();
                prop_assert!(kept.or(gone).is_some(), "{:?} is nowhere", minute);
                prop_assert!(!complete || kept == Some(true) || gone == Some(true), "{:?} lost its trades", minute);
            }
        }
    }
}

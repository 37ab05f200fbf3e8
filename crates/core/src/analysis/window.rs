//! The minutes the analysis looks at and the volume profile of them, kept up to date by adding what comes
//! and subtracting what goes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::analysis::units::{Amount, Grid, amount};
use crate::model::MinuteFootprint;

/// Minutes by which the newest minute may lag behind the clock without counting as missing.
const LAG_MINUTES: i64 = 3;

/// Minutes kept before the window: it ends with the clock while there is no minute, and steps back to the newest
/// one when that comes late, or from one dated a minute ahead that is taken away.
const KEPT_BEFORE: i64 = LAG_MINUTES + 2;

/// Taker volume per side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flow {
    /// Bought by takers.
    pub(crate) buy: Amount,
    /// Sold by takers.
    pub(crate) sell: Amount,
}

impl Flow {
    /// Traded by either.
    pub(crate) fn total(self) -> Amount {
        self.buy + self.sell
    }

    /// Bought minus sold.
    pub(crate) fn delta(self) -> Amount {
        self.buy - self.sell
    }

    /// Adds the other flow.
    pub(crate) fn add(&mut self, other: Self) {
        self.buy += other.buy;
        self.sell += other.sell;
    }

    fn subtract(&mut self, other: Self) {
        self.buy -= other.buy;
        self.sell -= other.sell;
    }
}

/// What one minute contributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MinuteFlow {
    /// Flow per bucket, lowest bucket first, none empty.
    pub(crate) rows: Vec<(i64, Flow)>,
    /// Sum of the rows.
    pub(crate) total: Flow,
    /// Every trade of the minute was counted.
    pub(crate) complete: bool,
    /// Every trade of the minute is in the rows: complete, and no bucket was left out.
    pub(crate) whole: bool,
}

impl MinuteFlow {
    fn new(minute: &MinuteFootprint, grid: Grid) -> Self {
        let mut rows: Vec<(i64, Flow)> = Vec::with_capacity(minute.levels.len());
        let mut total = Flow::default();
        for (level, traded) in &minute.levels {
            let flow = Flow {
                buy: amount(traded.buy_volume.get()),
                sell: amount(traded.sell_volume.get()),
            };
            let Some(bucket) = grid.bucket(level.low()) else {
                continue;
            };
            if flow.total() == 0 {
                continue;
            }
            total.add(flow);
            match rows.last_mut() {
                Some((last, sum)) if *last == bucket => sum.add(flow),
                _ => rows.push((bucket, flow)),
            }
        }
        Self {
            rows,
            total,
            complete: minute.complete,
            whole: minute.complete && minute.dropped_levels == 0,
        }
    }

    /// Lowest and highest bucket traded in.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        Some((self.rows.first()?.0, self.rows.last()?.0))
    }

    /// Flow in the buckets from `low` to `high`, both included.
    pub(crate) fn between(&self, low: i64, high: i64) -> Flow {
        let from = self.rows.partition_point(|(bucket, _)| *bucket < low);
        let mut sum = Flow::default();
        for (_, flow) in self
            .rows
            .iter()
            .skip(from)
            .take_while(|(bucket, _)| *bucket <= high)
        {
            sum.add(*flow);
        }
        sum
    }
}

/// The newest minutes and their volume profile.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    length: i64,
    grid: Grid,
    minutes: BTreeMap<i64, MinuteFlow>,
    /// First and last minute of the window; what is in it is in the profile.
    bounds: Option<(i64, i64)>,
    profile: BTreeMap<i64, Flow>,
}

impl Window {
    /// A window of this many minutes.
    pub(crate) fn new(length: u32, grid: Grid) -> Self {
        Self {
            length: i64::from(length.max(1)),
            grid,
            minutes: BTreeMap::new(),
            bounds: None,
            profile: BTreeMap::new(),
        }
    }

    /// Takes a minute, in place of an earlier version of it.
    pub(crate) fn put(&mut self, minute: &MinuteFootprint) {
        let number = minute.minute.number();
        let flow = MinuteFlow::new(minute, self.grid);
        let inside = self
            .bounds
            .is_some_and(|(first, last)| (first..=last).contains(&number));
        if inside {
            apply(&mut self.profile, &flow, Flow::add);
        }
        let previous = self.minutes.insert(number, flow);
        if let (true, Some(previous)) = (inside, previous) {
            apply(&mut self.profile, &previous, Flow::subtract);
        }
    }

    /// Forgets the minutes outside `first..=last`.
    pub(crate) fn keep(&mut self, first: i64, last: i64) {
        let bounds = self.bounds;
        let was_inside = |number: i64| bounds.is_some_and(|(first, last)| (first..=last).contains(&number));
        for (number, minute) in &self.minutes {
            if !(first..=last).contains(number) && was_inside(*number) {
                apply(&mut self.profile, minute, Flow::subtract);
            }
        }
        self.minutes.retain(|number, _| (first..=last).contains(number));
    }

    /// Moves the window to where it stands at `now` and drops what is too far before it ever to come back.
    ///
    /// The window ends with the newest minute when that is at most three minutes old and not in the future,
    /// otherwise with the last minute that has ended at `now`.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        let current = now.timestamp().div_euclid(60);
        let newest = self
            .minutes
            .range(..=current + 1)
            .next_back()
            .map(|(number, _)| *number);
        let last = newest
            .filter(|newest| current - newest <= LAG_MINUTES)
            .unwrap_or(current - 1);
        let first = last - self.length + 1;
        let previous = self.bounds.replace((first, last));
        let was_inside = |number: i64| previous.is_some_and(|(first, last)| (first..=last).contains(&number));
        for (number, minute) in &self.minutes {
            let is_inside = (first..=last).contains(number);
            match (was_inside(*number), is_inside) {
                (false, true) => apply(&mut self.profile, minute, Flow::add),
                (true, false) => apply(&mut self.profile, minute, Flow::subtract),
                _ => {}
            }
        }
        self.minutes = self.minutes.split_off(&(first - KEPT_BEFORE));
    }

    /// First and last minute of the window.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        self.bounds.unwrap_or((0, -1))
    }

    /// The minutes of the window that are there, oldest first.
    pub(crate) fn minutes(&self) -> impl Iterator<Item = (i64, &MinuteFlow)> {
        let (first, last) = self.bounds();
        self.range(first, last)
    }

    /// The minutes of the window from `first` to `last`, both included, that are there, oldest first.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, &MinuteFlow)> {
        let bounds = self.bounds();
        let (first, last) = (first.max(bounds.0), last.min(bounds.1));
        // An inverted range holds nothing; the map would refuse it.
        let end = last.max(first.saturating_sub(1)).saturating_add(1);
        self.minutes
            .range(first..end)
            .map(|(number, minute)| (*number, minute))
    }

    /// One minute, if it is there and inside the window.
    pub(crate) fn inside(&self, number: i64) -> Option<&MinuteFlow> {
        let (first, last) = self.bounds();
        (first..=last)
            .contains(&number)
            .then(|| self.minute(number))
            .flatten()
    }

    /// One minute, if it is there; it may lie before or after the window.
    pub(crate) fn minute(&self, number: i64) -> Option<&MinuteFlow> {
        self.minutes.get(&number)
    }

    /// Flow per bucket over the window, lowest bucket first, none empty.
    pub(crate) fn profile(&self) -> &BTreeMap<i64, Flow> {
        &self.profile
    }

    /// Minutes after the window, which the clock says are in the future.
    pub(crate) fn future_minutes(&self) -> usize {
        self.minutes.range(self.bounds().1.saturating_add(1)..).count()
    }
}

fn apply(profile: &mut BTreeMap<i64, Flow>, minute: &MinuteFlow, change: fn(&mut Flow, Flow)) {
    for (bucket, flow) in &minute.rows {
        let row = profile.entry(*bucket).or_default();
        change(row, *flow);
        if *row == Flow::default() {
            profile.remove(bucket);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::BucketFlow;
    use crate::num::{BucketWidth, PriceBucket, Quantity};
    use crate::time::Minute;
    use rust_decimal::Decimal;

    /// A minute with rows of (bucket, hundredths bought, hundredths sold).
    pub(crate) fn minute(number: i64, complete: bool, rows: &[(i64, i64, i64)]) -> MinuteFootprint {
        let mut footprint = MinuteFootprint::empty(Minute::from_number(number).unwrap(), complete);
        for (bucket, buy, sell) in rows {
            footprint.levels.insert(
                PriceBucket::new(Decimal::from(*bucket)).unwrap(),
                BucketFlow {
                    buy_volume: Quantity::new(Decimal::new(*buy, 2)).unwrap(),
                    sell_volume: Quantity::new(Decimal::new(*sell, 2)).unwrap(),
                    trade_count: 1,
                },
            );
        }
        footprint
    }

    /// A window over minutes of the epoch that has been advanced to the end of the last one.
    pub(crate) fn window(length: u32, minutes: &[MinuteFootprint]) -> Window {
        let mut window = Window::new(length, Grid::new(BucketWidth::ONE));
        for minute in minutes {
            window.put(minute);
        }
        let last = minutes
            .iter()
            .map(|minute| minute.minute.number())
            .max()
            .unwrap_or(0);
        window.advance(DateTime::from_timestamp((last + 1) * 60, 0).unwrap());
        window
    }

    #[test]
    fn what_leaves_the_window_leaves_the_profile() {
        let mut window = window(
            2,
            &[minute(10, true, &[(100, 1, 0)]), minute(11, true, &[(101, 0, 2)])],
        );
        assert_eq!(window.profile().keys().copied().collect::<Vec<_>>(), [100, 101]);
        window.put(&minute(12, true, &[(101, 5, 0)]));
        assert_eq!(window.profile().len(), 2, "not in the window before it moves");
        window.advance(DateTime::from_timestamp(13 * 60, 0).unwrap());
        let units = 10_000_000_000;
        assert_eq!(
            window.profile().iter().collect::<Vec<_>>(),
            [(
                &101,
                &Flow {
                    buy: 5 * units,
                    sell: 2 * units
                }
            )]
        );
        window.put(&minute(11, true, &[(99, 0, 3)]));
        assert_eq!(
            window.profile().keys().copied().collect::<Vec<_>>(),
            [99, 101],
            "replaced"
        );
    }

    #[test]
    fn a_window_without_new_minutes_moves_with_the_clock() {
        let mut window = window(10, &[minute(10, true, &[(100, 1, 0)])]);
        window.advance(DateTime::from_timestamp(13 * 60 + 59, 0).unwrap());
        assert_eq!(window.bounds(), (1, 10));
        window.advance(DateTime::from_timestamp(14 * 60, 0).unwrap());
        assert_eq!(window.bounds(), (4, 13));
        window.advance(DateTime::from_timestamp(100 * 60, 0).unwrap());
        assert!(window.profile().is_empty());
    }

    #[test]
    fn a_window_that_steps_back_still_has_what_it_needs() {
        let mut window = window(5, &[minute(10, true, &[(100, 1, 0)])]);
        window.advance(DateTime::from_timestamp(16 * 60, 0).unwrap());
        assert_eq!((window.bounds(), window.profile().len()), ((11, 15), 0));
        assert!(window.inside(10).is_none() && window.minute(10).is_some());
        // The collector is back, a minute behind.
        window.put(&minute(14, true, &[(101, 1, 0)]));
        window.advance(DateTime::from_timestamp(16 * 60, 0).unwrap());
        assert_eq!((window.bounds(), window.profile().len()), ((10, 14), 2));
    }

    #[test]
    fn minutes_of_the_future_are_left_out() {
        let mut window = Window::new(10, Grid::new(BucketWidth::ONE));
        window.put(&minute(10, true, &[(100, 1, 0)]));
        window.put(&minute(500, true, &[(7, 1, 0)]));
        window.advance(DateTime::from_timestamp(11 * 60, 0).unwrap());
        assert_eq!((window.bounds(), window.future_minutes()), ((1, 10), 1));
        assert_eq!(window.profile().keys().copied().collect::<Vec<_>>(), [100]);
    }
}

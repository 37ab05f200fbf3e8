//! The minutes the analysis looks at, with what is summed over them, kept up to date by adding what comes
//! and subtracting what goes: a cycle costs what changes, not what is there.

use chrono::{DateTime, Utc};

use crate::analysis::imbalance::{BAR_MINUTES, Bar};
use crate::analysis::kept::Kept;
use crate::analysis::pages::Pages;
use crate::analysis::rows::{Flow, MinuteFlow};
use crate::analysis::tape::{BLOCK_MINUTES, Block};

/// Minutes that lie together.
const PAGE_MINUTES: i64 = 32;
/// Buckets of the profile that lie together: a bucket far from all others takes half a kilobyte.
const PAGE_BUCKETS: i64 = 16;

/// Minutes by which the newest minute may lag behind the clock without counting as missing.
const LAG_MINUTES: i64 = 3;

/// Minutes kept before the window: it ends with the clock while there is no minute, and steps back to the newest
/// one when that comes late, or from one dated a minute ahead that is taken away.
const KEPT_BEFORE: i64 = LAG_MINUTES + 2;

/// The newest minutes and what is summed over them.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    length: i64,
    minutes: Pages<Option<MinuteFlow>>,
    /// First and last minute of the window; what is in it is in the sums.
    bounds: Option<(i64, i64)>,
    sums: Sums,
    /// Where price was, by stretches of minutes.
    pub(crate) blocks: Kept<Block>,
    /// What bars of minutes showed.
    pub(crate) bars: Kept<Bar>,
}

/// What is summed over the minutes of the window.
#[derive(Debug, Clone)]
struct Sums {
    profile: Pages<Flow>,
    minutes: u32,
    incomplete: u32,
}

impl Sums {
    fn add(&mut self, minute: &MinuteFlow) {
        self.minutes += 1;
        self.incomplete += u32::from(!minute.complete);
        self.profile.change(minute.rows.iter(), Flow::add);
    }

    fn subtract(&mut self, minute: &MinuteFlow) {
        self.minutes -= 1;
        self.incomplete -= u32::from(!minute.complete);
        self.profile.change(minute.rows.iter(), Flow::subtract);
    }
}

impl Window {
    /// A window of this many minutes.
    pub(crate) fn new(length: u32) -> Self {
        Self {
            length: i64::from(length.max(1)),
            minutes: Pages::new(PAGE_MINUTES),
            bounds: None,
            sums: Sums {
                profile: Pages::new(PAGE_BUCKETS),
                minutes: 0,
                incomplete: 0,
            },
            blocks: Kept::new(BLOCK_MINUTES),
            bars: Kept::new(BAR_MINUTES),
        }
    }

    /// Takes a minute, in place of an earlier version of it.
    pub(crate) fn put(&mut self, number: i64, flow: MinuteFlow) {
        // Added before the other is taken away: rows they share stay.
        let inside = self.is_inside(number);
        if inside {
            self.sums.add(&flow);
        }
        let previous = self.replace(number, Some(flow));
        if let (true, Some(previous)) = (inside, previous) {
            self.sums.subtract(&previous);
        }
        self.changed(number);
    }

    /// Forgets the minutes outside `first..=last`.
    pub(crate) fn keep(&mut self, first: i64, last: i64) {
        let older = self.minutes.range(i64::MIN, first.saturating_sub(1));
        let newer = self.minutes.range(last.saturating_add(1), i64::MAX);
        let outside: Vec<i64> = older.chain(newer).map(|(number, _)| number).collect();
        for number in outside {
            self.take(number);
        }
    }

    /// Moves the window to where it stands at `now` and drops what is too far before it ever to come back.
    ///
    /// The window ends with the newest minute when that is at most three minutes old and not in the future,
    /// otherwise with the last minute that has ended at `now`.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        let current = now.timestamp().div_euclid(60);
        let newest = self
            .minutes
            .range(i64::MIN, current + 1)
            .next_back()
            .map(|(number, _)| number);
        let last = newest
            .filter(|newest| current - newest <= LAG_MINUTES)
            .unwrap_or(current - 1);
        let bounds = (last - self.length + 1, last);
        let previous = self.bounds.replace(bounds);
        for (first, last) in without(Some(bounds), previous) {
            for minute in self
                .minutes
                .range(first, last)
                .filter_map(|(_, minute)| minute.as_ref())
            {
                self.sums.add(minute);
            }
        }
        for (first, last) in without(previous, Some(bounds)) {
            for minute in self
                .minutes
                .range(first, last)
                .filter_map(|(_, minute)| minute.as_ref())
            {
                self.sums.subtract(minute);
            }
        }
        self.keep(bounds.0 - KEPT_BEFORE, i64::MAX);
    }

    fn is_inside(&self, number: i64) -> bool {
        self.bounds
            .is_some_and(|(first, last)| (first..=last).contains(&number))
    }

    fn replace(&mut self, number: i64, minute: Option<MinuteFlow>) -> Option<MinuteFlow> {
        let mut previous = None;
        self.minutes
            .change(std::iter::once((number, minute)), |place, minute| {
                previous = std::mem::replace(place, minute);
            });
        previous
    }

    fn take(&mut self, number: i64) {
        let taken = self.replace(number, None);
        if let Some(minute) = taken.filter(|_| self.is_inside(number)) {
            self.sums.subtract(&minute);
        }
        self.changed(number);
    }

    /// What was worked out of this minute is so no more.
    fn changed(&mut self, number: i64) {
        self.bars.forget(number);
        self.blocks.forget(number);
    }

    /// First and last minute of the window.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        self.bounds.unwrap_or((0, -1))
    }

    /// The minutes of the window that are there, oldest first.
    pub(crate) fn minutes(&self) -> impl DoubleEndedIterator<Item = (i64, &MinuteFlow)> {
        let (first, last) = self.bounds();
        self.range(first, last)
    }

    /// The minutes of the window from `first` to `last`, both included, that are there, oldest first.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl DoubleEndedIterator<Item = (i64, &MinuteFlow)> {
        let bounds = self.bounds();
        let minutes = self.minutes.range(first.max(bounds.0), last.min(bounds.1));
        minutes.filter_map(|(number, minute)| Some((number, minute.as_ref()?)))
    }

    /// How many minutes of the window are there.
    pub(crate) fn count(&self) -> u32 {
        self.sums.minutes
    }

    /// How many of them are incomplete.
    pub(crate) fn incomplete(&self) -> u32 {
        self.sums.incomplete
    }

    /// One minute, if it is there and inside the window.
    pub(crate) fn inside(&self, number: i64) -> Option<&MinuteFlow> {
        self.minute(number).filter(|_| self.is_inside(number))
    }

    /// One minute, if it is there; it may lie before or after the window.
    pub(crate) fn minute(&self, number: i64) -> Option<&MinuteFlow> {
        self.minutes.get(number)?.as_ref()
    }

    /// Flow per bucket over the window.
    pub(crate) fn profile(&self) -> &Pages<Flow> {
        &self.sums.profile
    }

    /// Minutes after the window, which the clock says are in the future.
    pub(crate) fn future_minutes(&self) -> usize {
        let after = self.bounds().1.saturating_add(1);
        self.minutes.range(after, i64::MAX).count()
    }
}

/// The minutes of one window that are not in the other, from the first to the last of them; an inverted range holds none.
fn without(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> [(i64, i64); 2] {
    const NONE: (i64, i64) = (0, -1);
    match (one, other) {
        (None, _) => [NONE, NONE],
        (Some(one), None) => [one, NONE],
        (Some((first, last)), Some(other)) => {
            [(first, last.min(other.0 - 1)), (first.max(other.1 + 1), last)]
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::analysis::units::Grid;
    use crate::model::{BucketFlow, MinuteFootprint};
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

    /// Puts it into a window of buckets of one dollar.
    pub(crate) fn put(window: &mut Window, minute: &MinuteFootprint) {
        let grid = Grid::new(BucketWidth::ONE);
        let flow = MinuteFlow::new(minute.levels.iter(), minute.complete, minute.dropped_levels, grid);
        window.put(minute.minute.number(), flow);
    }

    /// A window over minutes of the epoch that has been advanced to the end of the last one.
    pub(crate) fn window(length: u32, minutes: &[MinuteFootprint]) -> Window {
        let mut window = Window::new(length);
        for minute in minutes {
            put(&mut window, minute);
        }
        let last = minutes
            .iter()
            .map(|minute| minute.minute.number())
            .max()
            .unwrap_or(0);
        window.advance(DateTime::from_timestamp((last + 1) * 60, 0).unwrap());
        window
    }

    /// Buckets traded in.
    fn buckets(window: &Window) -> Vec<i64> {
        window.profile().all().map(|(bucket, _)| bucket).collect()
    }

    #[test]
    fn what_leaves_the_window_leaves_the_profile() {
        let mut window = window(
            2,
            &[minute(10, true, &[(100, 1, 0)]), minute(11, true, &[(101, 0, 2)])],
        );
        assert_eq!(buckets(&window), [100, 101]);
        put(&mut window, &minute(12, true, &[(101, 5, 0)]));
        assert_eq!(buckets(&window), [100, 101], "not in the window before it moves");
        window.advance(DateTime::from_timestamp(13 * 60, 0).unwrap());
        let units = 10_000_000_000;
        assert_eq!(
            window.profile().all().collect::<Vec<_>>(),
            [(
                101,
                &Flow {
                    buy: 5 * units,
                    sell: 2 * units
                }
            )]
        );
        put(&mut window, &minute(11, true, &[(99, 0, 3)]));
        assert_eq!(buckets(&window), [99, 101], "replaced");
    }

    #[test]
    fn a_window_without_new_minutes_moves_with_the_clock() {
        let mut window = window(10, &[minute(10, true, &[(100, 1, 0)])]);
        window.advance(DateTime::from_timestamp(13 * 60 + 59, 0).unwrap());
        assert_eq!(window.bounds(), (1, 10));
        window.advance(DateTime::from_timestamp(14 * 60, 0).unwrap());
        assert_eq!(window.bounds(), (4, 13));
        window.advance(DateTime::from_timestamp(100 * 60, 0).unwrap());
        assert_eq!(buckets(&window), [0_i64; 0]);
    }

    #[test]
    fn a_window_that_steps_back_still_has_what_it_needs() {
        let mut window = window(5, &[minute(10, true, &[(100, 1, 0)])]);
        window.advance(DateTime::from_timestamp(16 * 60, 0).unwrap());
        assert_eq!((window.bounds(), buckets(&window).len()), ((11, 15), 0));
        assert!(window.inside(10).is_none() && window.minute(10).is_some());
        // The collector is back, a minute behind.
        put(&mut window, &minute(14, true, &[(101, 1, 0)]));
        window.advance(DateTime::from_timestamp(16 * 60, 0).unwrap());
        assert_eq!((window.bounds(), buckets(&window)), ((10, 14), vec![100, 101]));
    }

    #[test]
    fn minutes_of_the_future_are_left_out() {
        let mut window = Window::new(10);
        put(&mut window, &minute(10, true, &[(100, 1, 0)]));
        put(&mut window, &minute(500, true, &[(7, 1, 0)]));
        window.advance(DateTime::from_timestamp(11 * 60, 0).unwrap());
        assert_eq!((window.bounds(), window.future_minutes()), ((1, 10), 1));
        assert_eq!(buckets(&window), [100]);
    }
}

//! Tests of a level: what price did when it came near.
//!
//! Minutes have no order of trades inside, only the range of buckets traded in. Where that leaves the outcome
//! open, it is counted as open; a minute that is missing or not wholly known ends every test as open and
//! hides where price came from.

use rust_decimal::Decimal;

use crate::analysis::posterior::posterior;
use crate::analysis::rows::Taken;
use crate::analysis::tape::{Extent, Span, Tape};
use crate::analysis::units::{Amount, number};
use crate::model::report::Confirmation;
use crate::num::to_f64;

/// Least distance that counts as near, in quote currency.
const NEAR_FLOOR: f64 = 2.0;
/// Distance that counts as near, as a share of the price: 0.02 %.
const NEAR_SHARE: f64 = 0.0002;
/// Price has left the way it came when it is this many near distances away.
const HELD: f64 = 3.0;

/// Where price was when it last was away from the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Price has not been seen away from the level since the last doubt.
    Unknown,
    /// Price is away.
    Away(Side),
    /// Price came near from there, in this minute.
    Testing(Side, i64),
}

/// Spans that make a difference to a level, as things are.
#[derive(Debug, Clone, Copy)]
enum Watch {
    /// Those that reach down or up to these buckets.
    Reaching { down_to: i64, up_to: i64 },
    /// Those that lie wholly above or below these buckets. An open one does not.
    Beyond { above: i64, below: i64 },
}

impl Watch {
    /// The next of these minutes whose span makes a difference. A quiet one may be among them.
    #[inline]
    fn next<'a>(self, minutes: &mut impl Iterator<Item = (i64, &'a Span)>) -> Option<(i64, Span)> {
        // Each with a loop of its own: a week has ten thousand minutes for each of some thirty levels.
        let found = match self {
            Self::Reaching { down_to, up_to } => {
                minutes.find(|(_, span)| span.low <= down_to || span.high >= up_to)
            }
            Self::Beyond { above, below } => minutes.find(|(_, span)| span.low > above || span.high < below),
        };
        found.map(|(minute, span)| (minute, *span))
    }

    /// Whether one of the spans of this extent may make a difference.
    #[inline]
    fn can_be_met(self, Extent { lows, highs }: Extent) -> bool {
        match self {
            Self::Reaching { down_to, up_to } => lows.0 <= down_to || highs.1 >= up_to,
            Self::Beyond { above, below } => lows.1 > above || highs.0 < below,
        }
    }
}

/// A level and what has been counted of its tests so far. Where price is near, through or has left is said in buckets, by their
/// middles.
struct Tests<'a> {
    tape: &'a Tape<'a>,
    /// First bucket not below what is near, and last one not above it: trades from there to there touch the level, and their volume
    /// counts.
    touched: (i64, i64),
    /// Last bucket at least the near distance below the level, and first one as far above it: where it breaks.
    broke: (i64, i64),
    /// Last bucket far enough below for price to have left, and first one far enough above.
    left: (i64, i64),
    state: State,
    held: u32,
    broken: u32,
    open: u32,
    absorbed: Amount,
}

impl Tape<'_> {
    /// Counts the tests of a level.
    ///
    /// Near is within `d = max(2, 0.02 % of the price)`. A test begins when trades come near after having
    /// been away on one side. It held when trades are seen `3d` away on that side in a later minute, broke
    /// when they are seen `d` away on the other side: from where the test begins, at `d`, both are `2d` off, so
    /// that a level which means nothing holds as often as it breaks. A test is open when both happen in one minute, when a
    /// minute is not wholly known, or when the data end. The next test begins only after a minute that lies
    /// wholly beyond `d`, so that price swinging about the level is one test and not many.
    pub(crate) fn tests_of(&self, level: Decimal) -> Confirmation {
        let mut tests = Tests::new(self, to_f64(level));
        let mut watch = tests.watch();
        for block in &self.blocks {
            let mut minutes = (block.first..).zip(&block.spans);
            while watch.can_be_met(block.extent) {
                let Some((minute, span)) = watch.next(&mut minutes) else {
                    break;
                };
                tests.see(minute, span);
                watch = tests.watch();
            }
        }
        tests.counted()
    }
}

impl<'a> Tests<'a> {
    fn new(tape: &'a Tape<'a>, price: f64) -> Self {
        let near = NEAR_FLOOR.max(price * NEAR_SHARE);
        let (grid, far) = (tape.grid, HELD * near);
        Self {
            tape,
            touched: (grid.first_from(price - near), grid.last_to(price + near)),
            broke: (grid.last_to(price - near), grid.first_from(price + near)),
            left: (grid.last_to(price - far), grid.first_from(price + far)),
            state: State::Unknown,
            held: 0,
            broken: 0,
            open: 0,
            absorbed: 0,
        }
    }

    /// What can make a difference, as things are.
    fn watch(&self) -> Watch {
        let (down_to, up_to) = match self.state {
            State::Unknown => {
                return Watch::Beyond {
                    above: self.touched.1,
                    below: self.touched.0,
                };
            }
            // Nothing is as far up or down as that, not even an open span.
            State::Away(Side::Above) => (self.touched.1, i64::MAX),
            State::Away(Side::Below) => (i64::MIN, self.touched.0),
            State::Testing(Side::Above, _) => (self.broke.0, self.left.1),
            State::Testing(Side::Below, _) => (self.left.0, self.broke.1),
        };
        Watch::Reaching { down_to, up_to }
    }

    /// Follows price through a minute that the watch has found.
    fn see(&mut self, minute: i64, span: Span) {
        let Span { low, high } = span;
        if span == Span::QUIET {
            return;
        }
        if span == Span::OPEN {
            self.open += u32::from(matches!(self.state, State::Testing(..)));
            self.state = State::Unknown;
            return;
        }
        self.state = match self.state {
            State::Unknown => self.away(span),
            State::Away(from) => {
                let through = match from {
                    Side::Above => low <= self.broke.0,
                    Side::Below => high >= self.broke.1,
                };
                if through {
                    self.broken += 1;
                    self.away(span)
                } else {
                    State::Testing(from, minute)
                }
            }
            State::Testing(from, since) => {
                let (back, through) = match from {
                    Side::Above => (high >= self.left.1, low <= self.broke.0),
                    Side::Below => (low <= self.left.0, high >= self.broke.1),
                };
                if back && through {
                    self.open += 1;
                } else if through {
                    self.broken += 1;
                } else {
                    self.held += 1;
                    self.absorbed += self.against(from, since, minute);
                }
                self.away(span)
            }
        };
    }

    /// Where price is after a minute that lies wholly on one side, out of reach of the level.
    fn away(&self, span: Span) -> State {
        if span.low > self.touched.1 {
            State::Away(Side::Above)
        } else if span.high < self.touched.0 {
            State::Away(Side::Below)
        } else {
            State::Unknown
        }
    }

    /// Taker volume against the level from one minute to another, in the buckets near it. Only a test that held asks for it.
    fn against(&self, from: Side, first: i64, last: i64) -> Amount {
        let (low, high) = self.touched;
        let against = match from {
            Side::Above => Taken::Sold,
            Side::Below => Taken::Bought,
        };
        let minutes = self.tape.window.range(first, last);
        minutes
            .map(|(_, minute)| minute.rows.taken(against, low, high))
            .sum()
    }

    /// The outcome at the end of the data.
    fn counted(self) -> Confirmation {
        let Self {
            held,
            broken,
            absorbed,
            ..
        } = self;
        let belief = posterior(held, broken);
        Confirmation {
            held,
            broken,
            open: self.open + u32::from(matches!(self.state, State::Testing(..))),
            untested: held + broken == 0,
            mean: belief.mean,
            low: belief.low,
            high: belief.high,
            absorbed: number(absorbed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::units::Grid;
    use crate::analysis::window::tests::{minute, window};
    use crate::num::BucketWidth;

    /// Tests of the level 1000, near being 2, by minutes given as (lowest bucket, highest bucket).
    fn check(ranges: &[(i64, i64)], expected: (u32, u32, u32)) -> Confirmation {
        let minutes: Vec<_> = (0..)
            .zip(ranges)
            .map(|(number, (low, high))| minute(number, true, &[(*low, 100, 200), (*high, 100, 200)]))
            .collect();
        let mut window = window(100, &minutes);
        let found = Tape::new(&mut window, Grid::new(BucketWidth::ONE)).tests_of(Decimal::from(1000));
        assert_eq!((found.held, found.broken, found.open), expected, "{ranges:?}");
        found
    }

    #[test]
    fn a_level_that_sends_price_back_held() {
        let found = check(
            &[(1010, 1012), (1001, 1008), (1000, 1003), (1004, 1009)],
            (1, 0, 0),
        );
        assert!(!found.untested);
        assert_eq!((found.mean, found.low, found.high), (0.6667, 0.3162, 0.9487));
        // Sold within 2 of the level: 2 in each of the rows 1001 and 1000; 1003 and beyond is not near.
        assert_eq!(found.absorbed, number(4_000_000_000_000));
        check(&[(990, 992), (991, 999), (985, 993)], (1, 0, 0));
    }

    #[test]
    fn a_level_that_lets_price_through_broke() {
        check(&[(1010, 1012), (1000, 1008), (993, 1001)], (0, 1, 0));
        check(&[(1010, 1012), (990, 1011)], (0, 1, 0));
    }

    #[test]
    fn what_cannot_be_told_is_open() {
        check(&[(1010, 1012), (1000, 1008), (999, 1002)], (0, 0, 1));
        check(&[(1010, 1012), (1000, 1008), (990, 1010)], (0, 0, 1));
        // It is not known where price came from.
        let found = check(&[(1000, 1008), (1006, 1010)], (0, 0, 0));
        assert!(found.untested);
        assert_eq!((found.mean, found.low, found.high), (0.5, 0.1, 0.9));
    }

    #[test]
    fn a_minute_that_is_not_wholly_known_ends_a_test_as_open() {
        let rows = |low: i64, high: i64| [(low, 1, 1), (high, 1, 1)];
        let grid = Grid::new(BucketWidth::ONE);
        let known = |second_complete: bool, third: i64| {
            let minutes = [
                minute(1, true, &rows(1010, 1012)),
                minute(2, second_complete, &rows(1000, 1008)),
                minute(third, true, &rows(1004, 1009)),
            ];
            let mut window = window(100, &minutes);
            let found = Tape::new(&mut window, grid).tests_of(Decimal::from(1000));
            (found.held, found.open)
        };
        assert_eq!(known(true, 3), (1, 0));
        assert_eq!(known(false, 3), (0, 0));
        assert_eq!(known(true, 4), (0, 1), "a minute is missing");
    }

    /// Were it otherwise, every level would seem confirmed.
    #[test]
    fn on_a_random_walk_as_many_tests_hold_as_break() {
        let mut state: u64 = 7;
        let mut step = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(state >> 61).unwrap() * 2 - 7
        };
        let (mut held, mut broken) = (0, 0);
        for _ in 0..20 {
            // Tenths of a dollar, twenty steps a minute.
            let mut price = 1_000_000;
            let minutes: Vec<_> = (0..1000)
                .map(|number| {
                    let (mut low, mut high) = (price, price);
                    for _ in 0..20 {
                        price += 3 * step();
                        low = low.min(price);
                        high = high.max(price);
                    }
                    minute(number, true, &[(low / 10, 1, 1), (high / 10, 1, 1)])
                })
                .collect();
            let mut window = window(1000, &minutes);
            let tape = Tape::new(&mut window, Grid::new(BucketWidth::ONE));
            for level in 0..20 {
                let found = tape.tests_of(Decimal::from(99_700 + 30 * level));
                held += found.held;
                broken += found.broken;
            }
        }
        let rate = f64::from(held) / f64::from(held + broken);
        assert!(
            held > 400 && (0.44..0.53).contains(&rate),
            "{held} held, {broken} broke: {rate}"
        );
    }
}

#[cfg(test)]
mod properties;

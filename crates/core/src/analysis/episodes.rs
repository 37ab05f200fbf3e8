//! Tests of a level: what price did when it came near.
//!
//! Minutes have no order of trades inside, only the range of buckets traded in. Where that leaves the outcome
//! open, it is counted as open; a minute that is missing or not wholly known ends every test as open and
//! hides where price came from.

use rust_decimal::Decimal;

use crate::analysis::posterior::posterior;
use crate::analysis::units::{Amount, Grid, number, round};
use crate::analysis::window::{MinuteFlow, Window};
use crate::model::report::Confirmation;
use crate::num::to_f64;

/// Least distance that counts as near, in quote currency.
const NEAR_FLOOR: f64 = 2.0;
/// Distance that counts as near, as a share of the price: 0.02 %.
const NEAR_SHARE: f64 = 0.0002;
/// Price has left the way it came when it is this many near distances away.
const HELD: f64 = 3.0;
/// Price has gone through when it is this many near distances beyond.
const BROKE: f64 = 1.0;

/// The minutes of a window, prepared for testing many levels.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    spans: Vec<Span<'a>>,
    grid: Grid,
}

#[derive(Debug)]
struct Span<'a> {
    /// Middles of the lowest and the highest bucket traded in; none in a minute without trades.
    range: Option<(f64, f64)>,
    /// Every trade is in the range, and the minute before is there.
    sure: bool,
    flow: &'a MinuteFlow,
}

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
    /// Price came near from there; with the taker volume against the level so far.
    Testing(Side, Amount),
}

impl<'a> Tape<'a> {
    /// Prepares the minutes of a window.
    pub(crate) fn new(window: &'a Window, grid: Grid) -> Self {
        let mut expected = None;
        let spans = window
            .minutes()
            .map(|(minute, flow)| {
                let follows = expected.is_none_or(|expected| expected == minute);
                expected = Some(minute + 1);
                Span {
                    range: flow
                        .range()
                        .map(|(low, high)| (grid.middle(low), grid.middle(high))),
                    sure: follows && flow.whole,
                    flow,
                }
            })
            .collect();
        Self { spans, grid }
    }

    /// Counts the tests of a level.
    ///
    /// Near is within `d = max(2, 0.02 % of the price)`. A test begins when trades come near after having
    /// been away on one side. It held when trades are seen `3d` away on that side in a later minute, broke
    /// when they are seen `d` away on the other side: from where the test begins, at `d`, both are `2d` off, so
    /// that a level which means nothing holds as often as it breaks. A test is open when both happen in one minute, when a
    /// minute is not wholly known, or when the data end. The next test begins only after a minute that lies
    /// wholly beyond `d`, so that price swinging about the level is one test and not many.
    pub(crate) fn tests_of(&self, level: Decimal) -> Confirmation {
        let price = to_f64(level);
        let near = NEAR_FLOOR.max(price * NEAR_SHARE);
        let (mut held, mut broken, mut open) = (0, 0, 0);
        let mut absorbed: Amount = 0;
        let mut state = State::Unknown;
        for span in &self.spans {
            if !span.sure {
                open += u32::from(matches!(state, State::Testing(..)));
                state = State::Unknown;
                continue;
            }
            let Some((low, high)) = span.range else {
                continue;
            };
            let (is_above, is_below) = (high >= price + HELD * near, low <= price - HELD * near);
            let (is_over, is_under) = (high >= price + BROKE * near, low <= price - BROKE * near);
            let touches = low <= price + near && high >= price - near;
            state = match state {
                State::Unknown => away(low, high, price, near),
                State::Away(from) => {
                    let through = match from {
                        Side::Above => is_under,
                        Side::Below => is_over,
                    };
                    if through {
                        broken += 1;
                        away(low, high, price, near)
                    } else if touches {
                        State::Testing(from, self.against(span, price, near, from))
                    } else {
                        State::Away(from)
                    }
                }
                State::Testing(from, volume) => {
                    let (back, through) = match from {
                        Side::Above => (is_above, is_under),
                        Side::Below => (is_below, is_over),
                    };
                    let volume = volume + self.against(span, price, near, from);
                    match (back, through) {
                        (true, true) => {
                            open += 1;
                            away(low, high, price, near)
                        }
                        (true, false) => {
                            held += 1;
                            absorbed += volume;
                            away(low, high, price, near)
                        }
                        (false, true) => {
                            broken += 1;
                            away(low, high, price, near)
                        }
                        (false, false) => State::Testing(from, volume),
                    }
                }
            };
        }
        open += u32::from(matches!(state, State::Testing(..)));
        let belief = posterior(held, broken);
        Confirmation {
            held,
            broken,
            open,
            untested: held + broken == 0,
            mean: round(belief.mean, 4),
            low: round(belief.low, 4),
            high: round(belief.high, 4),
            absorbed: number(absorbed),
        }
    }

    /// Taker volume against the level, in the buckets near it.
    fn against(&self, span: &Span<'_>, price: f64, near: f64, from: Side) -> Amount {
        let width = self.grid.width_f64();
        let (low, high) = (((price - near) / width).floor(), ((price + near) / width).floor());
        let flow = span.flow.between(bucket(low), bucket(high));
        match from {
            Side::Above => flow.sell,
            Side::Below => flow.buy,
        }
    }
}

/// Where price is after a minute that lies wholly on one side, out of reach of the level.
fn away(low: f64, high: f64, price: f64, near: f64) -> State {
    if low > price + near {
        State::Away(Side::Above)
    } else if high < price - near {
        State::Away(Side::Below)
    } else {
        State::Unknown
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "bucket numbers are below 2^50; anything else saturates and finds nothing"
)]
fn bucket(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::window::tests::{minute, window};
    use crate::num::BucketWidth;

    /// Tests of the level 1000, near being 2, by minutes given as (lowest bucket, highest bucket).
    fn check(ranges: &[(i64, i64)], expected: (u32, u32, u32)) -> Confirmation {
        let minutes: Vec<_> = (0..)
            .zip(ranges)
            .map(|(number, (low, high))| minute(number, true, &[(*low, 100, 200), (*high, 100, 200)]))
            .collect();
        let window = window(100, &minutes);
        let found = Tape::new(&window, Grid::new(BucketWidth::ONE)).tests_of(Decimal::from(1000));
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
            let window = window(100, &minutes);
            let found = Tape::new(&window, grid).tests_of(Decimal::from(1000));
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
            let window = window(1000, &minutes);
            let tape = Tape::new(&window, Grid::new(BucketWidth::ONE));
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

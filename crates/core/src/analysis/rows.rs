//! What was traded in one minute, per bucket, in little memory.

use crate::analysis::units::{Amount, DECIMALS, Grid, amount, power_of_ten};
use crate::model::BucketFlow;
use crate::num::{PriceBucket, Quantity};

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

    /// Takes the other flow away.
    pub(crate) fn subtract(&mut self, other: Self) {
        self.buy -= other.buy;
        self.sell -= other.sell;
    }
}

/// Flow per bucket of one minute, lowest bucket first, none empty.
///
/// The rows of a window are nearly all of what the analyzer keeps. The exchange trades in steps: nearly always the amounts of a
/// minute are small multiples of its smallest decimal place, so that a row fits 12 bytes instead of 48. That also
/// is what makes looking through long windows fast (`docs/benchmarks.md`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    /// Amounts are multiples of a unit, buckets are counted from the lowest.
    Narrow {
        /// The lowest bucket.
        first: i64,
        /// The amount a one stands for.
        unit: Amount,
        /// By bucket.
        rows: Box<[Narrow]>,
    },
    /// Everything else.
    Wide(Box<[(i64, Flow)]>),
}

/// A row of small multiples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Narrow {
    /// Buckets above the lowest.
    offset: u32,
    buy: u32,
    sell: u32,
}

impl Rows {
    /// The rows of price levels, which come lowest first.
    pub(crate) fn new<'a>(
        levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)> + Clone,
        grid: Grid,
    ) -> Self {
        Self::narrow(levels.clone(), grid).unwrap_or_else(|| Self::wide(levels, grid))
    }

    fn narrow<'a>(
        levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)> + Clone,
        grid: Grid,
    ) -> Option<Self> {
        let scale = |flow: &BucketFlow| flow.buy_volume.get().scale().max(flow.sell_volume.get().scale());
        let scale = levels.clone().map(|(_, flow)| scale(flow)).max().unwrap_or(0);
        let unit = power_of_ten(DECIMALS.checked_sub(scale)?);
        let multiple = |quantity: Quantity| {
            let quantity = quantity.get();
            let mantissa = u64::try_from(quantity.mantissa()).ok()?;
            let factor = u64::try_from(power_of_ten(scale - quantity.scale())).ok()?;
            u32::try_from(mantissa.checked_mul(factor)?).ok()
        };
        let mut first = None;
        let mut rows: Vec<Narrow> = Vec::with_capacity(levels.size_hint().0);
        for (level, flow) in levels {
            let (buy, sell) = (multiple(flow.buy_volume)?, multiple(flow.sell_volume)?);
            let Some(bucket) = grid.bucket(level.low()).filter(|_| buy > 0 || sell > 0) else {
                continue;
            };
            let offset = u32::try_from(bucket - *first.get_or_insert(bucket)).ok()?;
            match rows.last_mut().filter(|last| last.offset == offset) {
                Some(last) => {
                    last.buy = last.buy.checked_add(buy)?;
                    last.sell = last.sell.checked_add(sell)?;
                }
                None => rows.push(Narrow { offset, buy, sell }),
            }
        }
        Some(Self::Narrow {
            first: first.unwrap_or(0),
            unit,
            rows: rows.into_boxed_slice(),
        })
    }

    fn wide<'a>(levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)>, grid: Grid) -> Self {
        let mut rows: Vec<(i64, Flow)> = Vec::with_capacity(levels.size_hint().0);
        for (level, flow) in levels {
            let flow = Flow {
                buy: amount(flow.buy_volume.get()),
                sell: amount(flow.sell_volume.get()),
            };
            let Some(bucket) = grid.bucket(level.low()).filter(|_| flow.total() > 0) else {
                continue;
            };
            match rows.last_mut() {
                Some((last, sum)) if *last == bucket => sum.add(flow),
                _ => rows.push((bucket, flow)),
            }
        }
        Self::Wide(rows.into_boxed_slice())
    }

    /// Both forms as slices of rows, one of them empty, with first bucket and unit of the narrow ones.
    fn parts(&self) -> (i64, Amount, &[Narrow], &[(i64, Flow)]) {
        match self {
            Self::Narrow { first, unit, rows } => (*first, *unit, rows, &[]),
            Self::Wide(rows) => (0, 0, &[], rows),
        }
    }

    /// The rows, lowest bucket first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, Flow)> {
        let (first, unit, narrow, wide) = self.parts();
        let widened = move |row: &Narrow| (first + i64::from(row.offset), row.flow(unit));
        narrow.iter().map(widened).chain(wide.iter().copied())
    }

    /// Lowest and highest bucket traded in.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        let (first, _, narrow, wide) = self.parts();
        match (narrow.last(), wide) {
            (Some(last), _) => Some((first, first + i64::from(last.offset))),
            (None, [lowest, .., highest]) => Some((lowest.0, highest.0)),
            (None, [only]) => Some((only.0, only.0)),
            (None, []) => None,
        }
    }

    /// Flow in the buckets from `low` to `high`, both included.
    pub(crate) fn between(&self, low: i64, high: i64) -> Flow {
        let (first, unit, narrow, wide) = self.parts();
        let bucket = |row: &Narrow| first + i64::from(row.offset);
        let from = narrow.partition_point(|row| bucket(row) < low);
        let (mut buy, mut sell) = (0_u64, 0_u64);
        for row in narrow[from..].iter().take_while(|row| bucket(row) <= high) {
            buy += u64::from(row.buy);
            sell += u64::from(row.sell);
        }
        let mut sum = Flow {
            buy: Amount::from(buy) * unit,
            sell: Amount::from(sell) * unit,
        };
        let from = wide.partition_point(|(bucket, _)| *bucket < low);
        for (_, flow) in wide[from..].iter().take_while(|(bucket, _)| *bucket <= high) {
            sum.add(*flow);
        }
        sum
    }
}

impl Narrow {
    fn flow(self, unit: Amount) -> Flow {
        Flow {
            buy: Amount::from(self.buy) * unit,
            sell: Amount::from(self.sell) * unit,
        }
    }
}

/// What one minute contributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MinuteFlow {
    /// Flow per bucket.
    pub(crate) rows: Rows,
    /// Sum of the rows.
    pub(crate) total: Flow,
    /// Every trade of the minute was counted.
    pub(crate) complete: bool,
    /// Every trade of the minute is in the rows: complete, and no bucket was left out.
    pub(crate) whole: bool,
}

impl MinuteFlow {
    /// Of price levels, lowest first; `dropped` is how many were left out.
    pub(crate) fn new<'a>(
        levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)> + Clone,
        complete: bool,
        dropped: u64,
        grid: Grid,
    ) -> Self {
        let rows = Rows::new(levels, grid);
        Self {
            total: rows.between(i64::MIN, i64::MAX),
            rows,
            complete,
            whole: complete && dropped == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::BucketWidth;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use std::collections::BTreeMap;

    /// Mantissa and scale of a quantity.
    type Digits = (i64, u32);
    type Levels = BTreeMap<PriceBucket, BucketFlow>;

    fn levels(rows: &[(i64, Digits, Digits)]) -> Levels {
        let quantity = |(mantissa, scale)| Quantity::new(Decimal::new(mantissa, scale)).unwrap();
        rows.iter()
            .map(|(price, buy, sell)| {
                let flow = BucketFlow {
                    buy_volume: quantity(*buy),
                    sell_volume: quantity(*sell),
                    trade_count: 1,
                };
                (PriceBucket::new(Decimal::new(*price, 1)).unwrap(), flow)
            })
            .collect()
    }

    fn is_narrow(rows: &Rows) -> bool {
        matches!(rows, Rows::Narrow { .. })
    }

    /// Narrow or not, the rows say what the wide form says.
    fn check(levels: &Levels, width: i64) -> bool {
        let grid = Grid::new(BucketWidth::new(Decimal::new(width, 1)).unwrap());
        let (rows, wide) = (Rows::new(levels.iter(), grid), Rows::wide(levels.iter(), grid));
        let all: Vec<(i64, Flow)> = rows.iter().collect();
        assert_eq!(all, wide.iter().collect::<Vec<_>>());
        assert_eq!(rows.range(), wide.range());
        assert_eq!(
            rows.range(),
            all.first().zip(all.last()).map(|(low, high)| (low.0, high.0))
        );
        let (low, high) = rows.range().unwrap_or((0, 0));
        let buckets = [low - 1, low, i64::midpoint(low, high), high, high + 1];
        for from in buckets {
            for to in buckets {
                assert_eq!(rows.between(from, to), wide.between(from, to), "{from} to {to}");
            }
        }
        is_narrow(&rows)
    }

    #[test]
    fn what_a_market_trades_is_narrow_and_what_does_not_fit_is_not() {
        let small = (7, (12_345, 5), (1, 8));
        assert!(check(&levels(&[]), 10));
        assert!(check(
            &levels(&[small, (19, (0, 0), (0, 0)), (29, (4_294_967_295, 8), (0, 0))]),
            10
        ));
        assert!(
            !check(&levels(&[small, (29, (4_294_967_296, 8), (0, 0))]), 10),
            "too large"
        );
        assert!(
            !check(&levels(&[small, (90_000_000_000, (1, 2), (0, 0))]), 1),
            "too far"
        );
        assert!(!check(&levels(&[small, (29, (1, 13), (0, 0))]), 10), "too fine");
        let full = (0, (4_294_967_295, 0), (1, 0));
        assert!(
            !check(&levels(&[full, (1, (1, 0), (1, 0))]), 10),
            "too much in one bucket"
        );
    }

    proptest! {
        #[test]
        fn both_forms_say_the_same(
            rows in prop::collection::vec((0_i64..400, (0_i64..100_000, 0_u32..14), (0_i64..6_000_000_000, 0_u32..4)), 0..40),
            width in 1_i64..30,
        ) {
            check(&levels(&rows), width);
        }
    }
}

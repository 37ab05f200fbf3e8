//! What was traded in one minute, per bucket, in little memory.

use crate::analysis::units::{Amount, DECIMALS, Grid, amount, short_power_of_ten};
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

/// Taker volume of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Bought by takers.
    Bought,
    /// Sold by takers.
    Sold,
}

/// Flow per bucket of one minute, lowest bucket first, none empty.
///
/// The rows of a window are nearly all of what the analyzer keeps. The exchange trades in steps: nearly always the amounts of a
/// minute are small multiples of its smallest decimal place, and hardly a bucket between its lowest and its highest
/// is left out, so that a row fits 8 bytes instead of 48 and what was traded near a level is found at once and lies together
/// (`docs/benchmarks.md`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rows {
    /// Amounts are small multiples of a unit.
    Narrow(Narrow),
    /// Everything else.
    Wide(Box<[(i64, Flow)]>),
}

/// Rows of small multiples of a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Narrow {
    /// The lowest bucket.
    first: i64,
    /// The amount a one stands for; at most 10¹², in which a product with it stays short.
    unit: u64,
    /// How many rows there are.
    rows: usize,
    /// What was bought, then what was sold, by row, then, unless there is a row for each bucket from the first on, the buckets
    /// of the rows, counted from the first.
    numbers: Box<[u32]>,
}

impl Rows {
    /// The rows of price levels, which come lowest first.
    pub(crate) fn new<'a>(
        levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)> + Clone,
        grid: Grid,
    ) -> Self {
        Narrow::new(levels.clone(), grid).map_or_else(|| Self::wide(levels, grid), Self::Narrow)
    }

    fn wide<'a>(levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)>, grid: Grid) -> Self {
        let mut rows: Vec<(i64, Flow)> = Vec::with_capacity(levels.size_hint().0);
        for (level, flow) in levels {
            let flow = Flow {
                buy: amount(flow.buy_volume),
                sell: amount(flow.sell_volume),
            };
            let Some(bucket) = grid.bucket(level.digits()).filter(|_| flow.total() > 0) else {
                continue;
            };
            match rows.last_mut() {
                Some((last, sum)) if *last == bucket => sum.add(flow),
                _ => rows.push((bucket, flow)),
            }
        }
        Self::Wide(rows.into_boxed_slice())
    }

    /// The rows, lowest bucket first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, Flow)> {
        let (narrow, wide) = match self {
            Self::Narrow(narrow) => (Some(narrow), &[][..]),
            Self::Wide(rows) => (None, &rows[..]),
        };
        let rows = 0..narrow.map_or(0, |narrow| narrow.rows);
        rows.filter_map(move |row| narrow?.row(row))
            .chain(wide.iter().copied())
    }

    /// Lowest and highest bucket traded in.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        match self {
            Self::Narrow(narrow) => narrow.range(),
            Self::Wide(rows) => rows.first().zip(rows.last()).map(|(low, high)| (low.0, high.0)),
        }
    }

    /// What was bought or sold in the buckets from `low` to `high`, both included.
    pub(crate) fn taken(&self, side: Taken, low: i64, high: i64) -> Amount {
        match self {
            Self::Narrow(narrow) => narrow.taken(side, low, high),
            Self::Wide(rows) => {
                let from = rows.partition_point(|(bucket, _)| *bucket < low);
                let near = rows[from..].iter().take_while(|(bucket, _)| *bucket <= high);
                match side {
                    Taken::Bought => near.map(|(_, flow)| flow.buy).sum(),
                    Taken::Sold => near.map(|(_, flow)| flow.sell).sum(),
                }
            }
        }
    }
}

impl Narrow {
    /// None where an amount is no small multiple, or buckets lie too far apart.
    fn new<'a>(
        levels: impl Iterator<Item = (&'a PriceBucket, &'a BucketFlow)> + Clone,
        grid: Grid,
    ) -> Option<Self> {
        let places = |flow: &BucketFlow| flow.buy_volume.digits().1.max(flow.sell_volume.digits().1);
        let scale = levels.clone().map(|(_, flow)| places(flow)).max().unwrap_or(0);
        let unit = short_power_of_ten(DECIMALS.checked_sub(scale)?)?;
        let multiple = |quantity: Quantity| {
            let (digits, places) = quantity.digits();
            let factor = short_power_of_ten(scale - places)?;
            u32::try_from(digits.checked_mul(factor)?).ok()
        };
        let mut first = None;
        let mut rows: Vec<[u32; 3]> = Vec::with_capacity(levels.size_hint().0);
        for (level, flow) in levels {
            let (buy, sell) = (multiple(flow.buy_volume)?, multiple(flow.sell_volume)?);
            let Some(bucket) = grid.bucket(level.digits()).filter(|_| buy > 0 || sell > 0) else {
                continue;
            };
            let offset = u32::try_from(bucket - *first.get_or_insert(bucket)).ok()?;
            match rows.last_mut().filter(|last| last[2] == offset) {
                Some([bought, sold, _]) => {
                    *bought = bought.checked_add(buy)?;
                    *sold = sold.checked_add(sell)?;
                }
                None => rows.push([buy, sell, offset]),
            }
        }
        let reach = rows.last().map_or(0, |last| last[2] as usize + 1);
        // Empty rows take less than the buckets of the others while there are no more than half as many.
        let fills = reach <= rows.len() + rows.len() / 2;
        let count = if fills { reach } else { rows.len() };
        let mut numbers = vec![0; if fills { 2 * count } else { 3 * count }].into_boxed_slice();
        for (index, [buy, sell, offset]) in rows.into_iter().enumerate() {
            let row = if fills { offset as usize } else { index };
            numbers[row] = buy;
            numbers[count + row] = sell;
            if !fills {
                numbers[2 * count + row] = offset;
            }
        }
        Some(Self {
            first: first.unwrap_or(0),
            unit,
            rows: count,
            numbers,
        })
    }

    /// What was bought and what was sold, by row, and the buckets of the rows.
    fn parts(&self) -> (&[u32], &[u32], &[u32]) {
        let (bought, rest) = self.numbers.split_at(self.rows);
        let (sold, offsets) = rest.split_at(self.rows);
        (bought, sold, offsets)
    }

    /// The bucket of a row.
    fn bucket(&self, row: usize) -> i64 {
        let offset = match self.numbers.get(2 * self.rows + row) {
            Some(offset) => i64::from(*offset),
            None => i64::try_from(row).unwrap_or(i64::MAX),
        };
        self.first.saturating_add(offset)
    }

    /// A row, unless it is empty.
    fn row(&self, row: usize) -> Option<(i64, Flow)> {
        let (buy, sell) = (*self.numbers.get(row)?, *self.numbers.get(self.rows + row)?);
        let flow = Flow {
            buy: Amount::from(buy) * Amount::from(self.unit),
            sell: Amount::from(sell) * Amount::from(self.unit),
        };
        (buy > 0 || sell > 0).then(|| (self.bucket(row), flow))
    }

    fn range(&self) -> Option<(i64, i64)> {
        let last = self.rows.checked_sub(1)?;
        Some((self.first, self.bucket(last)))
    }

    fn taken(&self, side: Taken, low: i64, high: i64) -> Amount {
        let (bought, sold, offsets) = self.parts();
        // The first row from a bucket on.
        let row = |bucket: i64| {
            let offset = bucket.saturating_sub(self.first).max(0);
            if offsets.is_empty() {
                usize::try_from(offset).map_or(self.rows, |row| row.min(self.rows))
            } else {
                offsets.partition_point(|one| i64::from(*one) < offset)
            }
        };
        let rows = row(low)..row(high.saturating_add(1));
        let near = match side {
            Taken::Bought => bought.get(rows),
            Taken::Sold => sold.get(rows),
        };
        let sum: u64 = near
            .unwrap_or_default()
            .iter()
            .map(|amount| u64::from(*amount))
            .sum();
        Amount::from(sum) * Amount::from(self.unit)
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
            total: Flow {
                buy: rows.taken(Taken::Bought, i64::MIN, i64::MAX),
                sell: rows.taken(Taken::Sold, i64::MIN, i64::MAX),
            },
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
        matches!(rows, Rows::Narrow(_))
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
        let buckets = [
            i64::MIN,
            low - 1,
            low,
            i64::midpoint(low, high),
            high,
            high + 1,
            i64::MAX,
        ];
        for from in buckets {
            for to in buckets {
                for side in [Taken::Bought, Taken::Sold] {
                    let (one, other) = (rows.taken(side, from, to), wide.taken(side, from, to));
                    assert_eq!(one, other, "{side:?} {from} to {to}");
                }
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

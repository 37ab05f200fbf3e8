//! One snapshot as quantities per price bucket, each side apart, counted outwards from the market.
//!
//! The farthest bucket of a side is where the snapshot was cut, not where liquidity ends: it is left out
//! here, so that nothing can be concluded from it.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::analysis::units::{Amount, Grid, amount};
use crate::model::report::BookSide;
use crate::model::{DepthLevel, DepthSnapshot};

/// Most buckets a side is followed outwards; a book of 5000 levels spans about 2800 of one dollar.
const MAX_BUCKETS: usize = 20_000;

/// Distances from mid, in thousandths, within which the sides are compared.
const BANDS: [i64; 3] = [1, 5, 10];

/// A snapshot, bucketed.
#[derive(Debug, Clone)]
pub(crate) struct BucketedBook {
    /// When the snapshot arrived.
    pub(crate) received_at: DateTime<Utc>,
    /// Highest bid and lowest ask, where there are any.
    pub(crate) best: [Option<DepthLevel>; 2],
    /// Bids.
    pub(crate) bids: HalfBook,
    /// Asks.
    pub(crate) asks: HalfBook,
}

/// One side of a bucketed book.
#[derive(Debug, Clone)]
pub(crate) struct HalfBook {
    /// Bids or asks.
    pub(crate) side: BookSide,
    /// Bucket of the best price; meaningless when the side is empty.
    first: i64,
    /// Quantity per bucket, from the best outwards, the edge of sight left out.
    pub(crate) buckets: Vec<Amount>,
    /// Quantity within 0.1 %, 0.5 % and 1 % of mid.
    pub(crate) bands: [Amount; 3],
    /// Number of levels in the snapshot.
    pub(crate) levels: usize,
    /// Price of the largest single level of every bucket that holds at least 0.5 % of the 1 % band.
    peaks: Vec<(usize, Decimal)>,
}

impl BucketedBook {
    /// Buckets a snapshot.
    pub(crate) fn new(snapshot: &DepthSnapshot, grid: Grid) -> Self {
        let best = [snapshot.bids().first().copied(), snapshot.asks().first().copied()];
        let reference = match best {
            [Some(bid), Some(ask)] => (bid.price.get() + ask.price.get()) / Decimal::TWO,
            [Some(only), None] | [None, Some(only)] => only.price.get(),
            [None, None] => Decimal::ZERO,
        };
        Self {
            received_at: snapshot.received_at(),
            best,
            bids: HalfBook::new(BookSide::Bid, snapshot.bids(), reference, grid),
            asks: HalfBook::new(BookSide::Ask, snapshot.asks(), reference, grid),
        }
    }

    /// The side asked for.
    pub(crate) fn half(&self, side: BookSide) -> &HalfBook {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    /// Middle between best bid and best ask; none when a side is empty.
    pub(crate) fn mid(&self) -> Option<Decimal> {
        match self.best {
            [Some(bid), Some(ask)] => Some((bid.price.get() + ask.price.get()) / Decimal::TWO),
            _ => None,
        }
    }
}

impl HalfBook {
    fn new(side: BookSide, levels: &[DepthLevel], reference: Decimal, grid: Grid) -> Self {
        let mut half = Self {
            side,
            first: 0,
            buckets: Vec::new(),
            bands: [0; 3],
            levels: levels.len(),
            peaks: Vec::new(),
        };
        let ends = BANDS.map(|thousandths| {
            let reach = reference * Decimal::new(thousandths, 3);
            levels.partition_point(|level| match side {
                BookSide::Bid => level.price.get() >= reference - reach,
                BookSide::Ask => level.price.get() <= reference + reach,
            })
        });
        let (mut first, mut sum, mut begun) = (None, 0, 0);
        // Where the levels of each bucket begin.
        let mut starts: Vec<usize> = Vec::new();
        for (index, level) in levels.iter().enumerate() {
            let quantity = amount(level.quantity);
            // The bands that end before this level.
            while ends.get(begun).is_some_and(|end| *end <= index) {
                half.bands[begun] = sum;
                begun += 1;
            }
            sum += quantity;
            let Some(bucket) = grid.bucket(level.price.digits()) else {
                continue;
            };
            let first = *first.get_or_insert(bucket);
            let Ok(offset) = usize::try_from((bucket - first).abs()) else {
                continue;
            };
            if offset > MAX_BUCKETS {
                continue;
            }
            if offset >= half.buckets.len() {
                half.buckets.resize(offset + 1, 0);
                starts.resize(offset + 1, index);
            }
            half.buckets[offset] += quantity;
        }
        half.bands[begun..].fill(sum);
        // The edge of sight.
        half.buckets.pop();
        half.buckets.shrink_to_fit();
        half.first = first.unwrap_or(0);
        let least = half.bands[2] / 200;
        let is_peak = |quantity: Amount| quantity > 0 && quantity >= least;
        let peaks = half
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, quantity)| is_peak(**quantity));
        half.peaks = peaks
            .map(|(offset, _)| {
                let end = starts.get(offset + 1).copied().unwrap_or(levels.len());
                (offset, largest(&levels[starts[offset]..end]))
            })
            .collect();
        half
    }

    /// Number of the bucket this many buckets away from the market.
    pub(crate) fn bucket(&self, offset: usize) -> i64 {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        match self.side {
            BookSide::Bid => self.first.saturating_sub(offset),
            BookSide::Ask => self.first.saturating_add(offset),
        }
    }

    /// How far from the market a bucket is; none when it is not inside the seen range.
    pub(crate) fn offset(&self, bucket: i64) -> Option<usize> {
        let distance = match self.side {
            BookSide::Bid => self.first.checked_sub(bucket)?,
            BookSide::Ask => bucket.checked_sub(self.first)?,
        };
        usize::try_from(distance)
            .ok()
            .filter(|offset| *offset < self.buckets.len())
    }

    /// True if the market has gone through the bucket: nothing of this side can rest there.
    pub(crate) fn is_passed(&self, bucket: i64) -> bool {
        !self.buckets.is_empty()
            && match self.side {
                BookSide::Bid => bucket > self.first,
                BookSide::Ask => bucket < self.first,
            }
    }

    /// Quantity within 1 % of mid.
    pub(crate) fn near(&self) -> Amount {
        self.bands[2]
    }

    /// Price of the largest single level of a bucket that holds a share worth naming.
    pub(crate) fn peak_price(&self, offset: usize) -> Option<Decimal> {
        let found = self
            .peaks
            .binary_search_by_key(&offset, |(offset, _)| *offset)
            .ok()?;
        self.peaks.get(found).map(|(_, price)| *price)
    }

    /// Price range, lower edge to upper edge, of the buckets between two offsets, both included.
    pub(crate) fn span(&self, nearest: usize, farthest: usize) -> (i64, i64) {
        let (one, other) = (self.bucket(nearest), self.bucket(farthest));
        (one.min(other), one.max(other).saturating_add(1))
    }
}

/// Price of the largest level; of equals the one nearest the market.
fn largest(levels: &[DepthLevel]) -> Decimal {
    let mut largest = (0, Decimal::ZERO);
    for level in levels {
        let quantity = amount(level.quantity);
        if quantity > largest.0 {
            largest = (quantity, level.price.get());
        }
    }
    largest.1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::num::{BucketWidth, Price, Quantity};
    use crate::symbol::Symbol;

    /// A snapshot of `BTCFDUSD` from texts, taken at a minute of the epoch.
    pub(crate) fn snapshot(at_minute: i64, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> DepthSnapshot {
        let levels = |rows: &[(&str, &str)]| {
            rows.iter()
                .map(|(price, quantity)| DepthLevel {
                    price: Price::parse(price).unwrap(),
                    quantity: Quantity::parse(quantity).unwrap(),
                })
                .collect()
        };
        let at = DateTime::from_timestamp(at_minute * 60, 0).unwrap();
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        DepthSnapshot::new(
            symbol,
            at,
            u64::try_from(at_minute).unwrap(),
            levels(bids),
            levels(asks),
        )
        .unwrap()
    }

    #[test]
    fn buckets_count_outwards_and_the_edge_of_sight_is_left_out() {
        let snapshot = snapshot(
            1,
            &[("100.5", "1"), ("100.1", "2"), ("98.9", "4"), ("97", "8")],
            &[("101.2", "1"), ("103.5", "5")],
        );
        let book = BucketedBook::new(&snapshot, Grid::new(BucketWidth::ONE));
        let units = 1_000_000_000_000;
        assert_eq!(book.bids.buckets, [3 * units, 0, 4 * units]);
        assert_eq!(book.bids.bucket(2), 98);
        assert_eq!((book.bids.offset(97), book.bids.offset(101)), (None, None));
        assert!(book.bids.is_passed(101) && !book.bids.is_passed(97));
        assert_eq!(
            book.bids.peak_price(0),
            Some(Price::parse("100.1").unwrap().get()),
            "the largest level, not the nearest"
        );
        assert_eq!(book.asks.buckets, [units, 0]);
        assert_eq!(book.bids.bands, [0, units, 3 * units]);
    }
}

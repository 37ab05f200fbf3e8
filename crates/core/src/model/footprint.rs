//! The trades of one minute, summed per price bucket and side.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::model::{AggTrade, Aggressor, IdRange};
use crate::num::{BucketWidth, NumError, PriceBucket, Quantity};
use crate::time::Minute;

/// Lowest and highest aggregate trade id of a minute, and how many trades it has.
pub type TradeIds = IdRange;

/// What was traded in one price bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketFlow {
    /// Base units bought by takers (`m` false).
    pub buy_volume: Quantity,
    /// Base units sold by takers (`m` true).
    pub sell_volume: Quantity,
    /// Number of aggregate trades.
    pub trade_count: u64,
}

impl BucketFlow {
    /// Nothing traded.
    pub const EMPTY: Self = Self {
        buy_volume: Quantity::ZERO,
        sell_volume: Quantity::ZERO,
        trade_count: 0,
    };

    /// Base units traded.
    pub fn total_volume(&self) -> Decimal {
        self.buy_volume.get() + self.sell_volume.get()
    }

    /// Taker buy minus taker sell, in base units.
    pub fn delta(&self) -> Decimal {
        self.buy_volume.get() - self.sell_volume.get()
    }
}

/// The trades of one clock minute of the exchange, per price bucket.
///
/// `complete` is true only if every aggregate trade of the minute, by id, is in it exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteFootprint {
    /// The minute, by the exchange's trade time.
    pub minute: Minute,
    /// What was traded, by bucket, lowest price first.
    pub levels: BTreeMap<PriceBucket, BucketFlow>,
    /// Lowest and highest aggregate trade id; none in a minute without trades.
    pub trade_ids: Option<TradeIds>,
    /// Number of aggregate trades.
    pub trade_count: u64,
    /// Every trade of the minute is in it once.
    pub complete: bool,
    /// Buckets left out when the minute closed because it had too many.
    pub dropped_levels: u64,
    /// Base units in the buckets left out.
    pub dropped_volume: Quantity,
    /// Ids inside the minute that the exchange itself does not have.
    pub permanent_holes: Vec<IdRange>,
}

/// What the analysis needs of a minute that somebody else counted: its levels in a list, which costs less to make than a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteRows {
    /// The minute, by the exchange's trade time.
    pub minute: Minute,
    /// What was traded, by bucket, lowest price first.
    pub levels: Vec<(PriceBucket, BucketFlow)>,
    /// As in [`MinuteFootprint`].
    pub complete: bool,
    /// As in [`MinuteFootprint`].
    pub dropped_levels: u64,
}

impl MinuteFootprint {
    /// A minute in which nothing has been counted yet.
    pub fn empty(minute: Minute, complete: bool) -> Self {
        Self {
            minute,
            levels: BTreeMap::new(),
            trade_ids: None,
            trade_count: 0,
            complete,
            dropped_levels: 0,
            dropped_volume: Quantity::ZERO,
            permanent_holes: Vec::new(),
        }
    }

    /// Counts one trade. The caller sees to it that it belongs here and comes once.
    ///
    /// # Errors
    /// [`NumError`] when a volume could no longer be stored exactly; nothing is counted then.
    #[inline]
    pub fn add(&mut self, trade: &AggTrade, width: BucketWidth) -> Result<(), NumError> {
        let flow = self
            .levels
            .entry(width.bucket_of(trade.price)?)
            .or_insert(BucketFlow::EMPTY);
        let side = match trade.aggressor {
            Aggressor::Buyer => &mut flow.buy_volume,
            Aggressor::Seller => &mut flow.sell_volume,
        };
        *side = side.checked_add(trade.quantity)?;
        flow.trade_count += 1;
        self.trade_count += 1;
        self.trade_ids = Some(match self.trade_ids {
            None => IdRange {
                first: trade.id,
                last: trade.id,
            },
            Some(ids) => IdRange {
                first: ids.first.min(trade.id),
                last: ids.last.max(trade.id),
            },
        });
        Ok(())
    }

    /// Leaves out the buckets with least volume until at most `limit` remain, and says so.
    ///
    /// Of buckets with equal volume the lowest price goes first.
    ///
    /// # Errors
    /// [`NumError`] when the volume left out could not be stored exactly; the minute is unchanged then.
    pub fn limit_levels(&mut self, limit: usize) -> Result<(), NumError> {
        let Some(excess) = self.levels.len().checked_sub(limit).filter(|excess| *excess > 0) else {
            return Ok(());
        };
        let mut by_volume: Vec<(Decimal, PriceBucket)> = self
            .levels
            .iter()
            .map(|(bucket, flow)| (flow.total_volume(), *bucket))
            .collect();
        by_volume.sort_unstable();
        by_volume.truncate(excess);
        let dropped = by_volume.iter().map(|(volume, _)| *volume).sum::<Decimal>();
        self.dropped_volume = self.dropped_volume.checked_add(Quantity::new(dropped)?)?;
        self.dropped_levels += excess as u64;
        for (_, bucket) in by_volume {
            self.levels.remove(&bucket);
        }
        Ok(())
    }

    /// Base units traded, buckets left out included.
    pub fn total_volume(&self) -> Decimal {
        self.levels
            .values()
            .map(BucketFlow::total_volume)
            .sum::<Decimal>()
            + self.dropped_volume.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Price;
    use proptest::prelude::*;

    fn trade(id: u64, price: &str, quantity: &str, buyer_is_maker: bool) -> AggTrade {
        AggTrade {
            id,
            price: Price::parse(price).unwrap(),
            quantity: Quantity::parse(quantity).unwrap(),
            traded_at: 0,
            aggressor: Aggressor::from_buyer_is_maker(buyer_is_maker),
        }
    }

    fn minute() -> Minute {
        Minute::from_number(29_396_534).unwrap()
    }

    #[test]
    fn buys_and_sells_of_a_bucket_are_kept_apart() {
        let mut footprint = MinuteFootprint::empty(minute(), false);
        for trade in [
            trade(7, "110176.10", "0.06", false),
            trade(8, "110176.99", "0.05", true),
            trade(9, "110176", "0.001", false),
        ] {
            footprint.add(&trade, BucketWidth::ONE).unwrap();
        }
        let flow = footprint.levels[&PriceBucket::new(Decimal::new(110_176, 0)).unwrap()];
        assert_eq!(flow.buy_volume, Quantity::parse("0.061").unwrap());
        assert_eq!(flow.sell_volume, Quantity::parse("0.05").unwrap());
        assert_eq!(
            (flow.delta(), flow.total_volume()),
            (Decimal::new(11, 3), Decimal::new(111, 3))
        );
        assert_eq!(footprint.trade_ids, Some(IdRange { first: 7, last: 9 }));
        assert_eq!((flow.trade_count, footprint.trade_count), (3, 3));
    }

    #[test]
    fn the_smallest_buckets_go_when_there_are_too_many_and_it_says_so() {
        let mut footprint = MinuteFootprint::empty(minute(), true);
        for (id, (price, quantity)) in [("1", "5"), ("2", "1"), ("3", "1"), ("4", "3")]
            .into_iter()
            .enumerate()
        {
            footprint
                .add(&trade(id as u64, price, quantity, false), BucketWidth::ONE)
                .unwrap();
        }
        let before = footprint.total_volume();
        footprint.limit_levels(2).unwrap();
        let kept: Vec<String> = footprint.levels.keys().map(ToString::to_string).collect();
        assert_eq!(kept, ["1", "4"]);
        assert_eq!(
            (footprint.dropped_levels, footprint.dropped_volume),
            (2, Quantity::parse("2").unwrap())
        );
        assert_eq!((footprint.total_volume(), footprint.trade_count), (before, 4));
    }

    proptest! {
        #[test]
        fn the_buckets_hold_exactly_what_was_traded(
            trades in prop::collection::vec((1_u32..5_000_000, 1_u32..1_000_000, any::<bool>()), 0..200),
            limit in 1_usize..50,
        ) {
            let mut footprint = MinuteFootprint::empty(minute(), true);
            let mut traded = Decimal::ZERO;
            for (id, (cents, lots, buyer_is_maker)) in trades.iter().enumerate() {
                let quantity = Decimal::new(i64::from(*lots), 5);
                traded += quantity;
                let price = Price::new(Decimal::new(i64::from(*cents), 2)).unwrap();
                let aggressor = Aggressor::from_buyer_is_maker(*buyer_is_maker);
                let quantity = Quantity::new(quantity).unwrap();
                let trade = AggTrade { id: id as u64, price, quantity, traded_at: 0, aggressor };
                footprint.add(&trade, BucketWidth::ONE).unwrap();
            }
            prop_assert_eq!(footprint.total_volume(), traded);
            footprint.limit_levels(limit).unwrap();
            prop_assert!(footprint.levels.len() <= limit);
            prop_assert_eq!(footprint.total_volume(), traded);
            prop_assert_eq!(footprint.trade_count, trades.len() as u64);
        }
    }
}

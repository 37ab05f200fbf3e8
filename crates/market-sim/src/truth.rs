//! What a collector must have recorded, computed from the market itself.

use std::sync::Arc;

use strategy_core::model::{IdRange, MinuteFootprint};
use strategy_core::num::{BucketWidth, NumError};
use strategy_core::time::Minute;

use crate::market::Market;

/// The exact footprints of a market.
///
/// Dead rows are not counted. An id the exchange does not have is not counted either, and is listed as
/// a permanent hole of the minute if it lies between the first and the last trade of the minute; the
/// minute is complete all the same.
#[derive(Debug, Clone)]
pub struct Truth {
    market: Arc<dyn Market>,
    width: BucketWidth,
    max_price_levels: usize,
}

impl Truth {
    /// The truth for a bucket width and a limit of buckets per minute.
    pub fn new(market: Arc<dyn Market>, width: BucketWidth, max_price_levels: usize) -> Self {
        Self {
            market,
            width,
            max_price_levels,
        }
    }

    /// The footprint of a minute, complete.
    ///
    /// # Errors
    /// [`NumError`] when the market's amounts do not fit the model; never for a generated market.
    pub fn minute(&self, minute: Minute) -> Result<MinuteFootprint, NumError> {
        let mut footprint = MinuteFootprint::empty(minute, true);
        for row in self.market.trades_of(minute) {
            if let Some(trade) = row.to_agg_trade()? {
                footprint.add(&trade, self.width)?;
            }
        }
        footprint.limit_levels(self.max_price_levels)?;
        if let Some(ids) = footprint.trade_ids {
            let (own, next) = (self.market.block(minute), self.market.block(minute.next()));
            let inside = own
                .absent
                .iter()
                .chain(&next.absent)
                .filter(|id| (ids.first..ids.last).contains(id));
            footprint.permanent_holes = ranges(inside.copied());
        }
        Ok(footprint)
    }

    /// The footprints of `count` minutes from `first` on.
    ///
    /// # Errors
    /// As [`Truth::minute`].
    pub fn minutes(&self, first: Minute, count: u32) -> Result<Vec<MinuteFootprint>, NumError> {
        (0..i64::from(count))
            .map(|offset| self.minute(first.offset(offset)))
            .collect()
    }
}

/// Joins ascending ids into ranges.
fn ranges(ids: impl Iterator<Item = u64>) -> Vec<IdRange> {
    let mut ranges: Vec<IdRange> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == id => range.last = id,
            _ => ranges.push(IdRange { first: id, last: id }),
        }
    }
    ranges
}

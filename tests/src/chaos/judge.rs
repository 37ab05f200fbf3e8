//! Is a minute that says it is complete what the exchange reports?

use std::sync::Arc;

use market_sim::market::Market;
use strategy_core::model::MinuteFootprint;
use strategy_core::num::BucketWidth;
use strategy_core::time::Minute;

/// What a complete minute turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Number for number what the exchange reports.
    Right,
    /// It lacks only trades whose time steps back over the end of the minute: they come later and amend it.
    Early,
    /// Neither.
    Wrong(String),
}

/// Knows what the exchange reports.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    market: Arc<dyn Market>,
    max_levels: usize,
}

impl Judge {
    /// For minutes recorded with at most `max_levels` levels of one unit.
    pub(crate) fn new(market: Arc<dyn Market>, max_levels: usize) -> Self {
        Self { market, max_levels }
    }

    /// Judges a minute that says it is complete.
    pub(crate) fn judge(&self, recorded: &MinuteFootprint) -> Judgement {
        let minute = recorded.minute;
        let rows = self.market.trades_of(minute);
        let in_time = self
            .market
            .block(minute)
            .rows
            .iter()
            .filter(|row| Minute::containing(row.time_ms) == Ok(minute))
            .count();
        let mut recorded = recorded.clone();
        // Where exactly a hole of the exchange's own ids is noted is not part of the promise.
        recorded.permanent_holes.clear();
        let mut expected = MinuteFootprint::empty(minute, true);
        let limited = |footprint: &MinuteFootprint| {
            let mut footprint = footprint.clone();
            footprint.limit_levels(self.max_levels).unwrap();
            footprint
        };
        let mut early = false;
        for (index, row) in rows.iter().enumerate() {
            early |= index >= in_time && limited(&expected) == recorded;
            if let Some(trade) = row.to_agg_trade().unwrap() {
                expected.add(&trade, BucketWidth::ONE).unwrap();
            }
        }
        let expected = limited(&expected);
        if expected == recorded {
            Judgement::Right
        } else if early {
            Judgement::Early
        } else {
            Judgement::Wrong(format!(
                "{minute} says complete with {} trades {:?}; the exchange has {} trades {:?}",
                recorded.trade_count,
                recorded.trade_ids.map(|ids| (ids.first, ids.last)),
                expected.trade_count,
                expected.trade_ids.map(|ids| (ids.first, ids.last)),
            ))
        }
    }
}

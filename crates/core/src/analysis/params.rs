//! The settings of the analysis and the fixed numbers of its definitions.

use rust_decimal::Decimal;

use crate::model::report::ValueAreaRule;
use crate::num::{BucketWidth, Quantity};

/// What an operator may set. Everything else is a definition and a constant below.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Width of a price bucket (`data_collector.order_flow.price_precision`), in quote currency; default 1.
    pub bucket_width: BucketWidth,
    /// Smallest price step of the market, in quote currency; default 0.01. Quotes are multiples of it.
    pub tick: BucketWidth,
    /// Least quantity of a wall and least volume of an imbalance
    /// (`analyzer.analysis.min_order_volume_threshold`), in base units; default 0.01.
    pub min_order_volume: Quantity,
    /// Weakest strength that is published (`analyzer.analysis.support_resistance_threshold`), 0..1;
    /// default 0.1.
    pub min_strength: f64,
    /// Newest minutes that decide about recent flow (`analyzer.analysis.flow_window_minutes`), at least 1;
    /// default 180.
    pub flow_window_minutes: u32,
    /// Newest minutes of the volume profile and of the tests of a level
    /// (`analyzer.analysis.profile_window_minutes`), at least 1; default 2880.
    pub profile_window_minutes: u32,
    /// Snapshots that are looked at (`data_collector.depth_snapshot.window_size`), at least 1; default 60.
    pub depth_window: usize,
    /// Seconds between two snapshots (`data_collector.depth_snapshot.update_interval_seconds`), at least 1;
    /// default 60. A snapshot older than three of them is stale.
    pub depth_interval_seconds: u32,
    /// Most levels a side of a snapshot can have (`data_collector.depth_snapshot.limit`), 5 to 5000;
    /// default 5000.
    pub depth_limit: usize,
    /// How the value area is grown; default the two-row rule.
    pub value_area_rule: ValueAreaRule,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            bucket_width: BucketWidth::ONE,
            // Constants that are valid; the fallbacks are never taken.
            tick: BucketWidth::new(Decimal::new(1, 2)).unwrap_or(BucketWidth::ONE),
            min_order_volume: Quantity::new(Decimal::new(1, 2)).unwrap_or(Quantity::ZERO),
            min_strength: 0.1,
            flow_window_minutes: 180,
            profile_window_minutes: 2880,
            depth_window: 60,
            depth_interval_seconds: 60,
            depth_limit: 5000,
            value_area_rule: ValueAreaRule::TwoRow,
        }
    }
}

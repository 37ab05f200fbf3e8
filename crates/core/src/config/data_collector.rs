//! Section `data_collector`: how often the book is taken and how long trades are kept.

use std::time::Duration;

use rust_decimal::{Decimal, dec};

use super::reader::Section;
use super::render::Rendered;
use crate::num::BucketWidth;

/// Days behind the window for which files that are not complete are healed.
pub const HEALED_DAYS: u32 = 7;

/// Settings of the recording program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataCollectorConfig {
    /// Order book snapshots.
    pub depth_snapshot: DepthSnapshotConfig,
    /// Trades per minute.
    pub order_flow: OrderFlowConfig,
    /// Days after which a file of `storage/` is removed; 0 keeps them for ever.
    pub storage_retention_days: u32,
}

/// Settings of the order book snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthSnapshotConfig {
    /// Levels per side, 5 to 5000.
    pub limit: u16,
    /// Time from one snapshot to the next.
    pub update_interval: Duration,
    /// Most snapshots kept in Redis.
    pub window_size: usize,
}

/// Settings of the minutes of trades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFlowConfig {
    /// Most minutes kept in Redis.
    pub window_size_minutes: u32,
    /// Width of a price bucket.
    pub price_precision: BucketWidth,
    /// Most price buckets of a closed minute.
    pub max_price_levels: usize,
    /// How many minutes back a start fills the window; 0 is off, never more than the window.
    pub backfill_minutes: u32,
}

impl DataCollectorConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self {
            depth_snapshot: DepthSnapshotConfig::read(section.section("depth_snapshot")),
            order_flow: OrderFlowConfig::read(section.section("order_flow")),
            storage_retention_days: section.integer("storage_retention_days", 0, 0..=36_500),
        };
        let needed = config.order_flow.window_size_minutes.div_ceil(24 * 60) + HEALED_DAYS + 1;
        let days = config.storage_retention_days;
        if days != 0 && days < needed {
            section.problem(
                "storage_retention_days",
                format_args!(
                    "{days} is too few: the window and the healing of files need {needed}; 0 keeps all files"
                ),
            );
        }
        section.finish();
        config
    }

    pub(super) fn render(&self) -> Rendered {
        let depth = Rendered::default()
            .set("limit", self.depth_snapshot.limit)
            .seconds("update_interval_seconds", self.depth_snapshot.update_interval)
            .set("window_size", self.depth_snapshot.window_size as u64);
        let flow = Rendered::default()
            .set("window_size_minutes", self.order_flow.window_size_minutes)
            .decimal("price_precision", self.order_flow.price_precision.get())
            .set("aggregation_interval_seconds", 60)
            .set("max_price_levels", self.order_flow.max_price_levels as u64)
            .set("backfill_minutes", self.order_flow.backfill_minutes);
        Rendered::default()
            .section("depth_snapshot", depth)
            .section("order_flow", flow)
            .set("storage_retention_days", self.storage_retention_days)
    }
}

impl DepthSnapshotConfig {
    fn read(mut section: Section<'_>) -> Self {
        let config = Self {
            limit: section.integer("limit", 5000, 5..=5000),
            update_interval: section.seconds("update_interval_seconds", 60, 1..=86_400),
            window_size: section.integer("window_size", 60_u32, 1..=10_000) as usize,
        };
        section.finish();
        config
    }
}

impl OrderFlowConfig {
    fn read(mut section: Section<'_>) -> Self {
        let window_size_minutes = section.integer("window_size_minutes", 2880, 1..=44_640);
        let smallest = Decimal::new(1, 8);
        let precision = section.decimal("price_precision", Decimal::ONE, smallest..=dec!(1_000_000));
        let interval = section.integer("aggregation_interval_seconds", 60_u32, 1..=86_400);
        if interval != 60 {
            section.problem(
                "aggregation_interval_seconds",
                format_args!("{interval} is not possible, only 60 is: minutes are those of the clock"),
            );
        }
        let backfill_minutes = section.integer("backfill_minutes", 2880, 0..=44_640);
        if section.is_given("backfill_minutes") && backfill_minutes > window_size_minutes {
            section.warning(
                "backfill_minutes",
                format_args!(
                    "{backfill_minutes} is more than window_size_minutes {window_size_minutes}; the window is filled and no more"
                ),
            );
        }
        let config = Self {
            window_size_minutes,
            // In range, so positive.
            price_precision: BucketWidth::new(precision).unwrap_or(BucketWidth::ONE),
            max_price_levels: section.integer("max_price_levels", 1000_u32, 1..=1_000_000) as usize,
            backfill_minutes: backfill_minutes.min(window_size_minutes),
        };
        section.accepted_old(
            "websocket_url",
            "the stream's address is made of binance.websocket_base and binance.symbol",
        );
        section.finish();
        config
    }
}

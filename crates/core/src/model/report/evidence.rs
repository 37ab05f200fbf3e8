//! What speaks for a price.

use serde::Serialize;

use crate::model::report::{FlowSide, Number};

/// One piece of evidence for a price, with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// An outstanding resting quantity (static).
    Wall {
        /// Price of the largest single level in the wall's bucket.
        price: Number,
        /// Base units in the bucket.
        volume: Number,
        /// Quantity over the local norm, at most 1000, two decimals.
        norm_ratio: f64,
        /// Share of the side's quantity within 1 % of mid, 0..1, four decimals.
        side_share: f64,
        /// Does not stay; counts little and never as a piece of its own.
        fleeting: bool,
    },
    /// A broad stretch of resting quantity (static).
    DensityZone {
        /// Lowest price of the zone.
        low: Number,
        /// Upper edge of the zone, itself outside.
        high: Number,
        /// Base units in the zone.
        volume: Number,
    },
    /// The row with most traded volume (dynamic).
    PointOfControl {
        /// Lower edge of the row.
        price: Number,
        /// Base units traded in the row.
        volume: Number,
    },
    /// A local maximum of the smoothed profile (dynamic).
    HighVolumeNode {
        /// Lower edge of the row.
        price: Number,
        /// Base units traded in the row.
        volume: Number,
    },
    /// An end of the value area (dynamic).
    ValueAreaEdge {
        /// Lower edge of the row.
        price: Number,
    },
    /// Price came here and left the way it came (dynamic).
    ConfirmedTests {
        /// The level tested.
        price: Number,
        /// Tests that held.
        held: u32,
        /// Tests that broke.
        broken: u32,
        /// Mean of the posterior probability to hold, 0..1, four decimals.
        mean: f64,
    },
    /// Three or more rows in a row with one-sided aggression (dynamic).
    StackedImbalance {
        /// Lower edge of the lowest row.
        low: Number,
        /// Upper edge of the highest row, itself outside.
        high: Number,
        /// The aggressor that dominated.
        side: FlowSide,
    },
}

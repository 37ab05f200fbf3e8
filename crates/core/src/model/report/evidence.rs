//! What speaks for a price, with the numbers by which a person can check it.

use serde::Serialize;

use crate::model::report::{BookSide, FlowSide, Number};

/// One piece of evidence. What rests in the book names its side; trades have none, but for a stacked
/// imbalance, which names the aggressor.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// An outstanding resting quantity (static).
    Wall {
        /// Side of the book it rests on.
        side: BookSide,
        /// Price of the largest single level in the wall's bucket.
        price: Number,
        /// Base units in the bucket.
        volume: Number,
        /// The 90th percentile of the buckets around it, in base units.
        local_norm: Number,
        /// `volume / local_norm`, at most 1000, two decimals.
        norm_ratio: f64,
        /// Share of the side's quantity within 1 % of mid, 0..1, four decimals.
        side_share: f64,
        /// Does not stay; counts little and never as a piece of its own.
        fleeting: bool,
    },
    /// A broad stretch of resting quantity (static).
    DensityZone {
        /// Side of the book it rests on.
        side: BookSide,
        /// Lowest price of the zone.
        low: Number,
        /// Upper edge of the zone, itself outside.
        high: Number,
        /// Base units in the zone.
        volume: Number,
        /// Its strength, 0..1, four decimals.
        strength: f64,
    },
    /// Why a stretch is a density zone: sums of ten buckets in a row, each without walls and without its two
    /// largest buckets, against the same sums of the whole side.
    DenseSums {
        /// Side of the book.
        side: BookSide,
        /// Buckets of the zone.
        buckets: u32,
        /// Sums in a row above `percentile_sum`.
        sums: u32,
        /// Those of them above `dense_from`, fourteen or more.
        dense_sums: u32,
        /// One and a half times `percentile_sum`, in base units.
        dense_from: Number,
        /// Largest of the sums, in base units.
        peak_sum: Number,
        /// Smallest of the sums, in base units.
        least_sum: Number,
        /// The 90th percentile of such sums of the side, in base units.
        percentile_sum: Number,
        /// The median of such sums of the side, in base units: the background.
        median_sum: Number,
        /// `peak_sum / percentile_sum`, at most 1000, two decimals.
        ratio: f64,
        /// Share of the side's quantity within 1 % of mid, walls included, four decimals.
        side_share: f64,
    },
    /// Why a stretch is a vacuum: sums of ten buckets in a row against the side's median of such sums.
    ThinSums {
        /// Side of the book.
        side: BookSide,
        /// Buckets of the vacuum.
        buckets: u32,
        /// Smallest sum of the stretch, in base units.
        least_sum: Number,
        /// Largest sum of the stretch, in base units.
        greatest_sum: Number,
        /// What the smallest sum may be at most, in base units.
        enter_sum: Number,
        /// What every sum may be at most, in base units.
        stay_sum: Number,
        /// The side's median of such sums, walls left out, in base units: the background.
        median_sum: Number,
        /// Mean quantity of ten buckets of the vacuum, in base units.
        mean_sum: Number,
    },
    /// Buckets in a row in which nothing rests at all.
    EmptyBuckets {
        /// Side of the book.
        side: BookSide,
        /// The most of them in a row, five or more.
        buckets: u32,
        /// The side's median of the sums of ten buckets in a row, walls left out, in base units.
        median_sum: Number,
    },
    /// The row with most traded volume (dynamic).
    PointOfControl {
        /// Lower edge of the row.
        price: Number,
        /// Base units traded in the row.
        volume: Number,
    },
    /// How the value area grew: the step that reached 70 % of the volume.
    ValueAreaGrowth {
        /// Rows of the area.
        rows: u32,
        /// 70 % of the volume of the profile, in base units.
        target_volume: Number,
        /// Base units in the area before its last step, below the target; 0 when there was no step.
        volume_before: Number,
        /// Base units in the rows above that the last step looked at; none when there was no step.
        last_above: Option<Number>,
        /// Base units in the rows below that the last step looked at; none when there was no step.
        last_below: Option<Number>,
    },
    /// A local maximum of the smoothed profile (dynamic).
    HighVolumeNode {
        /// Lower edge of the row.
        price: Number,
        /// Base units traded in the row.
        volume: Number,
    },
    /// A local minimum of the smoothed profile (dynamic).
    LowVolumeNode {
        /// Lower edge of the row.
        price: Number,
        /// Base units traded in the row.
        volume: Number,
    },
    /// Why a row is a node: `prominence = |smoothed_volume - saddle_volume| / highest_volume`.
    Prominence {
        /// Mean volume of the rows around it by the weights of the kernel, in base units.
        smoothed_volume: Number,
        /// The same at the higher saddle of a hill, or at the lower of the two hills beside a valley.
        saddle_volume: Number,
        /// The same at the highest row of the profile.
        highest_volume: Number,
        /// What the prominence is at least, 0..1.
        threshold: f64,
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

/// A piece of evidence with what it adds to a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeighedEvidence {
    /// What it is.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// Its weight, 0..1, four decimals: a score is 1 minus the product of 1 minus each weight.
    pub weight: f64,
}

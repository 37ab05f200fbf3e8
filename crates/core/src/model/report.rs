//! What one analysis concludes, as it is stored and as the advisers read it.
//!
//! Field names and order are those of the `analysis_results` document. Prices and volumes are exact
//! decimals ([`Number`]); statistics are doubles rounded to a stated number of decimals, so that equal
//! input gives equal bytes. Every list is sorted strongest first unless it says otherwise.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::num::{SIGNIFICANT_DIGITS, to_f64};
use crate::symbol::Symbol;
use crate::time::rfc3339;

/// An exact decimal that can always be stored: at most 15 significant digits, no trailing zeros.
///
/// Sums of more digits than that are rounded half to even when they become a `Number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Number(Decimal);

impl Number {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Keeps a decimal, rounded to 15 significant digits where it has more.
    pub fn new(value: Decimal) -> Self {
        let kept = value.round_sf(SIGNIFICANT_DIGITS).unwrap_or(value);
        Self(kept.normalize())
    }

    /// The exact value.
    pub fn get(self) -> Decimal {
        self.0
    }

    /// The nearest double, for statistics only.
    pub fn to_f64(self) -> f64 {
        to_f64(self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Storable by construction, also where zeros follow the 15 digits.
        serializer.serialize_f64(self.to_f64())
    }
}

/// A side of the order book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BookSide {
    /// Buy orders, below the market.
    Bid,
    /// Sell orders, above the market.
    Ask,
}

/// What a published level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LevelType {
    /// A bid wall: price may stop falling here.
    Support,
    /// An ask wall: price may stop rising here.
    Resistance,
}

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

/// The aggressor of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowSide {
    /// Takers bought.
    Buy,
    /// Takers sold.
    Sell,
}

/// What the recent snapshots say about a wall.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WallLife {
    /// Snapshots in which the wall's bucket was inside the seen range, the newest included.
    pub snapshots_seen: u32,
    /// Those of them that had the wall.
    pub snapshots_present: u32,
    /// `snapshots_present / snapshots_seen`, 0..1, four decimals.
    pub presence: f64,
    /// Seconds between the oldest snapshot that had the wall and the newest.
    pub age_seconds: i64,
    /// Base units lost between snapshots that the trades at that price can explain.
    pub consumed: Number,
    /// Base units lost that no trade explains; one snapshot a minute cannot say they were cancelled.
    pub unattributed: Number,
    /// Base units lost over minutes whose trades are not all known.
    pub unjudged: Number,
}

/// How a price did when trades came near it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confirmation {
    /// Tests after which price left the way it came.
    pub held: u32,
    /// Tests after which price went through.
    pub broken: u32,
    /// Tests that are neither yet, or whose outcome cannot be known.
    pub open: u32,
    /// No test ended: nothing is known, which is not the same as refused.
    pub untested: bool,
    /// Mean of the Beta posterior of holding, 0..1, four decimals; 0.5 when untested.
    pub mean: f64,
    /// Lower end of its 80 % interval, 0..1, four decimals.
    pub low: f64,
    /// Upper end of its 80 % interval, 0..1, four decimals.
    pub high: f64,
    /// Base units of taker volume against the level during the tests that held.
    pub absorbed: Number,
}

/// A support or resistance level: a wall of the newest book and what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Price of the largest single level in the wall's bucket.
    pub price: Number,
    /// 0..1, four decimals.
    pub strength: f64,
    /// Support or resistance.
    pub level_type: LevelType,
    /// Base units resting in the wall's bucket.
    pub volume_at_level: Number,
    /// Snapshots that had the wall, the newest included.
    pub confirmation_count: u32,
    /// Time of the newest snapshot that had the wall.
    #[serde(with = "rfc3339")]
    pub last_confirmed: DateTime<Utc>,
    /// Does not stay: published, weak, and never a place to lean on.
    pub fleeting: bool,
    /// How the wall lived.
    pub wall_life: WallLife,
    /// How the price did when it was tested.
    pub confirmation: Confirmation,
    /// Everything found within 0.05 % of the price, the wall itself first.
    pub evidence: Vec<Evidence>,
}

/// A stretch of prices on one side of the book.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceZone {
    /// Lowest price of the zone.
    pub low: Number,
    /// Upper edge of the zone, itself outside.
    pub high: Number,
    /// The side of the book.
    pub side: BookSide,
    /// Base units resting in the zone.
    pub volume: Number,
    /// 0..1, four decimals.
    pub strength: f64,
}

impl PriceZone {
    /// The middle of the zone.
    pub fn center(&self) -> Number {
        Number::new((self.low.get() + self.high.get()) / Decimal::TWO)
    }

    /// True if the price lies in the zone.
    pub fn contains(&self, price: Decimal) -> bool {
        self.low.get() <= price && price < self.high.get()
    }
}

/// A price where evidence of different kinds meets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResonanceZone {
    /// Lowest price of its evidence, inside 0.05 % of the centre.
    pub low: Number,
    /// Highest price of its evidence, inside 0.05 % of the centre.
    pub high: Number,
    /// Price of the heaviest wall, or of the heaviest evidence where there is no wall.
    pub center: Number,
    /// 0..1, four decimals.
    pub score: f64,
    /// What meets here, heaviest first.
    pub evidence: Vec<Evidence>,
}

/// How the value area was grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueAreaRule {
    /// The sum of the next two rows above against the next two below; a tie goes up.
    #[default]
    TwoRow,
    /// The next row above against the next below; a tie goes up.
    OneRow,
}

/// The rows around the point of control that hold 70 % of the traded volume.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueArea {
    /// Lower edge of the row with most volume.
    pub poc: Number,
    /// Lower edge of the lowest row of the area.
    pub low: Number,
    /// Lower edge of the highest row of the area.
    pub high: Number,
    /// How it was grown.
    pub rule: ValueAreaRule,
    /// Base units traded in the area.
    pub volume: Number,
    /// Base units traded in the whole profile.
    pub total_volume: Number,
}

/// A local maximum or minimum of the smoothed profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VolumeNode {
    /// Lower edge of the row.
    pub price: Number,
    /// Base units traded in the row.
    pub volume: Number,
    /// Depth of the extremum over the profile's smoothed maximum, 0..1, four decimals.
    pub prominence: f64,
    /// Taker buy minus taker sell in the row, in base units.
    pub delta: Number,
}

/// Taker buy minus taker sell over the newest minutes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FlowDelta {
    /// Length of the window in minutes.
    pub minutes: u32,
    /// Sum of the deltas, in base units: the cumulative volume delta over the window.
    pub delta: Number,
    /// Base units traded.
    pub volume: Number,
    /// Every minute of the window is there and complete.
    pub complete: bool,
}

/// Consecutive rows of one bar in which one aggressor outweighs the other diagonally.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackedImbalance {
    /// Lower edge of the lowest row.
    pub low: Number,
    /// Upper edge of the highest row, itself outside.
    pub high: Number,
    /// The aggressor that dominated.
    pub side: FlowSide,
    /// Number of rows, three or more.
    pub rows: u32,
    /// Base units of the dominating aggressor in these rows.
    pub volume: Number,
    /// Start of the bar.
    #[serde(with = "rfc3339")]
    pub bar_start: DateTime<Utc>,
}

/// The market around the newest snapshot.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MarketContext {
    /// Highest bid.
    pub best_bid: Option<Number>,
    /// Lowest ask.
    pub best_ask: Option<Number>,
    /// Middle of the two.
    pub mid: Option<Number>,
    /// Best ask minus best bid.
    pub spread: Option<Number>,
    /// Middle weighted by the quantity on the other side, four decimals.
    pub microprice: Option<f64>,
    /// (bids − asks) / (bids + asks) within 0.1 % of mid, −1..1, four decimals.
    pub imbalance_0_1: Option<f64>,
    /// The same within 0.5 % of mid.
    pub imbalance_0_5: Option<f64>,
    /// The same within 1 % of mid.
    pub imbalance_1_0: Option<f64>,
    /// Base units of bids within 1 % of mid.
    pub bid_volume_1_0: Number,
    /// Base units of asks within 1 % of mid.
    pub ask_volume_1_0: Number,
    /// Mean span of the traded minutes of the last hour over mid, in percent, four decimals.
    pub minute_range_percent: Option<f64>,
}

/// What the result rests on, and what was not known.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a stored document, each a field of its own"
)]
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DataHonesty {
    /// Age of the newest snapshot in seconds, three decimals; none without a snapshot.
    pub snapshot_age_seconds: Option<f64>,
    /// The newest snapshot or the newest minute is older than three intervals, or dated that far ahead.
    pub stale: bool,
    /// Snapshots of this market that were used.
    pub snapshots_used: u32,
    /// Minutes inside the profile window that were used.
    pub minutes_used: u32,
    /// Those of them in which trades are missing.
    pub incomplete_minutes: u32,
    /// Minutes of the profile window that are not there, before the first recorded one included.
    pub missing_minutes: u32,
    /// Minutes of the profile window before the first recorded one: history too short, not a hole.
    pub unrecorded_minutes: u32,
    /// Minutes inside the flow window, as configured.
    pub flow_window_minutes: u32,
    /// Minutes of the flow window that are there and complete.
    pub flow_complete_minutes: u32,
    /// Minutes of the flow window after the first recorded one that are missing or incomplete.
    pub flow_damaged_minutes: u32,
    /// A side of the newest book was cut at the depth limit.
    pub book_truncated: bool,
    /// The newest book has only one side.
    pub book_one_sided: bool,
    /// There is no book of this market.
    pub book_missing: bool,
    /// What was not known, in plain words, in a fixed order.
    pub notes: Vec<String>,
}

/// The result of one analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MarketReport {
    /// The moment the analysis speaks of, given with the input.
    #[serde(with = "rfc3339")]
    pub timestamp: DateTime<Utc>,
    /// The market.
    pub symbol: Symbol,
    /// Bid walls.
    pub support_levels: Vec<Level>,
    /// Ask walls.
    pub resistance_levels: Vec<Level>,
    /// The point of control, then high-volume nodes by volume; at most ten.
    pub poc_levels: Vec<Number>,
    /// Centres of `vacuum_ranges`, in the same order.
    pub liquidity_vacuum_zones: Vec<Number>,
    /// Centres of `resonance`, in the same order.
    pub resonance_zones: Vec<Number>,
    /// Prices where evidence of different kinds meets.
    pub resonance: Vec<ResonanceZone>,
    /// Broad stretches of resting quantity.
    pub density_zones: Vec<PriceZone>,
    /// Stretches with hardly any resting quantity.
    pub vacuum_ranges: Vec<PriceZone>,
    /// The 70 % value area; none without trades.
    pub value_area: Option<ValueArea>,
    /// High-volume nodes, by smoothed volume, at most ten.
    pub high_volume_nodes: Vec<VolumeNode>,
    /// Low-volume nodes, deepest first, at most ten.
    pub low_volume_nodes: Vec<VolumeNode>,
    /// Delta over 15, 60 and 180 minutes.
    pub flow_deltas: Vec<FlowDelta>,
    /// Stacked imbalances of the flow window, newest bar first, then lowest price first.
    pub stacked_imbalances: Vec<StackedImbalance>,
    /// How the point of control did when it was tested.
    pub poc_confirmation: Option<Confirmation>,
    /// Best prices, spread, imbalance.
    pub context: MarketContext,
    /// What the result rests on.
    pub data_honesty: DataHonesty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_too_many_digits_is_rounded_instead_of_refused() {
        let sum = Decimal::from_i128_with_scale(123_456_789_012_345_678, 8);
        assert_eq!(
            crate::json::to_string(&Number::new(sum)).unwrap(),
            "1234567890.12346"
        );
        assert_eq!(
            crate::json::to_string(&Number::new(Decimal::new(5000, 5))).unwrap(),
            "0.05"
        );
    }
}

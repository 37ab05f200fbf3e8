//! What one analysis concludes, as it is stored and as the advisers read it.
//!
//! Field names and order are those of the `analysis_results` document. Prices and volumes are exact
//! decimals ([`Number`]); statistics are doubles rounded to a stated number of decimals, so that equal
//! input gives equal bytes. Every list is sorted strongest first unless it says otherwise.

mod context;
mod evidence;
mod flow;
mod level;
mod note;
mod number;
mod zone;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use context::{DataHonesty, MarketContext};
pub use evidence::{Evidence, WeighedEvidence};
pub use flow::{FlowDelta, FlowSide, StackedImbalance, ValueArea, ValueAreaRule, VolumeNode};
pub use level::{BookSide, Confirmation, Level, LevelType, WallLife};
pub use note::{Note, Notes};
pub use number::Number;
pub use zone::{PriceZone, ResonanceZone};

use crate::symbol::Symbol;
use crate::time::rfc3339;

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

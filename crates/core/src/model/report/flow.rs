//! What was traded.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::report::{Evidence, Number};
use crate::time::rfc3339;

/// The aggressor of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowSide {
    /// Takers bought.
    Buy,
    /// Takers sold.
    Sell,
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
    /// Why it is there: the point of control it grew from and its last step.
    pub evidence: Vec<Evidence>,
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
    /// Why it is there: the smoothed volumes its prominence comes from.
    pub evidence: Vec<Evidence>,
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
    /// Base units of the other aggressor in the rows these were compared with, at most a third of `volume`.
    pub opposing_volume: Number,
    /// What each row's volume is at least, in base units.
    pub row_minimum: Number,
    /// Start of the bar.
    #[serde(with = "rfc3339")]
    pub bar_start: DateTime<Utc>,
}

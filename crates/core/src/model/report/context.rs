//! The market around the newest snapshot, and what the result rests on.

use serde::Serialize;

use crate::model::report::{Notes, Number};

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
    /// What was not known, in a fixed order; written in words.
    pub notes: Notes,
}

//! Support and resistance.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::model::report::{Evidence, Number};
use crate::time::rfc3339;

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

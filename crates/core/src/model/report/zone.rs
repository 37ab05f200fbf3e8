//! Stretches of prices.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::model::report::{BookSide, Evidence, Number, WeighedEvidence};

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
    /// Why it is there: the sums that were measured, then what else lies in it.
    pub evidence: Vec<Evidence>,
}

impl PriceZone {
    /// The middle of the zone.
    pub fn center(&self) -> Number {
        Number::new((self.low.get() + self.high.get()) / Decimal::TWO)
    }

    /// True if the price lies strictly between the edges of the zone.
    pub fn is_inside(&self, price: Decimal) -> bool {
        self.low.get() < price && price < self.high.get()
    }
}

/// A price where evidence of different kinds meets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResonanceZone {
    /// Side of the book that all its resting quantity is on: bids make a support, asks a resistance.
    pub side: BookSide,
    /// Lowest price of its evidence, inside 0.05 % of the centre.
    pub low: Number,
    /// Highest price of its evidence, inside 0.05 % of the centre.
    pub high: Number,
    /// Price of the heaviest wall, or of the heaviest evidence where there is no wall.
    pub center: Number,
    /// 0..1, four decimals.
    pub score: f64,
    /// What meets here, heaviest first.
    pub evidence: Vec<WeighedEvidence>,
}

//! The order book of one moment, and the answer of `GET /api/v3/depth` made from it.
//!
//! A generated book is a pure function of seed and time ([`BookModel`]); a recorded one comes from a
//! capture. All amounts are integers of 1e-8.

mod shape;

use strategy_core::time::ExchangeMs;

pub use self::shape::{BookModel, Wall, Zone, ZoneKind};
use crate::amount::{push_fixed8, push_integer};

/// Most levels a side of an answer may have.
pub const MAX_LEVELS: usize = 5000;

/// Resting quantity at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookLevel {
    /// Price in units of 1e-8.
    pub price_e8: u64,
    /// Quantity in units of 1e-8; greater than zero.
    pub quantity_e8: u64,
}

/// The order book at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// The instant.
    pub at: ExchangeMs,
    /// Number of the last change the book contains; rises with `at`.
    pub last_update_id: u64,
    /// Highest price first.
    pub bids: Vec<BookLevel>,
    /// Lowest price first.
    pub asks: Vec<BookLevel>,
}

impl Book {
    /// The answer to `GET /api/v3/depth` with this limit.
    pub fn to_json(&self, limit: usize) -> String {
        let levels = limit.min(self.bids.len()) + limit.min(self.asks.len());
        let mut out = String::with_capacity(64 + levels * 36);
        out.push_str("{\"lastUpdateId\":");
        push_integer(&mut out, self.last_update_id);
        out.push_str(",\"bids\":");
        push_side(&mut out, &self.bids, limit);
        out.push_str(",\"asks\":");
        push_side(&mut out, &self.asks, limit);
        out.push('}');
        out
    }
}

fn push_side(out: &mut String, levels: &[BookLevel], limit: usize) {
    out.push('[');
    for (index, level) in levels.iter().take(limit).enumerate() {
        out.push_str(if index == 0 { "[\"" } else { ",[\"" });
        push_fixed8(out, level.price_e8);
        out.push_str("\",\"");
        push_fixed8(out, level.quantity_e8);
        out.push_str("\"]");
    }
    out.push(']');
}

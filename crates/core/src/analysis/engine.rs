//! The analysis, kept up to date from cycle to cycle.

use chrono::{DateTime, Utc};

use crate::analysis::Params;
use crate::model::report::{DataHonesty, MarketContext, MarketReport};
use crate::model::{DepthSnapshot, MinuteFootprint};
use crate::symbol::Symbol;

/// Takes snapshots and minutes as they come and reports on the newest of them.
///
/// A report equals, byte for byte, the one a fresh engine gives that was fed the same data in any order.
#[derive(Debug, Clone)]
pub struct Engine {
    symbol: Symbol,
    params: Params,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(symbol: Symbol, params: Params) -> Self {
        Self { symbol, params }
    }

    /// The settings it was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Takes one snapshot; one already taken changes nothing.
    pub fn push_snapshot(&mut self, _snapshot: &DepthSnapshot) {}

    /// Takes one minute, or takes it again in place of the earlier one.
    pub fn put_minute(&mut self, _minute: &MinuteFootprint) {}

    /// Drops what is outside the windows at `now` and reports on the rest.
    pub fn report(&mut self, now: DateTime<Utc>) -> MarketReport {
        MarketReport {
            timestamp: now,
            symbol: self.symbol.clone(),
            support_levels: Vec::new(),
            resistance_levels: Vec::new(),
            poc_levels: Vec::new(),
            liquidity_vacuum_zones: Vec::new(),
            resonance_zones: Vec::new(),
            resonance: Vec::new(),
            density_zones: Vec::new(),
            vacuum_ranges: Vec::new(),
            value_area: None,
            high_volume_nodes: Vec::new(),
            low_volume_nodes: Vec::new(),
            flow_deltas: Vec::new(),
            stacked_imbalances: Vec::new(),
            poc_confirmation: None,
            context: MarketContext::default(),
            data_honesty: DataHonesty::default(),
        }
    }
}

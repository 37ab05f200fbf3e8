//! From recorded market data to what can be concluded from them.
//!
//! [`analyze`] is a function of its input alone: no clock, no randomness, no I/O; the same input gives the
//! same bytes. [`Engine`] is the same computation kept up to date from cycle to cycle. [`rules`] turns a
//! report into advice without a model. Definitions, formulas and measured precision are in
//! `docs/analysis.md`.
//!
//! ```text
//! snapshots -> book -> walls, zones, context \
//!                                             resonance -> report -> rules
//! minutes -> window -> profile, tests, flow  /
//! ```

mod book;
mod context;
mod density;
mod engine;
mod episodes;
mod evidence;
mod honesty;
mod imbalance;
mod kept;
mod levels;
mod life;
mod nodes;
mod pages;
mod params;
mod posterior;
mod profile;
mod quotes;
mod resonance;
mod rows;
pub mod rules;
mod tape;
mod units;
mod vacuum;
mod walls;
mod window;
mod zones;

use chrono::{DateTime, Utc};

pub use engine::Engine;
pub use params::Params;

use crate::model::report::MarketReport;
use crate::model::{DepthSnapshot, MinuteFootprint};
use crate::symbol::Symbol;

/// What one analysis looks at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The market; snapshots of another one are left out and the report says so.
    pub symbol: &'a Symbol,
    /// The moment the report speaks of, by the local clock.
    pub now: DateTime<Utc>,
    /// Snapshots in any order; those beyond the newest `depth_window` are left out.
    pub depth: &'a [DepthSnapshot],
    /// Minutes in any order; those outside the profile window are left out. Of a minute given twice the
    /// last one counts.
    pub minutes: &'a [MinuteFootprint],
}

/// Analyses everything from scratch. Never fails: what is missing or broken is named in the report.
pub fn analyze(input: &Input<'_>, params: &Params) -> MarketReport {
    let mut engine = Engine::new(input.symbol.clone(), params.clone());
    for snapshot in input.depth {
        engine.push_snapshot(snapshot);
    }
    for minute in input.minutes {
        engine.put_minute(minute);
    }
    engine.report(input.now)
}

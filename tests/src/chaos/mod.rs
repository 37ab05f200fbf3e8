//! Seeded chaos: a real collector and a real Redis in a world that goes wrong, compared with the truth.
//!
//! ```text
//! seed ── plan (draw, fault) ── director ── world: exchange, proxy, redis, storage, crew of collectors
//!                                             │
//!                     reader: the window, all the while      oracle: window and storage, at the end
//! ```
//!
//! What must stay true: a seed gives one schedule; every difference is a bug of the collector, of the
//! simulator or of this module, never bad luck; nothing here knows how the collector works.

mod crew;
mod director;
mod draw;
mod fault;
mod judge;
mod keep;
mod plan;
mod reader;
mod run;
mod summary;

pub use fault::{Act, Which};
pub use plan::{Plan, Step};
pub use run::{Outcome, run_seed};
pub use summary::{Summary, default_keep, run_seeds};

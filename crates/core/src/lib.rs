//! What the two daemons share.
//!
//! Reading order: [`num`], [`symbol`] and [`time`] are the vocabulary; [`model`] holds what is recorded
//! and what is concluded; [`analysis`] turns the first into the second; [`store`] and [`archive`] keep
//! both; [`config`], [`telemetry`] and [`lifecycle`] make a program of it.
//!
//! ```text
//! exchange -> data-collector -> store (Redis), archive (files) -> analyzer -> recommendation log
//!                    \_______________ model, num, symbol, time ______________/
//! ```
//!
//! What must stay true:
//! - `num`, `symbol`, `model` and `analysis` are pure: no I/O, no clock, no randomness, no environment.
//! - Prices and quantities are exact decimals from the exchange's text to the stored JSON number.
//! - Time in the model is the exchange's; the local clock is only read through [`time::Clock`].

pub mod analysis;
pub mod archive;
pub mod backoff;
pub mod config;
pub mod degraded;
pub mod json;
pub mod language;
pub mod lifecycle;
pub mod liveness;
pub mod metrics;
pub mod model;
pub mod num;
pub mod program;
pub mod pulse;
pub mod rotating_file;
pub mod scan;
pub mod store;
pub mod symbol;
pub mod telemetry;
pub mod time;
pub mod visible;

//! A Binance-like exchange and a DeepSeek-like model for tests and demonstrations, with known truth.
//!
//! ```text
//! tape (generated) \                         / REST server
//!                   market -> exchange -----<
//! replay (recorded)/     \                   \ stream server <- faults
//!                         truth
//! ```
//!
//! What must stay true: one seed gives one market; every minute of it is known without the rest, so that
//! [`truth`] needs no recording of what was sent; everything listens on loopback only.

pub mod amount;
pub mod book;
pub mod cli;
pub mod clock;
pub mod exchange;
pub mod faults;
mod http;
pub mod market;
pub mod model;
pub mod proxy;
pub mod redis;
pub mod replay;
mod rng;
pub mod stats;
pub mod tape;
mod tasks;
pub mod trade;
pub mod truth;
pub mod wait;

//! What is recorded of the market.
//!
//! The types here are valid by construction and know nothing of wire formats, Redis or files.

mod depth;
mod footprint;
mod trade;

pub use depth::{DepthError, DepthLevel, DepthSnapshot};
pub use footprint::{BucketFlow, MinuteFootprint, TradeIds};
pub use trade::{AggTrade, Aggressor, IdRange};

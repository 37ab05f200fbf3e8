//! What is recorded of the market, and what is concluded from it.
//!
//! The types here are valid by construction and know nothing of wire formats, Redis or files.

pub mod advice;
mod depth;
mod footprint;
pub mod report;
mod trade;

pub(crate) use depth::MAX_LEVELS;
pub use depth::{DepthError, DepthLevel, DepthSnapshot};
pub use footprint::{BucketFlow, MinuteFootprint, MinuteRows, TradeIds};
pub use trade::{AggTrade, Aggressor, IdRange};

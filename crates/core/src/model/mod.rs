//! What is recorded of the market, and what is concluded from it.
//!
//! The types here are valid by construction and know nothing of wire formats, Redis or files.

pub mod advice;
mod depth;
mod footprint;
pub mod report;
mod trade;

pub use depth::{DepthError, DepthLevel, DepthSnapshot};
pub use footprint::{BucketFlow, MinuteFootprint, TradeIds};
pub use trade::{AggTrade, Aggressor, IdRange};

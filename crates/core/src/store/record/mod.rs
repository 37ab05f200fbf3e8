//! The JSON documents of the Redis layout and of `storage/`, and their conversion to and from the model.
//!
//! Writing is strict, reading is lenient where older programs wrote something else: a document without
//! ids or completeness is read as incomplete, and float noise is rounded away. A document as it is written here is
//! read from left to right ([`crate::scan`]), any other with `serde_json`, to the same value.

mod depth;
mod minute;

use chrono::{DateTime, Utc};

pub use self::depth::{decode_depth, encode_depth};
pub use self::minute::{decode_minute, decode_rows, encode_minute, encode_minute_pretty};
use crate::model::DepthError;
use crate::num::NumError;
use crate::scan::Scanner;

/// Why a stored document cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not JSON of the expected shape.
    #[error("not a document of the layout")]
    Json(#[from] serde_json::Error),
    /// A book that cannot be true.
    #[error("not a valid order book")]
    Depth(#[from] DepthError),
    /// An amount that cannot be true.
    #[error("not a valid amount")]
    Amount(#[from] NumError),
}

/// A time as it is written here.
fn scan_time(scan: &mut Scanner<'_>) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(scan.string()?).ok()?;
    Some(at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;

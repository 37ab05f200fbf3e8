//! One element of `depth_snapshot_5000`.

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::{RecordError, scan_time};
use crate::json;
use crate::model::{DepthLevel, DepthSnapshot, MAX_LEVELS};
use crate::num::{Price, Quantity};
use crate::scan::Scanner;
use crate::symbol::Symbol;
use crate::time::rfc3339;

/// A book without its levels, which stand behind it.
#[derive(Serialize)]
struct DepthHead<'a> {
    symbol: &'a Symbol,
    #[serde(with = "rfc3339")]
    timestamp: DateTime<Utc>,
    last_update_id: u64,
}

/// Bytes of a level, usually.
const LEVEL_BYTES: usize = 24;

/// One element of `depth_snapshot_5000`.
///
/// # Errors
/// When the head cannot be written, which a valid snapshot does not have.
pub fn encode_depth(snapshot: &DepthSnapshot) -> serde_json::Result<String> {
    let (bids, asks) = (snapshot.bids(), snapshot.asks());
    let head = json::to_string(&DepthHead {
        symbol: snapshot.symbol(),
        timestamp: snapshot.received_at(),
        last_update_id: snapshot.last_update_id(),
    })?;
    let mut text = Vec::with_capacity(head.len() + (bids.len() + asks.len() + 4) * LEVEL_BYTES);
    text.extend_from_slice(head.trim_end_matches('}').as_bytes());
    push_levels(&mut text, ",\"bids\":[", bids);
    push_levels(&mut text, ",\"asks\":[", asks);
    text.push(b'}');
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

fn push_levels(text: &mut Vec<u8>, name: &str, levels: &[DepthLevel]) {
    text.extend_from_slice(name.as_bytes());
    for (index, level) in levels.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.push(b'[');
        level.price.push_to(text);
        text.push(b',');
        level.quantity.push_to(text);
        text.push(b']');
    }
    text.push(b']');
}

#[derive(DeriveDeserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct StoredDepth {
    symbol: Symbol,
    #[serde(with = "rfc3339")]
    timestamp: DateTime<Utc>,
    last_update_id: u64,
    #[serde(deserialize_with = "read_levels")]
    bids: Vec<DepthLevel>,
    #[serde(deserialize_with = "read_levels")]
    asks: Vec<DepthLevel>,
}

fn read_levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DepthLevel>, D::Error> {
    let rows = Vec::<(Price, Quantity)>::deserialize(deserializer)?;
    let level = |(price, quantity)| DepthLevel { price, quantity };
    Ok(rows.into_iter().map(level).collect())
}

impl StoredDepth {
    /// Reads what [`encode_depth`] writes.
    pub(super) fn scan(document: &[u8]) -> Option<Self> {
        let mut scan = Scanner::new(document);
        scan.pass("{\"symbol\":")?;
        let symbol = Symbol::new(scan.string()?).ok()?;
        scan.pass(",\"timestamp\":")?;
        let timestamp = scan_time(&mut scan)?;
        scan.pass(",\"last_update_id\":")?;
        let last_update_id = scan.unsigned()?;
        scan.pass(",\"bids\":")?;
        let bids = scan_levels(&mut scan)?;
        scan.pass(",\"asks\":")?;
        let asks = scan_levels(&mut scan)?;
        scan.pass("}")?;
        scan.end()?;
        Some(Self {
            symbol,
            timestamp,
            last_update_id,
            bids,
            asks,
        })
    }
}

fn scan_levels(scan: &mut Scanner<'_>) -> Option<Vec<DepthLevel>> {
    if scan.passes("[]") {
        return Some(Vec::new());
    }
    scan.pass("[[")?;
    // Room for all at once, so that they are not moved while they come; levels rarely are half as long as usual.
    let mut levels = Vec::with_capacity((scan.left() * 2 / LEVEL_BYTES).min(MAX_LEVELS));
    loop {
        let price = Price::scan(scan)?;
        scan.pass(",")?;
        let quantity = Quantity::scan(scan)?;
        scan.pass("]")?;
        levels.push(DepthLevel { price, quantity });
        if !scan.passes(",[") {
            break;
        }
    }
    scan.pass("]")?;
    Some(levels)
}

/// Reads one element of `depth_snapshot_5000`.
///
/// # Errors
/// [`RecordError`].
pub fn decode_depth(document: impl AsRef<[u8]>) -> Result<DepthSnapshot, RecordError> {
    let document = document.as_ref();
    let stored = match StoredDepth::scan(document) {
        Some(stored) => stored,
        None => serde_json::from_slice(document)?,
    };
    Ok(DepthSnapshot::new(
        stored.symbol,
        stored.timestamp,
        stored.last_update_id,
        stored.bids,
        stored.asks,
    )?)
}

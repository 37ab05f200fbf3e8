//! One element of `trades_window`, one file of `storage/`.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;

use super::{RecordError, scan_time};
use crate::json;
use crate::model::{BucketFlow, IdRange, MinuteFootprint, MinuteRows};
use crate::num::{NumError, PriceBucket, Quantity, json_number, parse_decimal};
use crate::scan::Scanner;
use crate::symbol::Symbol;
use crate::time::Minute;

/// Decimal places kept when an older document holds float noise.
const OLD_DECIMAL_PLACES: u32 = 8;

/// Bytes of a bucket, at least.
const SHORTEST_BUCKET: usize =
    r#""1":{"price_level":1,"buy_volume":0,"sell_volume":1,"total_volume":1,"delta":1,"trade_count":1},"#
        .len();

#[derive(Serialize)]
struct MinuteRecord<'a> {
    timestamp: Minute,
    symbol: &'a Symbol,
    #[serde(serialize_with = "write_buckets")]
    price_levels: &'a BTreeMap<PriceBucket, BucketFlow>,
    first_trade_id: Option<u64>,
    last_trade_id: Option<u64>,
    trade_count: u64,
    complete: bool,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_levels: u64,
    #[serde(skip_serializing_if = "is_nothing")]
    dropped_volume: Quantity,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    permanent_holes: Vec<(u64, u64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_nothing(quantity: &Quantity) -> bool {
    *quantity == Quantity::ZERO
}

#[derive(Serialize)]
struct BucketRecord {
    #[serde(with = "json_number")]
    price_level: Decimal,
    buy_volume: Quantity,
    sell_volume: Quantity,
    #[serde(with = "json_number")]
    total_volume: Decimal,
    #[serde(with = "json_number")]
    delta: Decimal,
    trade_count: u64,
}

fn write_buckets<S: Serializer>(
    buckets: &BTreeMap<PriceBucket, BucketFlow>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(buckets.len()))?;
    for (bucket, flow) in buckets {
        let record = BucketRecord {
            price_level: bucket.low(),
            buy_volume: flow.buy_volume,
            sell_volume: flow.sell_volume,
            total_volume: flow.total_volume(),
            delta: flow.delta(),
            trade_count: flow.trade_count,
        };
        map.serialize_entry(&bucket.to_string(), &record)?;
    }
    map.end()
}

fn minute_record<'a>(symbol: &'a Symbol, minute: &'a MinuteFootprint) -> MinuteRecord<'a> {
    MinuteRecord {
        timestamp: minute.minute,
        symbol,
        price_levels: &minute.levels,
        first_trade_id: minute.trade_ids.map(|ids| ids.first),
        last_trade_id: minute.trade_ids.map(|ids| ids.last),
        trade_count: minute.trade_count,
        complete: minute.complete,
        dropped_levels: minute.dropped_levels,
        dropped_volume: minute.dropped_volume,
        permanent_holes: minute
            .permanent_holes
            .iter()
            .map(|hole| (hole.first, hole.last))
            .collect(),
    }
}

/// One element of `trades_window`.
///
/// # Errors
/// When a sum cannot be written exactly.
pub fn encode_minute(symbol: &Symbol, minute: &MinuteFootprint) -> serde_json::Result<String> {
    json::to_string(&minute_record(symbol, minute))
}

/// The same document as a file of `storage/` holds it.
///
/// # Errors
/// As [`encode_minute`].
pub fn encode_minute_pretty(symbol: &Symbol, minute: &MinuteFootprint) -> serde_json::Result<String> {
    json::to_string_pretty(&minute_record(symbol, minute))
}

#[derive(DeriveDeserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct StoredMinute {
    timestamp: Minute,
    #[serde(default)]
    symbol: Option<Symbol>,
    price_levels: StoredBuckets,
    #[serde(default)]
    first_trade_id: Option<u64>,
    #[serde(default)]
    last_trade_id: Option<u64>,
    #[serde(default)]
    trade_count: Option<u64>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    dropped_levels: u64,
    #[serde(default)]
    dropped_volume: Option<LenientNumber>,
    #[serde(default)]
    permanent_holes: Vec<(u64, u64)>,
}

impl StoredMinute {
    /// Reads what [`encode_minute`] writes of a minute that has all its levels and no holes.
    pub(super) fn scan(document: &[u8]) -> Option<Self> {
        let mut scan = Scanner::new(document);
        scan.pass("{\"timestamp\":")?;
        let at = scan_time(&mut scan)?;
        let timestamp = Minute::of(at).ok().filter(|minute| minute.start() == at)?;
        scan.pass(",\"symbol\":")?;
        let symbol = Symbol::new(scan.string()?).ok()?;
        scan.pass(",\"price_levels\":")?;
        let price_levels = StoredBuckets::scan(&mut scan)?;
        let (mut first_trade_id, mut last_trade_id) = (None, None);
        if !scan.passes(",\"first_trade_id\":null,\"last_trade_id\":null") {
            scan.pass(",\"first_trade_id\":")?;
            first_trade_id = Some(scan.unsigned()?);
            scan.pass(",\"last_trade_id\":")?;
            last_trade_id = Some(scan.unsigned()?);
        }
        scan.pass(",\"trade_count\":")?;
        let trade_count = scan.unsigned()?;
        scan.pass(",\"complete\":")?;
        let complete = scan.boolean()?;
        scan.pass("}")?;
        scan.end()?;
        Some(Self {
            timestamp,
            symbol: Some(symbol),
            price_levels,
            first_trade_id,
            last_trade_id,
            trade_count: Some(trade_count),
            complete,
            dropped_levels: 0,
            dropped_volume: None,
            permanent_holes: Vec::new(),
        })
    }
}

impl StoredBuckets {
    fn scan(scan: &mut Scanner<'_>) -> Option<Self> {
        scan.pass("{")?;
        if scan.passes("}") {
            return Some(Self(Vec::new()));
        }
        let mut buckets: Vec<(PriceBucket, BucketFlow)> = Vec::with_capacity(scan.left() / SHORTEST_BUCKET);
        loop {
            // The key repeats the price level.
            scan.string()?;
            scan.pass(":{\"price_level\":")?;
            let bucket = PriceBucket::scan(scan)?;
            scan.pass(",\"buy_volume\":")?;
            let buy_volume = Quantity::scan(scan)?;
            scan.pass(",\"sell_volume\":")?;
            let sell_volume = Quantity::scan(scan)?;
            scan.pass(",\"total_volume\":")?;
            scan.skip_number()?;
            scan.pass(",\"delta\":")?;
            scan.skip_number()?;
            scan.pass(",\"trade_count\":")?;
            let trade_count = scan.unsigned()?;
            scan.pass("}")?;
            if buckets.last().is_some_and(|(last, _)| *last >= bucket) {
                return None;
            }
            buckets.push((
                bucket,
                BucketFlow {
                    buy_volume,
                    sell_volume,
                    trade_count,
                },
            ));
            if !scan.passes(",") {
                break;
            }
        }
        scan.pass("}")?;
        Some(Self(buckets))
    }
}

impl StoredMinute {
    /// Reads a document and checks what its fields say of each other.
    fn read(document: &[u8]) -> Result<Self, RecordError> {
        let stored = match Self::scan(document) {
            Some(stored) => stored,
            None => serde_json::from_slice(document)?,
        };
        match (stored.first_trade_id, stored.last_trade_id) {
            (Some(first), Some(last)) if first <= last => {}
            (None, None) => {}
            _ => return Err(serde_json::Error::custom("first_trade_id and last_trade_id do not fit").into()),
        }
        if stored.counted().is_none() {
            return Err(serde_json::Error::custom("the trade counts have no sum").into());
        }
        stored.dropped_volume()?;
        Ok(stored)
    }

    /// Trades of all levels.
    fn counted(&self) -> Option<u64> {
        let mut counts = self.price_levels.0.iter().map(|(_, flow)| flow.trade_count);
        counts.try_fold(0, u64::checked_add)
    }

    fn dropped_volume(&self) -> Result<Quantity, NumError> {
        let dropped = self.dropped_volume.as_ref();
        dropped.map_or(Ok(Quantity::ZERO), |number| Quantity::new(number.0))
    }
}

/// Reads one element of `trades_window` or one file of `storage/`, and the market it names.
///
/// # Errors
/// [`RecordError`].
pub fn decode_minute(document: impl AsRef<[u8]>) -> Result<(Option<Symbol>, MinuteFootprint), RecordError> {
    let stored = StoredMinute::read(document.as_ref())?;
    let ids = stored.first_trade_id.zip(stored.last_trade_id);
    let counted = stored.counted().unwrap_or_default();
    let footprint = MinuteFootprint {
        minute: stored.timestamp,
        trade_ids: ids.map(|(first, last)| IdRange { first, last }),
        trade_count: stored.trade_count.unwrap_or(counted),
        complete: stored.complete,
        dropped_levels: stored.dropped_levels,
        dropped_volume: stored.dropped_volume()?,
        permanent_holes: stored
            .permanent_holes
            .into_iter()
            .map(|(first, last)| IdRange { first, last })
            .collect(),
        // In order already, which makes it cheap.
        levels: stored.price_levels.0.into_iter().collect(),
    };
    Ok((stored.symbol, footprint))
}

/// Reads what the analysis needs of a document that [`decode_minute`] reads, and refuses what that refuses.
///
/// # Errors
/// [`RecordError`].
pub fn decode_rows(document: impl AsRef<[u8]>) -> Result<(Option<Symbol>, MinuteRows), RecordError> {
    let stored = StoredMinute::read(document.as_ref())?;
    let rows = MinuteRows {
        minute: stored.timestamp,
        levels: stored.price_levels.0,
        complete: stored.complete,
        dropped_levels: stored.dropped_levels,
    };
    Ok((stored.symbol, rows))
}

/// A number from its text; one with more digits than an amount may have is rounded to eight decimals.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct LenientNumber(Decimal);

impl<'de> Deserialize<'de> for LenientNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        match parse_decimal(raw.get()) {
            Err(NumError::TooManyDigits(value)) => Ok(Self(value.round_dp(OLD_DECIMAL_PLACES))),
            parsed => parsed.map(Self).map_err(D::Error::custom),
        }
    }
}

#[derive(DeriveDeserialize)]
struct StoredBucket {
    price_level: LenientNumber,
    buy_volume: LenientNumber,
    sell_volume: LenientNumber,
    #[serde(default)]
    trade_count: u64,
}

/// The buckets of a stored minute, lowest first. Totals and deltas follow from the two volumes and are not read.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct StoredBuckets(Vec<(PriceBucket, BucketFlow)>);

impl<'de> Deserialize<'de> for StoredBuckets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BucketsVisitor)
    }
}

struct BucketsVisitor;

impl<'de> Visitor<'de> for BucketsVisitor {
    type Value = StoredBuckets;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of price levels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredBuckets, A::Error> {
        let mut buckets = BTreeMap::new();
        while let Some((_, stored)) = map.next_entry::<serde::de::IgnoredAny, StoredBucket>()? {
            let bucket = PriceBucket::new(stored.price_level.0).map_err(A::Error::custom)?;
            let flow = BucketFlow {
                buy_volume: Quantity::new(stored.buy_volume.0).map_err(A::Error::custom)?,
                sell_volume: Quantity::new(stored.sell_volume.0).map_err(A::Error::custom)?,
                trade_count: stored.trade_count,
            };
            if buckets.insert(bucket, flow).is_some() {
                return Err(A::Error::custom(format_args!(
                    "price level {bucket} stands twice"
                )));
            }
        }
        Ok(StoredBuckets(buckets.into_iter().collect()))
    }
}

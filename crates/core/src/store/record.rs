//! The JSON documents of the Redis layout and of `storage/`, and their conversion to and from the model.
//!
//! Writing is strict, reading is lenient where older programs wrote something else: a document without
//! ids or completeness is read as incomplete, and float noise is rounded away.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;
use crate::model::{BucketFlow, DepthError, DepthLevel, DepthSnapshot, IdRange, MinuteFootprint};
use crate::num::{NumError, Price, PriceBucket, Quantity, json_number, parse_decimal};
use crate::scan::Scanner;
use crate::symbol::Symbol;
use crate::time::{Minute, rfc3339};

/// Decimal places kept when an older document holds float noise.
const OLD_DECIMAL_PLACES: u32 = 8;

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
    let mut text = String::with_capacity(head.len() + (bids.len() + asks.len() + 4) * LEVEL_BYTES);
    text.push_str(head.trim_end_matches('}'));
    push_levels(&mut text, ",\"bids\":[", bids);
    push_levels(&mut text, ",\"asks\":[", asks);
    text.push('}');
    Ok(text)
}

fn push_levels(text: &mut String, name: &str, levels: &[DepthLevel]) {
    text.push_str(name);
    for (index, level) in levels.iter().enumerate() {
        text.push_str(if index == 0 { "[" } else { ",[" });
        level.price.push_to(text);
        text.push(',');
        level.quantity.push_to(text);
        text.push(']');
    }
    text.push(']');
}

#[derive(DeriveDeserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
struct StoredDepth {
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
    fn scan(text: &str) -> Option<Self> {
        let mut scan = Scanner::new(text);
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

fn scan_time(scan: &mut Scanner<'_>) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(scan.string()?).ok()?;
    Some(at.with_timezone(&Utc))
}

fn scan_levels(scan: &mut Scanner<'_>) -> Option<Vec<DepthLevel>> {
    let mut levels = Vec::new();
    if scan.passes("[]") {
        return Some(levels);
    }
    scan.pass("[[")?;
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
pub fn decode_depth(text: &str) -> Result<DepthSnapshot, RecordError> {
    let stored = match StoredDepth::scan(text) {
        Some(stored) => stored,
        None => serde_json::from_str(text)?,
    };
    Ok(DepthSnapshot::new(
        stored.symbol,
        stored.timestamp,
        stored.last_update_id,
        stored.bids,
        stored.asks,
    )?)
}

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
struct StoredMinute {
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
    fn scan(text: &str) -> Option<Self> {
        let mut scan = Scanner::new(text);
        scan.pass("{\"timestamp\":")?;
        let at = scan_time(&mut scan)?;
        let timestamp = Minute::of(at).ok().filter(|minute| minute.start() == at)?;
        scan.pass(",\"symbol\":")?;
        let symbol = Symbol::new(scan.string()?).ok()?;
        scan.pass(",\"price_levels\":")?;
        let price_levels = StoredBuckets::scan(&mut scan)?;
        scan.pass(",\"first_trade_id\":")?;
        let first_trade_id = scan_id(&mut scan)?;
        scan.pass(",\"last_trade_id\":")?;
        let last_trade_id = scan_id(&mut scan)?;
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

/// An id or `null`.
fn scan_id(scan: &mut Scanner<'_>) -> Option<Option<u64>> {
    if scan.passes("null") {
        Some(None)
    } else {
        scan.unsigned().map(Some)
    }
}

impl StoredBuckets {
    fn scan(scan: &mut Scanner<'_>) -> Option<Self> {
        scan.pass("{")?;
        if scan.passes("}") {
            return Some(Self(BTreeMap::new()));
        }
        let mut buckets: Vec<(PriceBucket, BucketFlow)> = Vec::new();
        loop {
            // The key repeats the price level.
            scan.string()?;
            scan.pass(":{\"price_level\":")?;
            let bucket = PriceBucket::new(scan.decimal()?).ok()?;
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
        // In order already, which makes it cheap.
        Some(Self(buckets.into_iter().collect()))
    }
}

/// Reads one element of `trades_window` or one file of `storage/`, and the market it names.
///
/// # Errors
/// [`RecordError`].
pub fn decode_minute(text: &str) -> Result<(Option<Symbol>, MinuteFootprint), RecordError> {
    let stored = match StoredMinute::scan(text) {
        Some(stored) => stored,
        None => serde_json::from_str(text)?,
    };
    let levels = stored.price_levels.0;
    let trade_ids = match (stored.first_trade_id, stored.last_trade_id) {
        (Some(first), Some(last)) if first <= last => Some(IdRange { first, last }),
        (None, None) => None,
        _ => return Err(serde_json::Error::custom("first_trade_id and last_trade_id do not fit").into()),
    };
    let mut counts = levels.values().map(|flow| flow.trade_count);
    let counted = counts
        .try_fold(0_u64, u64::checked_add)
        .ok_or_else(|| serde_json::Error::custom("the trade counts have no sum"))?;
    let holes = stored
        .permanent_holes
        .into_iter()
        .map(|(first, last)| IdRange { first, last })
        .collect();
    let footprint = MinuteFootprint {
        minute: stored.timestamp,
        levels,
        trade_ids,
        trade_count: stored.trade_count.unwrap_or(counted),
        complete: stored.complete,
        dropped_levels: stored.dropped_levels,
        dropped_volume: stored
            .dropped_volume
            .map_or(Ok(Quantity::ZERO), |number| Quantity::new(number.0))?,
        permanent_holes: holes,
    };
    Ok((stored.symbol, footprint))
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

/// The buckets of a stored minute. Totals and deltas follow from the two volumes and are not read.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct StoredBuckets(BTreeMap<PriceBucket, BucketFlow>);

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
        Ok(StoredBuckets(buckets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AggTrade, Aggressor};
    use crate::num::BucketWidth;
    use proptest::prelude::*;

    fn symbol() -> Symbol {
        Symbol::new("BTCFDUSD").unwrap()
    }

    fn trade(id: u64, price: &str, quantity: &str, aggressor: Aggressor) -> AggTrade {
        let (price, quantity) = (Price::parse(price).unwrap(), Quantity::parse(quantity).unwrap());
        AggTrade {
            id,
            price,
            quantity,
            traded_at: 0,
            aggressor,
        }
    }

    #[test]
    fn a_minute_reads_as_the_layout_says() {
        let minute = Minute::from_number(29_396_534).unwrap();
        let mut footprint = MinuteFootprint::empty(minute, true);
        for trade in [
            trade(300_192_502, "110176.83", "0.06", Aggressor::Buyer),
            trade(300_192_503, "110176.10", "0.001", Aggressor::Buyer),
            trade(300_192_504, "110176.00", "0.05", Aggressor::Seller),
        ] {
            footprint.add(&trade, BucketWidth::ONE).unwrap();
        }
        let text = encode_minute(&symbol(), &footprint).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"timestamp":"2025-11-22T06:14:00+00:00","symbol":"BTCFDUSD","price_levels":{"110176":"#,
                r#"{"price_level":110176,"buy_volume":0.061,"sell_volume":0.05,"total_volume":0.111,"#,
                r#""delta":0.011,"trade_count":3}},"first_trade_id":300192502,"last_trade_id":300192504,"#,
                r#""trade_count":3,"complete":true}"#
            )
        );
        assert_eq!(decode_minute(&text).unwrap(), (Some(symbol()), footprint));
    }

    #[test]
    fn counts_without_a_sum_are_refused() {
        let level = |price: u32| {
            format!(
                r#""{price}":{{"price_level":{price},"buy_volume":1,"sell_volume":1,"trade_count":{}}}"#,
                u64::MAX
            )
        };
        let text = format!(
            r#"{{"timestamp":"2026-11-22T06:14:00+00:00","price_levels":{{{},{}}}}}"#,
            level(1),
            level(2)
        );
        assert!(decode_minute(&text).is_err(), "{text}");
    }

    #[test]
    fn a_minute_without_trades_has_no_ids() {
        let minute = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), true);
        let text = encode_minute(&symbol(), &minute).unwrap();
        assert!(
            text.contains(r#""price_levels":{},"first_trade_id":null,"last_trade_id":null,"trade_count":0"#)
        );
        assert_eq!(decode_minute(&text).unwrap().1, minute);
    }

    #[test]
    fn float_noise_of_older_documents_is_rounded_away() {
        let text = r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"111495":{"price_level":111495.0,
            "buy_volume":0.30000000000000004,"sell_volume":5e-05,"total_volume":0.3,"delta":0.3,"trade_count":2}}}"#;
        let (symbol, minute) = decode_minute(text).unwrap();
        let flow = minute.levels.values().next().unwrap();
        assert_eq!((symbol, minute.complete, minute.trade_count), (None, false, 2));
        assert_eq!(flow.buy_volume, Quantity::parse("0.3").unwrap());
        assert_eq!(flow.sell_volume, Quantity::parse("0.00005").unwrap());
    }

    #[test]
    fn what_is_not_a_minute_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"timestamp":"2025-10-26T00:24:40.544939","price_levels":{}}"#,
            r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"1":{"price_level":1,"buy_volume":-1,"sell_volume":0}}}"#,
            r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"1":{"price_level":1,"buy_volume":"1","sell_volume":0}}}"#,
            r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{},"first_trade_id":5,"last_trade_id":4}"#,
        ] {
            assert!(decode_minute(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_minute_survives_redis_and_file(
            trades in prop::collection::vec((1_u32..50_000_000, 1_u64..10_000_000_000, any::<bool>()), 0..60),
            complete in any::<bool>(),
            holes in prop::collection::vec((1_u64..100, 0_u64..9), 0..3),
        ) {
            let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), complete);
            for (id, (cents, units, maker)) in trades.into_iter().enumerate() {
                let price = Price::new(Decimal::new(i64::from(cents), 2)).unwrap();
                let quantity = Quantity::new(Decimal::new(i64::try_from(units).unwrap(), 8)).unwrap();
                let aggressor = Aggressor::from_buyer_is_maker(maker);
                let trade = AggTrade { id: id as u64, price, quantity, traded_at: 0, aggressor };
                footprint.add(&trade, BucketWidth::ONE).unwrap();
            }
            footprint.permanent_holes =
                holes.into_iter().map(|(first, more)| IdRange { first, last: first + more }).collect();
            let compact = encode_minute(&symbol(), &footprint).unwrap();
            let pretty = encode_minute_pretty(&symbol(), &footprint).unwrap();
            let usual = footprint.permanent_holes.is_empty();
            prop_assert_eq!(StoredMinute::scan(&compact).is_some(), usual);
            prop_assert_eq!(&decode_minute(&compact).unwrap().1, &footprint);
            prop_assert_eq!(&decode_minute(&pretty).unwrap().1, &footprint);
        }

        #[test]
        fn a_book_survives_redis(bids in 1_usize..50, asks in 0_usize..50, step in 1_i64..500) {
            let level = |cents: i64| DepthLevel {
                price: Price::new(Decimal::new(cents, 2)).unwrap(),
                quantity: Quantity::new(Decimal::new(cents % 977 + 1, 5)).unwrap(),
            };
            let bids = (0..bids).map(|row| level(10_000_000 - i64::try_from(row).unwrap() * step)).collect();
            let asks = (0..asks).map(|row| level(10_000_001 + i64::try_from(row).unwrap() * step)).collect();
            let at = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
            let book = DepthSnapshot::new(symbol(), at, 30_154_000_331, bids, asks).unwrap();
            let text = encode_depth(&book).unwrap();
            prop_assert!(StoredDepth::scan(&text).is_some());
            prop_assert_eq!(decode_depth(&text).unwrap(), book);
        }

        // Whatever the scanners take they read as serde does.
        #[test]
        fn a_changed_byte_is_read_as_before_or_not_at_all(at in 0_usize..600, byte in 0x20_u8..0x7f, cut in any::<bool>()) {
            let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), true);
            for (id, price) in [(7, "110176.83"), (8, "110178"), (9, "0.5")] {
                footprint.add(&trade(id, price, "0.061", Aggressor::Seller), BucketWidth::ONE).unwrap();
            }
            let level = |cents: i64| DepthLevel {
                price: Price::new(Decimal::new(cents, 2)).unwrap(),
                quantity: Quantity::new(Decimal::new(cents % 977 + 1, 5)).unwrap(),
            };
            let now = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
            let book = DepthSnapshot::new(symbol(), now, 7, vec![level(900), level(705)], vec![level(1005)]).unwrap();
            let change = |text: String| {
                let mut bytes = text.into_bytes();
                let at = at % bytes.len();
                if cut { bytes.drain(at..=at); } else { bytes[at] = byte; }
                String::from_utf8(bytes).unwrap()
            };
            let minute = change(encode_minute(&symbol(), &footprint).unwrap());
            if let Some(scanned) = StoredMinute::scan(&minute) {
                prop_assert_eq!(scanned, serde_json::from_str(&minute).unwrap(), "{}", minute);
            }
            let book = change(encode_depth(&book).unwrap());
            if let Some(scanned) = StoredDepth::scan(&book) {
                prop_assert_eq!(scanned, serde_json::from_str(&book).unwrap(), "{}", book);
            }
        }

        #[test]
        fn reading_never_panics(text in ".{0,200}") {
            let _outcome = (decode_minute(&text), decode_depth(&text));
        }
    }
}

//! Recorded data, as the model types.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use chrono::{DateTime, NaiveDateTime, Utc};
use flate2::read::GzDecoder;
use rust_decimal::Decimal;
use strategy_core::model::{AggTrade, Aggressor, BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price, PriceBucket, Quantity, parse_decimal};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

fn read(name: &str) -> String {
    let path = format!("{}/../../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// A symbol that is known to be valid.
pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

/// When the recorded book was taken.
pub(crate) fn book_time() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_744_588_800_258).unwrap()
}

/// The recorded 5000-level book: bids and asks.
pub(crate) fn recorded_levels() -> (Vec<DepthLevel>, Vec<DepthLevel>) {
    let book = document("btcusdt_depth5000_20250414T000000Z.json.gz");
    (side(&book, "bids"), side(&book, "asks"))
}

/// A price and a quantity as the exchange writes them.
fn level(row: &serde_json::Value) -> DepthLevel {
    DepthLevel {
        price: Price::parse(row[0].as_str().unwrap()).unwrap(),
        quantity: Quantity::parse(row[1].as_str().unwrap()).unwrap(),
    }
}

/// One side of a depth answer.
pub(crate) fn side(document: &serde_json::Value, name: &str) -> Vec<DepthLevel> {
    document[name].as_array().unwrap().iter().map(level).collect()
}

/// A compressed JSON fixture.
pub(crate) fn document(name: &str) -> serde_json::Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// The recorded book as a snapshot.
pub(crate) fn recorded_book() -> DepthSnapshot {
    let (bids, asks) = recorded_levels();
    DepthSnapshot::new(symbol("BTCUSDT"), book_time(), 66_711_751_276, bids, asks).unwrap()
}

/// The recorded BTCFDUSD minutes, taken as complete.
pub(crate) fn recorded_minutes() -> Vec<MinuteFootprint> {
    let documents: Vec<serde_json::Value> =
        serde_json::from_str(&read("btcfdusd_minutes_20251026.json.gz")).unwrap();
    documents
        .iter()
        .map(|document| {
            let local: NaiveDateTime = document["timestamp"].as_str().unwrap().parse().unwrap();
            let at = local.and_utc() - chrono::Duration::hours(8);
            let mut minute = MinuteFootprint::empty(Minute::of(at).unwrap(), true);
            minute.levels = levels(&document["price_levels"]);
            minute.trade_count = minute.levels.values().map(|flow| flow.trade_count).sum();
            minute
        })
        .collect()
}

/// The recorded minutes moved in time and price, so that they end at the recorded book: they are of another market
/// and day.
pub(crate) fn moved_minutes() -> Vec<MinuteFootprint> {
    let end = Minute::of(book_time()).unwrap();
    (0_i64..)
        .zip(recorded_minutes())
        .map(|(number, minute)| {
            let mut moved = minute.clone();
            moved.minute = end.offset(number - 60);
            let lower = |bucket: PriceBucket| PriceBucket::new(bucket.low() - Decimal::from(27_860)).unwrap();
            moved.levels = minute
                .levels
                .into_iter()
                .map(|(bucket, flow)| (lower(bucket), flow))
                .collect();
            moved
        })
        .collect()
}

/// The captured BTCUSDT trades as minutes; the capture begins and ends within one, so none is complete.
pub(crate) fn captured_minutes() -> Vec<MinuteFootprint> {
    let mut minutes: BTreeMap<Minute, MinuteFootprint> = BTreeMap::new();
    for line in read("btcusdt_aggtrade_20210404.jsonl.gz").lines() {
        let (_, frame) = line.split_once(": ").unwrap();
        let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
        let trade = &frame["data"];
        let text = |name: &str| trade[name].as_str().unwrap();
        let traded_at = trade["T"].as_i64().unwrap();
        let minute = Minute::containing(traded_at).unwrap();
        let trade = AggTrade {
            id: trade["a"].as_u64().unwrap(),
            price: Price::parse(text("p")).unwrap(),
            quantity: Quantity::parse(text("q")).unwrap(),
            traded_at,
            aggressor: Aggressor::from_buyer_is_maker(trade["m"].as_bool().unwrap()),
        };
        let footprint = minutes.entry(minute);
        let footprint = footprint.or_insert_with(|| MinuteFootprint::empty(minute, false));
        footprint.add(&trade, BucketWidth::ONE).unwrap();
    }
    minutes.into_values().collect()
}

fn levels(rows: &serde_json::Value) -> BTreeMap<PriceBucket, BucketFlow> {
    let volume = |row: &serde_json::Value, name: &str| {
        Quantity::new(parse_decimal(&row[name].to_string()).unwrap()).unwrap()
    };
    rows.as_object()
        .unwrap()
        .iter()
        .map(|(price, row)| {
            let bucket = PriceBucket::new(price.parse::<Decimal>().unwrap()).unwrap();
            let flow = BucketFlow {
                buy_volume: volume(row, "buy_volume"),
                sell_volume: volume(row, "sell_volume"),
                trade_count: row["trade_count"].as_u64().unwrap(),
            };
            (bucket, flow)
        })
        .collect()
}

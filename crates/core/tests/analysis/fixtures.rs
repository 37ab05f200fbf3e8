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

fn side(document: &serde_json::Value, name: &str) -> Vec<DepthLevel> {
    document[name].as_array().unwrap().iter().map(level).collect()
}

fn document(name: &str) -> serde_json::Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// Bids and asks of every recorded BTCUSDT book, the one of 5000 levels first.
pub(crate) fn recorded_books() -> Vec<(Vec<DepthLevel>, Vec<DepthLevel>)> {
    let of = |book: &serde_json::Value| (side(book, "bids"), side(book, "asks"));
    vec![
        recorded_levels(),
        of(&document("btcusdt_depth1000_2020.json.gz")),
        of(&document("btcusdt_books_20210404.json.gz")["books"][0]),
        of(&document("btcusdt_capture_20240808.json.gz")["books"][0]),
    ]
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

/// Snapshots of a rebuilt capture, oldest first.
fn captured_books(name: &str, market: &str) -> Vec<DepthSnapshot> {
    let document = document(name);
    let books = document["books"].as_array().unwrap().iter();
    books
        .map(|book| {
            let at = DateTime::from_timestamp_millis(book["at"].as_i64().unwrap()).unwrap();
            let id = book["lastUpdateId"].as_u64().unwrap();
            DepthSnapshot::new(symbol(market), at, id, side(book, "bids"), side(book, "asks")).unwrap()
        })
        .collect()
}

/// Three BTCUSDT books of 2021-04-04, and with [`captured_minutes`] the trades of the same 91 seconds.
pub(crate) fn books_of_2021() -> Vec<DepthSnapshot> {
    captured_books("btcusdt_books_20210404.json.gz", "BTCUSDT")
}

/// Seven BTCUSDT books of 2024-08-08, a minute apart.
pub(crate) fn books_of_2024() -> Vec<DepthSnapshot> {
    captured_books("btcusdt_capture_20240808.json.gz", "BTCUSDT")
}

/// One book of a REST answer of limit 1000; `at` is not recorded for that of 2020, which is given a day.
pub(crate) fn book_of(name: &str, market: &str) -> DepthSnapshot {
    let book = document(name);
    let at = book["at"].as_i64().unwrap_or(1_606_780_800_000);
    let at = DateTime::from_timestamp_millis(at).unwrap();
    let id = book["lastUpdateId"].as_u64().unwrap();
    DepthSnapshot::new(symbol(market), at, id, side(&book, "bids"), side(&book, "asks")).unwrap()
}

/// Minutes of trades given as (id, price, quantity, time, buyer is maker). Those between the first and the last
/// are complete.
fn minutes_of(trades: impl Iterator<Item = (u64, String, String, i64, bool)>) -> Vec<MinuteFootprint> {
    let mut minutes: BTreeMap<Minute, MinuteFootprint> = BTreeMap::new();
    for (id, price, quantity, traded_at, maker) in trades {
        let minute = Minute::containing(traded_at).unwrap();
        let trade = AggTrade {
            id,
            price: Price::parse(&price).unwrap(),
            quantity: Quantity::parse(&quantity).unwrap(),
            traded_at,
            aggressor: Aggressor::from_buyer_is_maker(maker),
        };
        let footprint = minutes
            .entry(minute)
            .or_insert_with(|| MinuteFootprint::empty(minute, true));
        footprint.add(&trade, BucketWidth::ONE).unwrap();
    }
    let (first, last) = (
        *minutes.keys().next().unwrap(),
        *minutes.keys().next_back().unwrap(),
    );
    minutes
        .values_mut()
        .for_each(|minute| minute.complete = minute.minute != first && minute.minute != last);
    minutes.into_values().collect()
}

/// The single trades captured with [`books_of_2024`].
pub(crate) fn minutes_of_2024() -> Vec<MinuteFootprint> {
    let document = document("btcusdt_capture_20240808.json.gz");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    minutes_of(document["trades"].as_array().unwrap().iter().map(|row| {
        let (id, time) = (row[0].as_u64().unwrap(), row[3].as_i64().unwrap());
        (id, text(&row[1]), text(&row[2]), time, row[4].as_bool().unwrap())
    }))
}

/// A REST page of 1000 trades with the names of its fields: id, price, quantity, time, buyer is maker.
pub(crate) fn minutes_of_page(name: &str, fields: [&str; 5]) -> Vec<MinuteFootprint> {
    let document = document(name);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    minutes_of(document.as_array().unwrap().iter().map(|row| {
        let [id, price, quantity, time, maker] = fields.map(|field| &row[field]);
        let (id, time) = (id.as_u64().unwrap(), time.as_i64().unwrap());
        (id, text(price), text(quantity), time, maker.as_bool().unwrap())
    }))
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

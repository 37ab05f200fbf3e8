//! More recorded data: books of 1000 levels, a capture rebuilt minute by minute, pages of trades.

use std::collections::BTreeMap;

use chrono::DateTime;
use strategy_core::model::{AggTrade, Aggressor, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price, Quantity};
use strategy_core::time::Minute;

use crate::fixtures::{document, recorded_levels, side, symbol};

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
    for minute in minutes.values_mut() {
        minute.complete = minute.minute != first && minute.minute != last;
    }
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

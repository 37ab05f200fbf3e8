//! A made-up market, and what a cycle of the analyzer does with it apart from moving bytes.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use strategy_core::analysis::{Engine, Params};
use strategy_core::json;
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{Price, PriceBucket, Quantity};
use strategy_core::store::{decode_depth, decode_rows, encode_depth, encode_minute};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// Number of the first minute.
const START: i64 = 29_000_000;

pub(crate) fn symbol() -> Symbol {
    Symbol::new("BTCFDUSD").unwrap()
}

/// Five seconds after the end of a minute.
pub(crate) fn now(number: i64) -> DateTime<Utc> {
    DateTime::from_timestamp((START + number + 1) * 60, 0).unwrap() + Duration::seconds(5)
}

/// What Redis holds: books and minutes, oldest first.
pub(crate) struct Window {
    pub(crate) books: Vec<String>,
    pub(crate) minutes: Vec<String>,
}

/// So many minutes of so many rows, and the books of the last 60.
pub(crate) fn window(minutes: i64, rows: i64) -> Window {
    let first_book = (minutes - 60).max(0);
    let books = (first_book..minutes).map(|number| encode_depth(&snapshot(number)).unwrap());
    let stored = (0..minutes).map(|number| encode_minute(&symbol(), &minute(number, rows)).unwrap());
    Window {
        books: books.collect(),
        minutes: stored.collect(),
    }
}

/// An engine that has read it all.
#[inline(never)]
pub(crate) fn first_cycle(window: &Window, minutes: i64) -> (Engine, String) {
    let length = u32::try_from(minutes).unwrap();
    let params = Params {
        profile_window_minutes: length,
        ..Params::default()
    };
    let mut engine = Engine::new(symbol(), params);
    for book in &window.books {
        engine.push_snapshot(&decode_depth(book).unwrap());
    }
    for minute in &window.minutes {
        engine.put_rows(&decode_rows(minute).unwrap().1);
    }
    let report = engine.report(now(minutes - 1));
    (engine, json::to_string(&report).unwrap())
}

/// One more book and one more minute.
#[inline(never)]
pub(crate) fn steady_cycle(engine: &mut Engine, book: &str, minute: &str, now: DateTime<Utc>) -> String {
    engine.push_snapshot(&decode_depth(book).unwrap());
    engine.put_rows(&decode_rows(minute).unwrap().1);
    json::to_string(&engine.report(now)).unwrap()
}

/// A cheap scatter of whole numbers from 0 to below `limit`.
fn scatter(seed: i64, limit: i64) -> i64 {
    (seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 33)
        .rem_euclid(limit)
}

pub(crate) fn snapshot(number: i64) -> DepthSnapshot {
    let middle = 11_000_000 + scatter(number, 3000);
    let side = |direction: i64| -> Vec<DepthLevel> {
        (1..=5000)
            .map(|step| {
                let size = scatter(number * 10_007 + step * direction, 1_000_000);
                let quantity = if size > 998_000 { size * 400 } else { size };
                DepthLevel {
                    price: Price::new(Decimal::new(middle + direction * step * 45, 2)).unwrap(),
                    quantity: Quantity::new(Decimal::new(quantity + 1, 8)).unwrap(),
                }
            })
            .collect()
    };
    let at = DateTime::from_timestamp((START + number) * 60 + 30, 0).unwrap();
    let symbol = Symbol::new("BTCFDUSD").unwrap();
    DepthSnapshot::new(symbol, at, u64::try_from(number).unwrap(), side(-1), side(1)).unwrap()
}

pub(crate) fn minute(number: i64, rows: i64) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(START + number).unwrap(), true);
    // Price drifts up and down over 2000 dollars.
    let low = 109_000 + (number % 2000 - 1000).abs() * 2 + scatter(number, 40);
    for row in 0..rows {
        let volume = |salt| {
            Quantity::new(Decimal::new(
                scatter(number * 1009 + row * 31 + salt, 50_000_000),
                8,
            ))
            .unwrap()
        };
        let flow = BucketFlow {
            buy_volume: volume(1),
            sell_volume: volume(2),
            trade_count: 3,
        };
        minute
            .levels
            .insert(PriceBucket::new(Decimal::from(low + row)).unwrap(), flow);
    }
    minute
}

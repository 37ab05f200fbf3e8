//! A small market with one wall on each side, and configurations that point at it.

use std::path::Path;

use analyzer::purse::Purse;
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::{Decimal, dec};
use strategy_core::config::{Config, Environment};
use strategy_core::model::{AggTrade, Aggressor, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price, Quantity};
use strategy_core::store::{encode_depth, encode_minute};
use strategy_core::symbol::Symbol;
use strategy_core::time::{Clock as _, Minute, SystemClock};

/// Key in tests; looks like nothing real.
pub(crate) const KEY: &str = "test-key-0f1e2d3c";

/// Middle of the book.
pub(crate) const MID: Decimal = dec!(110150);

/// The wall below.
pub(crate) const SUPPORT: Decimal = dec!(110136);

pub(crate) fn now() -> DateTime<Utc> {
    SystemClock.now()
}

pub(crate) fn symbol() -> Symbol {
    Symbol::new("BTCFDUSD").unwrap()
}

fn side(step: Decimal, wall: Decimal) -> Vec<DepthLevel> {
    (1..=400_u32)
        .map(|index| {
            let price = MID + step * Decimal::from(index);
            let quantity = if price == wall { dec!(30) } else { dec!(0.4) };
            DepthLevel {
                price: Price::new(price).unwrap(),
                quantity: Quantity::new(quantity).unwrap(),
            }
        })
        .collect()
}

/// A time as exactly as Redis keeps it.
fn stored(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap()
}

/// Twelve books, one a minute, the newest `age` old.
pub(crate) fn books(age: TimeDelta) -> Vec<DepthSnapshot> {
    let newest = stored(now()) - age;
    (0..12)
        .map(|index| book(newest - TimeDelta::minutes(index)))
        .collect()
}

/// The book as it arrived then.
pub(crate) fn book(at: DateTime<Utc>) -> DepthSnapshot {
    let id = u64::try_from(at.timestamp()).unwrap();
    let (bids, asks) = (side(dec!(-1), SUPPORT), side(dec!(1), dec!(110190)));
    DepthSnapshot::new(symbol(), at, id, bids, asks).unwrap()
}

/// Complete minutes up to the last full one, newest first: trades between the walls.
pub(crate) fn minutes(count: i64) -> Vec<MinuteFootprint> {
    let last = Minute::of(now()).unwrap().previous();
    (0..count).map(|back| minute(last.offset(-back), back)).collect()
}

/// A complete minute of trades; `turn` moves their prices.
pub(crate) fn minute(minute: Minute, turn: i64) -> MinuteFootprint {
    let mut footprint = MinuteFootprint::empty(minute, true);
    for index in 0..40_i64 {
        let trade = AggTrade {
            id: u64::try_from(minute.number() * 100 + index).unwrap(),
            price: Price::new(MID + Decimal::from((index * 7 + turn) % 30 - 15)).unwrap(),
            quantity: Quantity::new(dec!(0.01) * Decimal::from(1 + index % 3)).unwrap(),
            traded_at: minute.start_ms() + index,
            aggressor: Aggressor::from_buyer_is_maker(index % 2 == 0),
        };
        footprint.add(&trade, BucketWidth::ONE).unwrap();
    }
    footprint
}

/// Puts books and minutes into Redis as the collector lays them out.
pub(crate) async fn publish(
    connection: &mut redis::aio::MultiplexedConnection,
    books: &[DepthSnapshot],
    minutes: &[MinuteFootprint],
) {
    let mut pipeline = redis::pipe();
    pipeline.del("depth_snapshot_5000").del("trades_window");
    for book in books {
        pipeline.rpush("depth_snapshot_5000", encode_depth(book).unwrap());
    }
    for minute in minutes {
        pipeline.rpush("trades_window", encode_minute(&symbol(), minute).unwrap());
    }
    let () = pipeline.query_async(connection).await.unwrap();
}

/// A configuration of the analyzer with a working directory, a Redis port and a model.
pub(crate) fn yaml(directory: &Path, redis_port: u16, model_url: &str, extra: &str) -> String {
    format!(
        "redis: {{host: 127.0.0.1, port: {redis_port}, socket_timeout: 1, socket_connect_timeout: 1}}
logging: {{level: DEBUG, file_path: '{}/logs/strategy_agent.log'}}
analyzer:
  deepseek: {{base_url: '{model_url}', language: en, {extra}}}
",
        directory.display()
    )
}

pub(crate) fn config(text: &str) -> Config {
    let environment: Environment = [("DEEPSEEK_API_KEY".to_owned(), KEY.to_owned())].into();
    Config::parse(text, "test.yaml", &environment).unwrap().0
}

pub(crate) fn nothing_spent() -> Purse {
    Purse::new(now())
}

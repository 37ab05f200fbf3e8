//! Markets made by hand.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::model::report::MarketReport;
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{Price, PriceBucket, Quantity};
use strategy_core::time::Minute;

use crate::fixtures::symbol;

/// The minute the hand-made markets begin with.
pub(crate) const START: i64 = 29_000_000;

/// A level from a price in hundredths and a quantity in thousandths.
pub(crate) fn level(cents: i64, thousandths: i64) -> DepthLevel {
    DepthLevel {
        price: Price::new(Decimal::new(cents, 2)).unwrap(),
        quantity: Quantity::new(Decimal::new(thousandths, 3)).unwrap(),
    }
}

/// A `BTCFDUSD` snapshot, half a minute into a minute after the start.
pub(crate) fn snapshot(minute: i64, bids: Vec<DepthLevel>, asks: Vec<DepthLevel>) -> DepthSnapshot {
    let at = at(minute) + Duration::seconds(30);
    let id = u64::try_from(START + minute).unwrap();
    DepthSnapshot::new(symbol("BTCFDUSD"), at, id, bids, asks).unwrap()
}

/// Start of a minute after the start.
pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp((START + minute) * 60, 0).unwrap()
}

/// One level in the middle of every bucket, outwards from the bucket `top` down and the next one up, each of
/// one unit but for the (bucket, thousandths) given.
pub(crate) fn even_book(minute: i64, top: i64, depth: i64, changes: &[(i64, i64)]) -> DepthSnapshot {
    let row = |bucket: i64| {
        let change = changes.iter().find(|(changed, _)| *changed == bucket);
        (change.map_or(1000, |(_, thousandths)| *thousandths), bucket)
    };
    let side = |buckets: &mut dyn Iterator<Item = i64>| {
        buckets
            .map(row)
            .filter(|(thousandths, _)| *thousandths > 0)
            .map(|(thousandths, bucket)| level(bucket * 100 + 50, thousandths))
            .collect()
    };
    snapshot(
        minute,
        side(&mut (0..depth).map(|offset| top - offset)),
        side(&mut (1..=depth).map(|offset| top + offset)),
    )
}

/// A minute after the start with rows of (bucket, thousandths bought, thousandths sold).
pub(crate) fn minute(number: i64, complete: bool, rows: &[(i64, i64, i64)]) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(START + number).unwrap(), complete);
    for (bucket, buy, sell) in rows {
        minute.levels.insert(
            PriceBucket::new(Decimal::from(*bucket)).unwrap(),
            BucketFlow {
                buy_volume: Quantity::new(Decimal::new(*buy, 3)).unwrap(),
                sell_volume: Quantity::new(Decimal::new(*sell, 3)).unwrap(),
                trade_count: 1,
            },
        );
    }
    minute
}

/// Analyses a `BTCFDUSD` market as it stands five seconds after a minute after the start has ended.
pub(crate) fn report_at(
    minute: i64,
    depth: &[DepthSnapshot],
    minutes: &[MinuteFootprint],
    params: &Params,
) -> MarketReport {
    let input = Input {
        symbol: &symbol("BTCFDUSD"),
        now: at(minute + 1) + Duration::seconds(5),
        depth,
        minutes,
    };
    analyze(&input, params)
}

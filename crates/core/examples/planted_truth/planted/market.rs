//! From rows of cents and hundred-millionths to market data, and to a report.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration};
use rust_decimal::Decimal;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::model::report::MarketReport;
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{Price, PriceBucket, Quantity};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// Levels a side of a snapshot can have.
pub(super) const LEVELS: usize = 5000;

/// Quantities in 10⁻⁸ base units by price in cents.
pub(super) type Rows = BTreeMap<i64, i64>;

/// Keeps the levels nearest the market, as the exchange does.
pub(super) fn limit(rows: &mut Rows, side: usize) {
    while rows.len() > LEVELS {
        if side == 0 {
            rows.pop_first();
        } else {
            rows.pop_last();
        }
    }
}

pub(super) fn add(minute: &mut MinuteFootprint, bucket: i64, lots: i64, buy: bool) {
    if lots <= 0 {
        return;
    }
    let bucket = PriceBucket::new(Decimal::from(bucket)).unwrap();
    let flow = minute.levels.entry(bucket).or_insert(BucketFlow::EMPTY);
    let volume = Quantity::new(Decimal::new(lots, 8)).unwrap();
    let side = if buy {
        &mut flow.buy_volume
    } else {
        &mut flow.sell_volume
    };
    *side = side.checked_add(volume).unwrap();
    flow.trade_count += 1;
}

/// A minute in which takers sold this much at a price in cents.
pub(super) fn traded(number: i64, price: i64, sold: i64) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(number).unwrap(), true);
    add(&mut minute, price.div_euclid(100), sold, false);
    minute
}

/// A snapshot taken half a minute into a minute of the epoch.
pub(super) fn snapshot(sides: &[Rows; 2], minute: i64) -> DepthSnapshot {
    let level = |(price, quantity): (&i64, &i64)| DepthLevel {
        price: Price::new(Decimal::new(*price, 2)).unwrap(),
        quantity: Quantity::new(Decimal::new(*quantity, 8)).unwrap(),
    };
    let bids = sides[0]
        .iter()
        .rev()
        .filter(|row| *row.1 > 0)
        .map(level)
        .collect();
    let asks = sides[1].iter().filter(|row| *row.1 > 0).map(level).collect();
    let at = DateTime::from_timestamp(minute * 60 + 59, 0).unwrap();
    let id = u64::try_from(minute).unwrap();
    DepthSnapshot::new(Symbol::new("BTCUSDT").unwrap(), at, id, bids, asks).unwrap()
}

pub(super) fn report(depth: &[DepthSnapshot], minutes: &[MinuteFootprint], end_minute: i64) -> MarketReport {
    let input = Input {
        symbol: &Symbol::new("BTCUSDT").unwrap(),
        now: DateTime::from_timestamp(end_minute * 60, 0).unwrap() + Duration::seconds(5),
        depth,
        minutes,
    };
    analyze(&input, &Params::default())
}

/// Quantity per dollar, from the lowest bucket to the highest.
pub(super) fn buckets(rows: &Rows) -> BTreeMap<i64, i64> {
    let mut sums = BTreeMap::new();
    let (low, high) = (
        rows.keys().next().unwrap() / 100,
        rows.keys().next_back().unwrap() / 100,
    );
    for bucket in low..=high {
        sums.insert(bucket, 0);
    }
    for (price, quantity) in rows {
        *sums.entry(price.div_euclid(100)).or_default() += quantity;
    }
    sums
}

/// Sums of ten buckets, sorted.
pub(super) fn rolling(buckets: &BTreeMap<i64, i64>) -> Vec<i64> {
    let held: Vec<i64> = buckets.values().copied().collect();
    let mut sums: Vec<i64> = held.windows(10).map(|window| window.iter().sum()).collect();
    sums.sort_unstable();
    sums
}

/// Stretches of a side that are thin by the plain definition, found without the detector: five or more sums of ten
/// buckets in a row of at most a tenth of the side's median sum, or five or more empty buckets.
pub(super) fn thin_stretches(rows: &Rows) -> Vec<(i64, i64)> {
    let buckets = buckets(rows);
    let sorted = rolling(&buckets);
    let median = sorted[sorted.len() / 2];
    let (first, held): (i64, Vec<i64>) = (
        *buckets.keys().next().unwrap(),
        buckets.values().copied().collect(),
    );
    let mut found = Vec::new();
    let mut collect = |flags: Vec<bool>, covered: i64| {
        let mut start = 0;
        for (index, thin) in (0..).zip(flags.into_iter().chain([false])) {
            if thin {
                continue;
            }
            if index - start >= 5 {
                found.push((first + start, first + index - 1 + covered));
            }
            start = index + 1;
        }
    };
    collect(
        held.windows(10)
            .map(|window| window.iter().sum::<i64>() * 10 <= median)
            .collect(),
        10,
    );
    collect(held.iter().map(|held| *held == 0).collect(), 1);
    found
}

/// The 90th percentile of the buckets within 50 of this one, itself left out.
pub(super) fn norm(buckets: &BTreeMap<i64, i64>, bucket: i64) -> i64 {
    let mut others: Vec<i64> = buckets
        .range(bucket - 50..=bucket + 50)
        .filter(|(other, _)| **other != bucket)
        .map(|(_, held)| *held)
        .collect();
    others.sort_unstable();
    others[(others.len() * 9).div_ceil(10) - 1]
}

/// A decimal as a whole number of its last place.
pub(super) fn scaled(value: Decimal, decimals: u32) -> i64 {
    let mut value = value;
    value.rescale(decimals);
    i64::try_from(value.mantissa()).unwrap()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sizes of planted things are far below 2^53"
)]
pub(super) fn whole(value: f64) -> i64 {
    value as i64
}

pub(super) fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap()
}

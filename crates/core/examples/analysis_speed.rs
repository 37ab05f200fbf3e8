//! Prints how long an analysis takes: from scratch, and for one more minute.
//!
//! `cargo run --release -p strategy-core --example analysis_speed`

#![expect(clippy::unwrap_used, reason = "made-up data are valid")]
#![expect(clippy::print_stdout, reason = "the figures are what the program is for")]

use std::time::Instant;

use chrono::{DateTime, Duration};
use rust_decimal::Decimal;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{Price, PriceBucket, Quantity};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

const START: i64 = 29_000_000;

fn main() {
    for rows in [60, 300] {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let depth: Vec<DepthSnapshot> = (2821..2881).map(snapshot).collect();
        let minutes: Vec<MinuteFootprint> = (0..2881).map(|number| minute(number, rows)).collect();
        let now = |number: i64| {
            DateTime::from_timestamp((START + number + 1) * 60, 0).unwrap() + Duration::seconds(5)
        };
        let mut scratch = Vec::new();
        let mut steady = Vec::new();
        for _ in 0..9 {
            let begin = Instant::now();
            let input = Input {
                symbol: &symbol,
                now: now(2879),
                depth: &depth[..59],
                minutes: &minutes[..2880],
            };
            let report = analyze(&input, &Params::default());
            scratch.push(begin.elapsed());
            assert_eq!(report.data_honesty.minutes_used, 2880);

            let mut engine = Engine::new(symbol.clone(), Params::default());
            depth[..59]
                .iter()
                .for_each(|snapshot| engine.push_snapshot(snapshot));
            minutes[..2880]
                .iter()
                .for_each(|minute| engine.put_minute(minute));
            engine.report(now(2879));
            let begin = Instant::now();
            engine.push_snapshot(&depth[59]);
            engine.put_minute(&minutes[2880]);
            let report = engine.report(now(2880));
            steady.push(begin.elapsed());
            assert_eq!(report.data_honesty.minutes_used, 2880);
        }
        scratch.sort_unstable();
        steady.sort_unstable();
        println!(
            "2880 minutes x {rows} rows, 60 snapshots x (5000 + 5000): from scratch {:.1?} ({:.1?}..{:.1?}), one more minute {:.2?} ({:.2?}..{:.2?})",
            scratch[4], scratch[0], scratch[8], steady[4], steady[0], steady[8],
        );
    }
}

/// A cheap scatter of whole numbers from 0 to below `limit`.
fn scatter(seed: i64, limit: i64) -> i64 {
    (seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 33)
        .rem_euclid(limit)
}

fn snapshot(number: i64) -> DepthSnapshot {
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

fn minute(number: i64, rows: i64) -> MinuteFootprint {
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

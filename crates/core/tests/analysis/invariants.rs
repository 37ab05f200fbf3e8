//! What must hold whatever the market does.

use chrono::{DateTime, Duration};
use proptest::prelude::*;
use rust_decimal::Decimal;
use strategy_core::analysis::{Engine, Input, Params, analyze, rules};
use strategy_core::json;
use strategy_core::language::Language;
use strategy_core::model::advice::{Action, PriceRange};
use strategy_core::model::report::{BookSide, Level, MarketReport, Number, PriceZone};
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price, PriceBucket, Quantity};
use strategy_core::time::Minute;

use crate::builders::{at, level, minute, report_at, snapshot};
use crate::fixtures::symbol;

/// Thousandths of a unit per bucket, outwards, heavy-tailed as real books are; zero is an empty bucket.
pub(crate) fn side() -> impl Strategy<Value = Vec<i64>> {
    let quantity = prop_oneof![8 => 1_i64..50, 3 => 50_i64..500, 1 => 500_i64..60_000, 1 => Just(0_i64)];
    prop::collection::vec(quantity, 60..260)
}

/// A book with a level in the middle of every bucket that holds something; bids fall from `top`.
pub(crate) fn book(number: i64, top: i64, bids: &[i64], asks: &[i64]) -> DepthSnapshot {
    let rows = |quantities: &[i64], direction: i64, start: i64| {
        let mut rows = vec![level(start * 100 + 50, 7)];
        for (offset, quantity) in (1..).zip(quantities) {
            if *quantity > 0 {
                rows.push(level((start + direction * offset) * 100 + 50, *quantity));
            }
        }
        rows
    };
    snapshot(number, rows(bids, -1, top), rows(asks, 1, top + 1))
}

/// Price in buckets, strength and volume of levels.
fn outline(levels: &[Level]) -> Vec<(Decimal, f64, Decimal)> {
    levels
        .iter()
        .map(|level| (level.price.get(), level.strength, level.volume_at_level.get()))
        .collect()
}

fn zone_outline(zones: &[PriceZone], side: BookSide) -> Vec<(Decimal, Decimal, f64, Decimal)> {
    zones
        .iter()
        .filter(|zone| zone.side == side)
        .map(|zone| (zone.low.get(), zone.high.get(), zone.strength, zone.volume.get()))
        .collect()
}

pub(crate) fn trades() -> impl Strategy<Value = Vec<Vec<(i64, i64, i64)>>> {
    let row = (-60_i64..60, 0_i64..900, 0_i64..900);
    prop::collection::vec(prop::collection::vec(row, 0..12), 1..40)
}

fn minutes(rows: &[Vec<(i64, i64, i64)>], top: i64, scale: i64) -> Vec<MinuteFootprint> {
    (0..)
        .zip(rows)
        .map(|(number, rows)| {
            let rows: Vec<(i64, i64, i64)> = rows
                .iter()
                .map(|(bucket, buy, sell)| (top + bucket, buy * scale, sell * scale))
                .collect();
            minute(number, true, &rows)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shifting_all_prices_by_whole_buckets_shifts_the_result(bids in side(), asks in side(), rows in trades(), shift in -90_i64..90) {
        let report = |top: i64| {
            let book = book(39, top, &bids, &asks);
            report_at(39, &[book], &minutes(&rows, top, 1), &Params::default())
        };
        let (plain, shifted) = (report(100_000), report(100_000 + shift));
        let by = Decimal::from(shift);
        let moved = |levels: &[Level]| -> Vec<_> {
            outline(levels).into_iter().map(|(price, strength, volume)| (price + by, strength, volume)).collect()
        };
        prop_assert_eq!(moved(&plain.support_levels), outline(&shifted.support_levels));
        prop_assert_eq!(moved(&plain.resistance_levels), outline(&shifted.resistance_levels));
        for side in [BookSide::Bid, BookSide::Ask] {
            for (plain, shifted) in [(&plain.density_zones, &shifted.density_zones), (&plain.vacuum_ranges, &shifted.vacuum_ranges)] {
                let moved: Vec<_> = zone_outline(plain, side).into_iter().map(|(low, high, strength, volume)| (low + by, high + by, strength, volume)).collect();
                prop_assert_eq!(moved, zone_outline(shifted, side));
            }
        }
        let moved: Vec<Decimal> = plain.poc_levels.iter().map(|price| price.get() + by).collect();
        let expected: Vec<Decimal> = shifted.poc_levels.iter().map(|price| price.get()).collect();
        prop_assert_eq!(moved, expected);
        prop_assert_eq!(
            plain.value_area.map(|area| (area.low.get() + by, area.high.get() + by, area.volume)),
            shifted.value_area.map(|area| (area.low.get(), area.high.get(), area.volume))
        );
    }

    #[test]
    fn scaling_all_quantities_changes_nothing_but_volumes(bids in side(), asks in side(), rows in trades()) {
        let params = Params { min_order_volume: Quantity::ZERO, ..Params::default() };
        let report = |scale: i64| {
            let times = |side: &[i64]| -> Vec<i64> { side.iter().map(|quantity| quantity * scale).collect() };
            // The first level of a side is fixed; a book that begins one bucket farther out leaves room for it.
            let mut book_bids = rows_of(99_999, -1, &times(&bids));
            let mut book_asks = rows_of(100_002, 1, &times(&asks));
            book_bids.insert(0, level(10_000_050, 7 * scale));
            book_asks.insert(0, level(10_000_150, 7 * scale));
            report_at(39, &[snapshot(39, book_bids, book_asks)], &minutes(&rows, 100_000, scale), &params)
        };
        let (plain, scaled) = (report(1), report(8));
        let times = |levels: &[Level]| -> Vec<_> {
            outline(levels).into_iter().map(|(price, strength, volume)| (price, strength, volume * Decimal::from(8))).collect()
        };
        prop_assert_eq!(times(&plain.support_levels), outline(&scaled.support_levels));
        prop_assert_eq!(times(&plain.resistance_levels), outline(&scaled.resistance_levels));
        let ranges = |zones: &[PriceZone]| -> Vec<_> { zones.iter().map(|zone| (zone.low, zone.high, zone.strength)).collect() };
        prop_assert_eq!(ranges(&plain.density_zones), ranges(&scaled.density_zones));
        prop_assert_eq!(ranges(&plain.vacuum_ranges), ranges(&scaled.vacuum_ranges));
        prop_assert_eq!(&plain.poc_levels, &scaled.poc_levels);
        prop_assert_eq!(&plain.resonance_zones, &scaled.resonance_zones);
        prop_assert_eq!(plain.context.microprice, scaled.context.microprice);
        let area = |report: &MarketReport| report.value_area.as_ref().map(|area| (area.poc, area.low, area.high));
        prop_assert_eq!(area(&plain), area(&scaled));
    }

    #[test]
    fn mirroring_bids_and_asks_mirrors_support_and_resistance(bids in side(), asks in side()) {
        let plain = report_at(0, &[book(0, 100_000, &bids, &asks)], &[], &Params::default());
        let mirrored = report_at(0, &[book(0, 100_000, &asks, &bids)], &[], &Params::default());
        // Bids begin at 100000.5 and asks at 100001.5.
        let sum = Decimal::from(200_002);
        let turned = |levels: &[Level]| -> Vec<_> {
            outline(levels).into_iter().map(|(price, strength, volume)| (sum - price, strength, volume)).collect()
        };
        prop_assert_eq!(turned(&plain.support_levels), outline(&mirrored.resistance_levels));
        prop_assert_eq!(turned(&plain.resistance_levels), outline(&mirrored.support_levels));
        for (plain, mirrored) in [(&plain.density_zones, &mirrored.density_zones), (&plain.vacuum_ranges, &mirrored.vacuum_ranges)] {
            let turned: Vec<_> = zone_outline(plain, BookSide::Bid).into_iter().map(|(low, high, strength, volume)| (sum - high, sum - low, strength, volume)).collect();
            prop_assert_eq!(turned, zone_outline(mirrored, BookSide::Ask));
        }
        prop_assert_eq!(
            plain.context.imbalance_1_0.map(|value| -value + 0.0),
            mirrored.context.imbalance_1_0
        );
    }

    #[test]
    fn adding_to_a_wall_never_weakens_it(
        history in prop::collection::vec(side(), 1..14), asks in side(), rows in trades(),
        at_offset in 5_usize..55, size in 1000_i64..100_000, more in 1_i64..100_000,
    ) {
        let minutes = minutes(&rows, 100_000, 10);
        let last = i64::try_from(history.len()).unwrap() - 1;
        let strength = |size: i64| {
            let books: Vec<DepthSnapshot> = (0..).zip(&history).map(|(number, bids)| {
                let mut bids = bids.clone();
                if number == last {
                    bids[at_offset] = size;
                }
                // Price comes nearer with time.
                book(number, 100_000 + last - number, &bids, &asks)
            }).collect();
            let report = report_at(last, &books, &minutes, &Params { min_strength: 0.0, ..Params::default() });
            let price = Decimal::new((100_000 - 1 - i64::try_from(at_offset).unwrap()) * 100 + 50, 2);
            report.support_levels.iter().find(|level| level.price.get() == price).map(|level| (level.strength, level.fleeting))
        };
        if let Some((before, was_fleeting)) = strength(size) {
            let (after, is_fleeting) = strength(size + more).unwrap();
            prop_assert!(after >= before, "{before} became {after}");
            prop_assert!(was_fleeting || !is_fleeting);
        }
    }

    #[test]
    fn trades_far_away_change_no_level(bids in side(), asks in side(), rows in trades(), far in 1000_i64..5000) {
        let book = book(39, 100_000, &bids, &asks);
        let near = minutes(&rows, 100_000, 1);
        let with_far: Vec<MinuteFootprint> = near.iter().map(|minute| {
            let mut minute = minute.clone();
            let flow = BucketFlow { buy_volume: Quantity::new(Decimal::ONE).unwrap(), ..BucketFlow::EMPTY };
            minute.levels.insert(PriceBucket::new(Decimal::from(100_000 + far)).unwrap(), flow);
            minute
        }).collect();
        let plain = report_at(39, std::slice::from_ref(&book), &near, &Params::default());
        let other = report_at(39, &[book], &with_far, &Params::default());
        prop_assert_eq!(outline(&plain.support_levels), outline(&other.support_levels));
        prop_assert_eq!(outline(&plain.resistance_levels), outline(&other.resistance_levels));
        for side in [BookSide::Bid, BookSide::Ask] {
            prop_assert_eq!(zone_outline(&plain.density_zones, side), zone_outline(&other.density_zones, side));
            prop_assert_eq!(zone_outline(&plain.vacuum_ranges, side), zone_outline(&other.vacuum_ranges, side));
        }
    }

    #[test]
    fn an_engine_kept_for_long_equals_a_fresh_one(
        steps in prop::collection::vec((side(), any::<u16>(), prop::collection::vec((0_i64..30, any::<bool>(), prop::collection::vec((-60_i64..60, 0_i64..900, 0_i64..900), 0..6)), 0..4)), 1..14),
        window in 5_u32..25, depth_window in 1_usize..6,
    ) {
        let params = Params { profile_window_minutes: window, flow_window_minutes: 10, depth_window, ..Params::default() };
        let market = symbol("BTCFDUSD");
        let mut engine = Engine::new(market.clone(), params.clone());
        let mut depth = Vec::new();
        let mut latest = std::collections::BTreeMap::new();
        for (number, (bids, nudge, updates)) in (0..).zip(&steps) {
            let now_minute = number * 2;
            let snapshot = book(now_minute, 100_000 + i64::from(nudge % 20), bids, bids);
            engine.push_snapshot(&snapshot);
            depth.push(snapshot);
            for (back, complete, rows) in updates {
                let rows: Vec<(i64, i64, i64)> = rows.iter().map(|(bucket, buy, sell)| (100_000 + bucket, *buy, *sell)).collect();
                let minute = minute(now_minute - back + 1, *complete, &rows);
                engine.put_minute(&minute);
                latest.insert(minute.minute, minute);
            }
            let now = at(now_minute + 1) + Duration::seconds(5);
            let kept = engine.report(now);
            let minutes: Vec<MinuteFootprint> = latest.values().rev().cloned().collect();
            let reversed: Vec<DepthSnapshot> = depth.iter().rev().cloned().collect();
            let input = Input { symbol: &market, now, depth: &reversed, minutes: &minutes };
            let fresh = analyze(&input, &params);
            prop_assert_eq!(json::to_string(&kept).unwrap(), json::to_string(&fresh).unwrap());
        }
    }

    #[test]
    fn nothing_panics_and_everything_can_be_stored(
        books in prop::collection::vec((wild_side(), 0_usize..80, wild_time()), 0..4),
        rows in prop::collection::vec((0_i64..253_402_300, prop::collection::btree_map(wild_number(), (wild_number(), wild_number()), 0..6), any::<bool>(), 0_u64..3), 0..6),
        width in wild_number(), tick in wild_number(), now in wild_time(), numbers in prop::collection::vec(0_u32..100_000, 5),
        range in (wild_number(), wild_number()),
    ) {
        let width = BucketWidth::new(width).unwrap_or(BucketWidth::ONE);
        let tick = BucketWidth::new(tick).unwrap_or(BucketWidth::ONE);
        let params = Params {
            bucket_width: width,
            tick,
            min_strength: f64::from(numbers[0]) / 100_000.0,
            flow_window_minutes: numbers[1],
            profile_window_minutes: numbers[2],
            depth_window: usize::try_from(numbers[3] % 4).unwrap(),
            depth_interval_seconds: numbers[4],
            ..Params::default()
        };
        // The cheaper levels are bids, the dearer ones asks; either side may be empty or a single level.
        let depth: Vec<DepthSnapshot> = books.into_iter().filter_map(|(mut bids, split, at)| {
            let asks = bids.split_off(split.min(bids.len()));
            bids.reverse();
            let is_empty = bids.is_empty() && asks.is_empty();
            let book = DepthSnapshot::new(symbol("BTCFDUSD"), at, 1, bids, asks);
            assert!(is_empty || book.is_ok(), "{book:?}");
            book.ok()
        }).collect();
        let minutes: Vec<MinuteFootprint> = rows.into_iter().map(|(number, rows, complete, dropped)| {
            let mut minute = MinuteFootprint::empty(Minute::from_number(number).unwrap(), complete);
            minute.dropped_levels = dropped;
            for (bucket, (buy, sell)) in rows {
                let flow = BucketFlow { buy_volume: Quantity::new(buy).unwrap(), sell_volume: Quantity::new(sell).unwrap(), trade_count: 1 };
                minute.levels.insert(PriceBucket::new(bucket).unwrap(), flow);
            }
            minute
        }).collect();
        let input = Input { symbol: &symbol("BTCFDUSD"), now, depth: &depth, minutes: &minutes };
        let report = analyze(&input, &params);
        prop_assert!(json::to_string(&report).is_ok());
        for level in report.support_levels.iter().chain(&report.resistance_levels) {
            prop_assert!((0.0..=1.0).contains(&level.strength));
        }
        if let Ok(advice) = rules::advise(&report, tick).map(|found| found.into_advice(Language::Zh)) {
            prop_assert!(json::to_string(&advice).is_ok());
            prop_assert!((0.0..=1.0).contains(&advice.confidence));
        }
        let range = PriceRange { low: Number::new(range.0), high: Number::new(range.1) };
        for action in [Action::Buy, Action::Sell, Action::Hold] {
            for quote in rules::quotes_for(&report, action, &range, tick) {
                prop_assert!(range.low <= quote.price && quote.price <= range.high);
            }
        }
    }
}

/// Levels in the middle of buckets, outwards from a bucket.
fn rows_of(start: i64, direction: i64, quantities: &[i64]) -> Vec<DepthLevel> {
    (0..)
        .zip(quantities)
        .filter(|(_, quantity)| **quantity > 0)
        .map(|(offset, quantity)| level((start + direction * offset) * 100 + 50, *quantity))
        .collect()
}

/// A decimal of up to 15 digits, with any number of places.
fn wild_number() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![3 => 0_i64..1000, 2 => 0_i64..100_000_000, 1 => 0_i64..1_000_000_000_000_000];
    let places = prop_oneof![6 => 0_u32..4, 2 => 4_u32..12, 1 => 12_u32..=28];
    (digits, places).prop_map(|(digits, places)| Decimal::new(digits, places))
}

/// Valid levels with rising prices of all magnitudes.
fn wild_side() -> impl Strategy<Value = Vec<DepthLevel>> {
    prop::collection::btree_map(wild_number(), wild_number(), 0..80).prop_map(|rows| {
        rows.into_iter()
            .filter(|(price, quantity)| !price.is_zero() && !quantity.is_zero())
            .filter(|(price, quantity)| {
                price
                    .checked_mul(*quantity)
                    .is_some_and(|worth| worth < Decimal::from(1_000_000_000))
            })
            .map(|(price, quantity)| DepthLevel {
                price: Price::new(price).unwrap(),
                quantity: Quantity::new(quantity).unwrap(),
            })
            .collect()
    })
}

fn wild_time() -> impl Strategy<Value = DateTime<chrono::Utc>> {
    let seconds = prop_oneof![3 => 0_i64..1_000_000, 1 => -1_000_000_000_000_i64..4_000_000_000_000];
    seconds.prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

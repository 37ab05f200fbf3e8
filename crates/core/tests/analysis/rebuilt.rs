//! An engine that is kept, whatever reaches it and in whatever order, equals one made from scratch, byte for byte.

use std::collections::BTreeMap;

use chrono::Duration;
use proptest::prelude::*;
use rust_decimal::Decimal;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::json;
use strategy_core::model::{BucketFlow, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, PriceBucket, Quantity};
use strategy_core::time::Minute;

use crate::builders::{START, at, minute};
use crate::fixtures::symbol;
use crate::invariants::{book, side};

/// Mantissa and scale.
type Digits = (i64, u32);

/// What happens between two cycles.
#[derive(Debug, Clone)]
enum Event {
    /// So many minutes pass without anything.
    Pass(i64),
    /// A snapshot so many minutes before now arrives, perhaps late.
    Snapshot(i64, Vec<i64>),
    /// A minute so far back arrives or is healed, with so many price levels left out; it may be ahead of the clock.
    Minute(i64, bool, u64, Vec<(i64, i64, i64)>),
    /// The same with any prices and volumes that a document can hold.
    Absurd(i64, Vec<[Digits; 3]>),
    /// What is older than so many minutes is taken away.
    Keep(i64),
    /// Redis was set back: it has nothing newer than so many minutes before now.
    SetBack(i64),
    /// The collector records minutes up to now, prices moving by these steps.
    Record(Vec<i64>),
    /// The program starts anew from what there is.
    Restart,
    /// A report is made.
    Cycle,
}

fn event() -> impl Strategy<Value = Event> {
    let rows = prop::collection::vec((-60_i64..60, 0_i64..900, 0_i64..900), 0..6);
    prop_oneof![
        3 => (1_i64..4).prop_map(Event::Pass),
        1 => (20_i64..60).prop_map(Event::Pass),
        3 => (0_i64..6, side()).prop_map(|(back, levels)| Event::Snapshot(back, levels)),
        6 => (-4_i64..30, any::<bool>(), prop_oneof![4 => Just(0), 1 => Just(2)], rows)
            .prop_map(|(back, complete, dropped, rows)| Event::Minute(back, complete, dropped, rows)),
        1 => (-4_i64..30, absurd()).prop_map(|(back, rows)| Event::Absurd(back, rows)),
        1 => (0_i64..20).prop_map(Event::Keep),
        1 => (1_i64..40).prop_map(Event::SetBack),
        2 => prop::collection::vec(-9_i64..10, 1..70).prop_map(Event::Record),
        1 => Just(Event::Restart),
        4 => Just(Event::Cycle),
    ]
}

/// Prices up to 10⁹ and volumes up to 10¹⁵, some of them finer than what is counted.
fn absurd() -> impl Strategy<Value = Vec<[Digits; 3]>> {
    let volume = || (0_i64..1_000_000_000_000_000, 0_u32..29);
    let row = ((0_i64..1_000_000_000, 0_u32..10), volume(), volume());
    prop::collection::vec(row.prop_map(|(price, buy, sell)| [price, buy, sell]), 0..8)
}

fn absurd_minute(number: i64, rows: &[[Digits; 3]]) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(START + number).unwrap(), true);
    for digits in rows {
        let [price, buy, sell] = digits.map(|(mantissa, scale)| Decimal::new(mantissa, scale));
        let flow = BucketFlow {
            buy_volume: Quantity::new(buy).unwrap(),
            sell_volume: Quantity::new(sell).unwrap(),
            trade_count: 1,
        };
        minute.levels.insert(PriceBucket::new(price).unwrap(), flow);
    }
    minute
}

/// Widths of a bucket, the usual one among them.
fn widths() -> impl Strategy<Value = BucketWidth> {
    let width = |mantissa, scale| BucketWidth::new(Decimal::new(mantissa, scale)).unwrap();
    prop_oneof![
        3 => Just(BucketWidth::ONE),
        1 => prop::sample::select(vec![width(1, 2), width(3, 1), width(7, 0), width(100, 0)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cycle_equals_a_computation_from_scratch(events in prop::collection::vec(event(), 1..60), window in prop_oneof![5_u32..25, 60_u32..200], depth_window in 1_usize..6, bucket_width in widths()) {
        let params = Params { bucket_width, profile_window_minutes: window, flow_window_minutes: window / 2, depth_window, ..Params::default() };
        let market = symbol("BTCFDUSD");
        let mut engine = Engine::new(market.clone(), params.clone());
        let mut books: BTreeMap<_, DepthSnapshot> = BTreeMap::new();
        let mut minutes: BTreeMap<Minute, MinuteFootprint> = BTreeMap::new();
        let (mut present, mut price) = (100, 100_000);
        for event in events.into_iter().chain([Event::Cycle]) {
            match event {
                Event::Pass(passed) => present += passed,
                Event::Snapshot(back, levels) => {
                    let top = 100_000 + (present * 7) % 23;
                    let snapshot = book(present - back, top, &levels, &levels);
                    // Of two with one time and id the first one counts.
                    let key = (snapshot.received_at(), snapshot.last_update_id());
                    engine.push_snapshot(&snapshot);
                    books.entry(key).or_insert(snapshot);
                    // What a full window has pushed out does not come back.
                    while books.len() > depth_window {
                        books.pop_first();
                    }
                }
                Event::Minute(back, complete, dropped, rows) => {
                    let rows: Vec<_> = rows.iter().map(|(bucket, buy, sell)| (100_000 + bucket, *buy, *sell)).collect();
                    let mut minute = minute(present - back, complete, &rows);
                    minute.dropped_levels = dropped;
                    engine.put_minute(&minute);
                    minutes.insert(minute.minute, minute);
                }
                Event::Absurd(back, rows) => {
                    let minute = absurd_minute(present - back, &rows);
                    engine.put_minute(&minute);
                    minutes.insert(minute.minute, minute);
                }
                Event::Keep(back) => {
                    let first = Minute::from_number(START + present - back).unwrap();
                    let last = Minute::from_number(START + present + 100).unwrap();
                    engine.keep_minutes(first, last);
                    minutes.retain(|minute, _| (first..=last).contains(minute));
                    engine.keep_snapshots(|(received, _)| *received >= at(present - back));
                    books.retain(|(received, _), _| *received >= at(present - back));
                }
                Event::SetBack(back) => {
                    let last = Minute::from_number(START + present - back).unwrap();
                    engine.keep_minutes(Minute::EPOCH, last);
                    minutes.retain(|minute, _| *minute <= last);
                    engine.keep_snapshots(|(received, _)| *received <= at(present - back));
                    books.retain(|(received, _), _| *received <= at(present - back));
                }
                Event::Record(steps) => {
                    for step in steps {
                        present += 1;
                        price += step;
                        let rows = [(price - 1, 7, 90), (price, 300, 20), (price + 1, 310, 30), (price + 2, 320, 10), (price + 4, 5, 800)];
                        let minute = minute(present, present % 41 != 0, &rows);
                        engine.put_minute(&minute);
                        minutes.insert(minute.minute, minute);
                    }
                }
                Event::Restart => {
                    engine = Engine::new(market.clone(), params.clone());
                    books.values().rev().for_each(|book| engine.push_snapshot(book));
                    minutes.values().rev().for_each(|minute| engine.put_minute(minute));
                }
                Event::Cycle => {
                    let now = at(present + 1) + Duration::seconds(5);
                    let kept = engine.report(now);
                    let depth: Vec<_> = books.values().cloned().collect();
                    let given: Vec<_> = minutes.values().cloned().collect();
                    let input = Input { symbol: &market, now, depth: &depth, minutes: &given };
                    let fresh = analyze(&input, &params);
                    prop_assert_eq!(json::to_string(&kept).unwrap(), json::to_string(&fresh).unwrap());
                }
            }
        }
    }
}

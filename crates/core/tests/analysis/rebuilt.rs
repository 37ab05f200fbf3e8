//! An engine that is kept, whatever reaches it and in whatever order, equals one made from scratch, byte for byte.

use std::collections::BTreeMap;

use chrono::Duration;
use proptest::prelude::*;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::json;
use strategy_core::model::{DepthSnapshot, MinuteFootprint};
use strategy_core::time::Minute;

use crate::builders::{START, at, minute};
use crate::fixtures::symbol;
use crate::invariants::{book, side};

/// What happens between two cycles.
#[derive(Debug, Clone)]
enum Event {
    /// So many minutes pass without anything.
    Pass(i64),
    /// A snapshot so many minutes before now arrives, perhaps late.
    Snapshot(i64, Vec<i64>),
    /// A minute so far back arrives or is healed.
    Minute(i64, bool, Vec<(i64, i64, i64)>),
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
        6 => (0_i64..30, any::<bool>(), rows).prop_map(|(back, complete, rows)| Event::Minute(back, complete, rows)),
        1 => (0_i64..20).prop_map(Event::Keep),
        1 => (1_i64..40).prop_map(Event::SetBack),
        2 => prop::collection::vec(-9_i64..10, 1..70).prop_map(Event::Record),
        1 => Just(Event::Restart),
        4 => Just(Event::Cycle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cycle_equals_a_computation_from_scratch(events in prop::collection::vec(event(), 1..60), window in prop_oneof![5_u32..25, 60_u32..200], depth_window in 1_usize..6) {
        let params = Params { profile_window_minutes: window, flow_window_minutes: window / 2, depth_window, ..Params::default() };
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
                Event::Minute(back, complete, rows) => {
                    let rows: Vec<_> = rows.iter().map(|(bucket, buy, sell)| (100_000 + bucket, *buy, *sell)).collect();
                    let minute = minute(present - back, complete, &rows);
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

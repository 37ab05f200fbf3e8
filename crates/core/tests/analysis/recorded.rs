//! Recorded markets run through, and what comes out is what a trader would point at.

use chrono::Duration;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::json;
use strategy_core::model::report::MarketReport;
use strategy_core::num::Price;

use crate::fixtures::{book_time, recorded_book, recorded_minutes, symbol};

fn book_report() -> MarketReport {
    let input = Input {
        symbol: &symbol("BTCUSDT"),
        now: book_time() + Duration::seconds(5),
        depth: &[recorded_book()],
        minutes: &[],
    };
    analyze(&input, &Params::default())
}

#[test]
fn the_recorded_book_has_the_walls_a_trader_sees() {
    let report = book_report();
    let first = &report.support_levels[0];
    assert_eq!(first.price.get(), Price::parse("83000").unwrap().get());
    assert_eq!(first.volume_at_level.get().to_string(), "47.91464");
    for levels in [&report.support_levels, &report.resistance_levels] {
        assert!((6..=12).contains(&levels.len()), "{}", levels.len());
        assert!(levels.is_sorted_by(|one, other| one.strength >= other.strength));
    }
    assert!(report.data_honesty.book_truncated);
}

#[test]
fn recorded_minutes_run_through_without_a_book() {
    let minutes = recorded_minutes();
    let input = Input {
        symbol: &symbol("BTCFDUSD"),
        now: minutes[59].minute.start() + Duration::seconds(65),
        depth: &[],
        minutes: &minutes,
    };
    let report = analyze(&input, &Params::default());
    let area = report.value_area.unwrap();
    assert_eq!(
        (area.poc.to_f64(), area.low.to_f64(), area.high.to_f64()),
        (111_640.0, 111_520.0, 111_726.0)
    );
    assert_eq!(report.data_honesty.minutes_used, 60);
    // The three windows see the same hour or part of it.
    assert_eq!(report.flow_deltas[1].delta, report.flow_deltas[2].delta);
    assert!(
        report.flow_deltas[0].complete && report.flow_deltas[1].complete && !report.flow_deltas[2].complete
    );
}

/// The whole result for recorded data, byte for byte. After a change that is meant, look at the difference and
/// copy the file named in the failure over `golden.json`.
#[test]
fn the_report_is_the_golden_one() {
    let mut engine = Engine::new(symbol("BTCUSDT"), Params::default());
    engine.push_snapshot(&recorded_book());
    let shift = strategy_core::time::Minute::of(book_time()).unwrap();
    // The minutes are of another market and day: 60 of them, moved in time and price to end at the book.
    for (number, minute) in recorded_minutes().into_iter().enumerate() {
        let mut moved = minute.clone();
        moved.minute = shift.offset(i64::try_from(number).unwrap() - 60);
        moved.levels = minute
            .levels
            .into_iter()
            .map(|(bucket, flow)| {
                let low = bucket.low() - rust_decimal::Decimal::from(27_860);
                (strategy_core::num::PriceBucket::new(low).unwrap(), flow)
            })
            .collect();
        engine.put_minute(&moved);
    }
    let report = engine.report(book_time() + Duration::seconds(5));
    let text = json::to_string_pretty(&report).unwrap() + "\n";
    let path = format!("{}/tests/analysis/golden.json", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if text != golden {
        let found = format!("{}/golden.json", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&found, &text).unwrap();
        panic!("the report differs from {path}; what was found is in {found}");
    }
}

//! Recorded markets run through, and what comes out is what a trader would point at.

use chrono::Duration;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::json;
use strategy_core::model::MinuteFootprint;
use strategy_core::model::report::MarketReport;
use strategy_core::num::Price;

use crate::fixtures::{book_time, captured_minutes, moved_minutes, recorded_book, recorded_minutes, symbol};

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
/// copy the file named in the failure over the golden one.
#[test]
fn the_report_is_the_golden_one() {
    let mut engine = Engine::new(symbol("BTCUSDT"), Params::default());
    engine.push_snapshot(&recorded_book());
    for minute in moved_minutes() {
        engine.put_minute(&minute);
    }
    let report = engine.report(book_time() + Duration::seconds(5));
    check_golden("golden.json", &report);
}

fn check_golden(name: &str, report: &MarketReport) {
    let text = json::to_string_pretty(report).unwrap() + "\n";
    let path = format!("{}/tests/analysis/{name}", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if text != golden {
        let found = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&found, &text).unwrap();
        panic!("the report differs from {path}; what was found is in {found}");
    }
}

fn report_of_trades(name: &str, minutes: &[MinuteFootprint]) -> MarketReport {
    let input = Input {
        symbol: &symbol(name),
        now: minutes.last().unwrap().minute.next().start() + Duration::seconds(5),
        depth: &[],
        minutes,
    };
    analyze(&input, &Params::default())
}

#[test]
fn the_report_of_the_recorded_minutes_is_the_golden_one() {
    check_golden(
        "golden_minutes.json",
        &report_of_trades("BTCFDUSD", &recorded_minutes()),
    );
}

#[test]
fn the_report_of_the_captured_trades_is_the_golden_one() {
    let report = report_of_trades("BTCUSDT", &captured_minutes());
    assert_eq!(
        (
            report.data_honesty.minutes_used,
            report.data_honesty.incomplete_minutes
        ),
        (2, 2)
    );
    check_golden("golden_capture.json", &report);
}

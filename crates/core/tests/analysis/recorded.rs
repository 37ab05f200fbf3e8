//! Recorded markets run through, and what comes out is what a trader would point at.

use chrono::Duration;
use rust_decimal::Decimal;
use strategy_core::analysis::{Engine, Input, Params, analyze};
use strategy_core::json;
use strategy_core::model::report::MarketReport;
use strategy_core::model::{DepthSnapshot, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price};

use crate::books::{book_of, books_of_2021, books_of_2024, minutes_of_2024, minutes_of_page};
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

fn report_of_books(books: &[DepthSnapshot], minutes: &[MinuteFootprint], params: &Params) -> MarketReport {
    let newest = books.last().unwrap();
    let input = Input {
        symbol: newest.symbol(),
        now: newest.received_at() + Duration::seconds(5),
        depth: books,
        minutes,
    };
    analyze(&input, params)
}

fn of_limit_1000() -> Params {
    Params {
        depth_limit: 1000,
        ..Params::default()
    }
}

#[test]
fn the_report_of_the_book_of_2020_is_the_golden_one() {
    let book = book_of("btcusdt_depth1000_2020.json.gz", "BTCUSDT");
    let report = report_of_books(&[book], &[], &of_limit_1000());
    check_golden("golden_book_2020.json", &report);
}

#[test]
fn the_report_of_the_capture_of_2021_is_the_golden_one() {
    let report = report_of_books(&books_of_2021(), &captured_minutes(), &of_limit_1000());
    assert_eq!(report.data_honesty.snapshots_used, 3);
    check_golden("golden_capture_2021.json", &report);
}

#[test]
fn the_report_of_the_capture_of_2024_is_the_golden_one() {
    let minutes = minutes_of_2024();
    assert_eq!(minutes.len(), 7);
    let report = report_of_books(&books_of_2024(), &minutes, &of_limit_1000());
    assert_eq!(report.data_honesty.snapshots_used, 7);
    check_golden("golden_capture_2024.json", &report);
}

/// Other markets need buckets of another width.
#[test]
fn the_reports_of_the_books_of_other_markets_are_the_golden_ones() {
    for (name, market, width) in [("ethusdt", "ETHUSDT", 1), ("dotusdt", "DOTUSDT", 2)] {
        let params = Params {
            bucket_width: BucketWidth::new(Decimal::new(1, width)).unwrap(),
            ..of_limit_1000()
        };
        let book = book_of(&format!("{name}_depth1000_20210404.json.gz"), market);
        check_golden(
            &format!("golden_book_{name}.json"),
            &report_of_books(&[book], &[], &params),
        );
    }
}

#[test]
fn the_reports_of_the_pages_of_trades_are_the_golden_ones() {
    let page = minutes_of_page("btcusdt_aggtrades_20200102.json.gz", ["a", "p", "q", "T", "m"]);
    check_golden("golden_page_20200102.json", &report_of_trades("BTCUSDT", &page));
    let page = minutes_of_page(
        "btcusdt_trades_20200831.json.gz",
        ["id", "price", "qty", "time", "isBuyerMaker"],
    );
    check_golden("golden_page_20200831.json", &report_of_trades("BTCUSDT", &page));
}

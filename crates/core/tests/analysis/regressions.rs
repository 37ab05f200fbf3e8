//! What went wrong in the Python original, each held by a test of its name.

use chrono::Duration;
use strategy_core::analysis::{Input, Params, analyze, rules};
use strategy_core::json;
use strategy_core::model::advice::AbstainReason;

use crate::builders::{at, even_book, level, minute, report_at, snapshot};
use crate::fixtures::symbol;

fn quiet(count: i64) -> Vec<strategy_core::model::MinuteFootprint> {
    (0..count)
        .map(|number| minute(number, true, &[(99_990, 10, 10), (99_995, 10, 10)]))
        .collect()
}

/// Only the first hundred levels of a side were looked at.
#[test]
fn d6_a_wall_beyond_the_first_hundred_levels_is_found() {
    let book = even_book(0, 100_000, 1500, &[(98_800, 90_000)]);
    let report = report_at(0, &[book], &[], &Params::default());
    assert_eq!(report.support_levels[0].price.get().to_string(), "98800.5");
}

/// Decimals met doubles, and every cycle with a snapshot failed.
#[test]
fn b1_a_snapshot_and_minutes_give_a_result_that_can_be_stored() {
    let book = even_book(19, 100_000, 300, &[(99_950, 30_000)]);
    let report = report_at(19, &[book], &quiet(20), &Params::default());
    assert!(json::to_string(&report).unwrap().contains("\"price\":99950.5"));
}

/// A one-sided book ended the cycle, every minute again.
#[test]
fn b21_a_one_sided_book_is_reported_as_one() {
    let bids = (0..200)
        .map(|offset| level(10_000_050 - offset * 100, 1000))
        .collect();
    let report = report_at(
        19,
        &[snapshot(19, bids, Vec::new())],
        &quiet(20),
        &Params::default(),
    );
    assert!(report.data_honesty.book_one_sided);
    assert!(
        report
            .data_honesty
            .notes
            .iter()
            .any(|note| note.to_string() == "the ask side is empty")
    );
    let tick = Params::default().tick;
    assert_eq!(
        rules::advise(&report, tick).unwrap_err(),
        AbstainReason::IncompleteData
    );

    let report = report_at(19, &[], &quiet(20), &Params::default());
    assert!(report.data_honesty.book_missing);
    assert_eq!(
        rules::advise(&report, tick).unwrap_err(),
        AbstainReason::IncompleteData
    );
}

/// The gap between the last bid and the first ask was taken for a vacuum.
#[test]
fn b22_the_spread_is_no_vacuum() {
    let cents = |prices: &[i64]| prices.iter().map(|price| level(*price, 1000)).collect();
    let book = snapshot(0, cents(&[10_000, 9_950, 9_000]), cents(&[10_010, 10_060]));
    let report = report_at(0, &[book], &[], &Params::default());
    assert!(
        report
            .liquidity_vacuum_zones
            .iter()
            .all(|center| center.get().to_string() != "95.05"),
        "{:?}",
        report.vacuum_ranges
    );
    // Bids end and asks begin fifty dollars apart; both sides are full.
    let mut bids: Vec<_> = (0..300)
        .map(|offset| level(10_000_050 - offset * 100, 1000))
        .collect();
    let asks: Vec<_> = (0..300)
        .map(|offset| level(10_005_050 + offset * 100, 1000))
        .collect();
    let report = report_at(
        0,
        &[snapshot(0, bids.clone(), asks.clone())],
        &[],
        &Params::default(),
    );
    assert!(report.vacuum_ranges.is_empty(), "{:?}", report.vacuum_ranges);
    // A true one among the bids is seen, and ends where the bids go on.
    bids.retain(|bid| !(99_900.0..99_910.0).contains(&bid.price.to_f64()));
    let report = report_at(0, &[snapshot(0, bids, asks)], &[], &Params::default());
    let found = &report.vacuum_ranges[0];
    assert_eq!((found.low.to_f64(), found.high.to_f64()), (99_900.0, 99_910.0));
}

/// Old data and data of another market were analysed as if they were the present.
#[test]
fn b27_stale_and_foreign_data_are_named() {
    let tick = Params::default().tick;
    let book = || even_book(19, 100_000, 300, &[]);
    let fresh = report_at(19, &[book()], &quiet(20), &Params::default());
    assert!(!fresh.data_honesty.stale);
    // 3 minutes and 5 seconds after the book was taken.
    let old = report_at(22, &[book()], &quiet(22), &Params::default());
    assert!(old.data_honesty.stale);
    assert_eq!(old.data_honesty.snapshot_age_seconds, Some(215.0));
    assert_eq!(rules::advise(&old, tick).unwrap_err(), AbstainReason::StaleData);
    let quiet_long = report_at(
        30,
        &[even_book(30, 100_000, 300, &[])],
        &quiet(20),
        &Params::default(),
    );
    assert!(quiet_long.data_honesty.stale, "old minutes are stale, too");

    let input = Input {
        symbol: &symbol("ETHFDUSD"),
        now: at(20) + Duration::seconds(5),
        depth: &[book()],
        minutes: &quiet(20),
    };
    let foreign = analyze(&input, &Params::default());
    assert!(foreign.support_levels.is_empty() && foreign.data_honesty.book_missing);
    assert!(
        foreign
            .data_honesty
            .notes
            .iter()
            .any(|note| note.to_string() == "1 snapshots of another market left out"),
        "{:?}",
        foreign.data_honesty.notes
    );
}

/// Resonance asked for equal prices of grids that never meet; there was not one zone in any run.
#[test]
fn b36_a_wall_near_a_node_that_held_resonates() {
    let book = even_book(39, 100_000, 400, &[(99_950, 60_000)]);
    let mut minutes = Vec::new();
    for number in 0..40 {
        // Every fifth minute price comes down to the wall and then leaves it again.
        let rows: &[(i64, i64, i64)] = if number % 5 == 3 {
            &[(99_953, 3000, 9000), (99_960, 3000, 3000)]
        } else {
            &[(99_998, 100, 100), (100_012, 100, 100)]
        };
        minutes.push(minute(number, true, rows));
    }
    let report = report_at(39, &[book], &minutes, &Params::default());
    let zone = &report.resonance[0];
    assert_eq!(report.resonance_zones[0], zone.center);
    assert!(
        zone.low.to_f64() <= 99_950.5 && zone.high.to_f64() >= 99_950.5,
        "{zone:?}"
    );
    assert!(zone.evidence.len() >= 3, "{zone:?}");
    assert!(report.support_levels[0].confirmation.held >= 5);
}

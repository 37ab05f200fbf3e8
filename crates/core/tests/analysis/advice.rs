//! Advice of the rules, and quotes.

use proptest::prelude::*;
use rust_decimal::Decimal;
use strategy_core::analysis::{Params, rules};
use strategy_core::language::Language;
use strategy_core::model::MinuteFootprint;
use strategy_core::model::advice::{AbstainReason, Action, Advice, PriceRange, QuoteSide, RiskLevel};
use strategy_core::model::report::{MarketReport, Number, PriceZone};

use crate::builders::{even_book, minute, report_at};
use crate::invariants::{book, side, trades};

/// Calm minutes around 100000, reaching away from the given bucket and coming near it every fifth minute.
fn visits(count: i64, bucket: Option<i64>) -> Vec<MinuteFootprint> {
    let (low, high) = match bucket {
        Some(below) if below < 100_000 => (99_997, 100_025),
        Some(_) => (99_975, 100_003),
        None => (99_997, 100_003),
    };
    let calm = [(low, 100, 100), (high, 100, 100)];
    (0..count)
        .map(|number| match bucket {
            Some(bucket) if number % 5 == 3 => {
                minute(number, true, &[(bucket, 3000, 3000), (bucket + 1, 100, 100)])
            }
            _ => minute(number, true, &calm),
        })
        .collect()
}

fn market(walls: &[(i64, i64)], minutes: &[MinuteFootprint]) -> MarketReport {
    let books: Vec<_> = (minutes.len() - 12..minutes.len())
        .map(|number| even_book(i64::try_from(number).unwrap(), 100_000, 600, walls))
        .collect();
    let last = i64::try_from(minutes.len()).unwrap() - 1;
    report_at(last, &books, minutes, &Params::default())
}

fn advise(report: &MarketReport) -> Result<Advice, AbstainReason> {
    rules::advise(report, Params::default().tick).map(|judgement| judgement.into_advice(Language::En))
}

/// Every quote is passive, inside the range, on the grid and outside vacuums, and the weights add up.
fn check_quotes(report: &MarketReport, advice: &Advice) {
    let range = advice.price_range.unwrap();
    assert!(!advice.quotes.is_empty() && range.low <= range.high);
    for quote in &advice.quotes {
        assert!(
            range.low <= quote.price && quote.price <= range.high,
            "{quote:?} {range:?}"
        );
        match quote.side {
            QuoteSide::Buy => assert!(quote.price < report.context.best_ask.unwrap()),
            QuoteSide::Sell => assert!(quote.price > report.context.best_bid.unwrap()),
        }
        assert!(quote.price.get().scale() <= 2);
        let inside = |zone: &PriceZone| zone.is_inside(quote.price.get());
        assert!(!report.vacuum_ranges.iter().any(inside), "{quote:?}");
    }
    for end in [range.low, range.high] {
        let inside = |zone: &PriceZone| zone.is_inside(end.get());
        assert!(!report.vacuum_ranges.iter().any(inside), "{range:?}");
    }
    let sum: f64 = advice.quotes.iter().map(|quote| quote.weight).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{:?}", advice.quotes);
}

#[test]
fn a_confirmed_support_is_bought_in_front_of_its_wall() {
    let report = market(&[(99_960, 80_000)], &visits(180, Some(99_962)));
    let advice = advise(&report).unwrap();
    assert_eq!(advice.action, Action::Buy, "{}", advice.reasoning);
    check_quotes(&report, &advice);
    // The wall stands at 99960.50.
    assert_eq!(advice.quotes[0].price.get(), Decimal::new(9_996_051, 2));
    assert!(
        advice.confidence > 0.5 && advice.reasoning.contains("99960.5"),
        "{advice:?}"
    );
    assert_eq!(advice.risk_level, RiskLevel::Low);
}

#[test]
fn a_confirmed_resistance_is_sold_in_front_of_its_wall() {
    let report = market(&[(100_040, 80_000)], &visits(180, Some(100_037)));
    let advice = advise(&report).unwrap();
    assert_eq!(advice.action, Action::Sell, "{}", advice.reasoning);
    check_quotes(&report, &advice);
    assert_eq!(advice.quotes[0].price.get(), Decimal::new(10_004_049, 2));
}

#[test]
fn between_equal_walls_it_holds_and_quotes_both_sides() {
    let report = market(&[(99_900, 80_000), (100_101, 80_000)], &visits(180, None));
    let advice = advise(&report).unwrap();
    assert_eq!(advice.action, Action::Hold, "{}", advice.reasoning);
    check_quotes(&report, &advice);
    let count = |side| advice.quotes.iter().filter(|quote| quote.side == side).count();
    assert!(count(QuoteSide::Buy) > 0 && count(QuoteSide::Sell) > 0);
}

#[test]
fn a_market_without_levels_is_a_hold_that_says_so() {
    let advice = advise(&market(&[], &visits(180, None))).unwrap();
    assert_eq!((advice.action, advice.price_range), (Action::Hold, None));
    assert!(advice.quotes.is_empty() && advice.reasoning.contains("nothing"));
}

#[test]
fn confidence_follows_the_tests_of_the_level() {
    let confidence = |bucket| {
        let report = market(&[(99_960, 80_000)], &visits(180, bucket));
        advise(&report).unwrap().confidence
    };
    assert!(confidence(Some(99_962)) > confidence(None));
}

#[test]
fn a_gap_in_the_flow_window_makes_it_abstain() {
    let mut minutes = visits(180, Some(99_962));
    for damaged in minutes.iter_mut().skip(100).take(9) {
        damaged.complete = false;
    }
    assert!(
        advise(&market(&[(99_960, 80_000)], &minutes)).is_ok(),
        "five percent is bearable"
    );
    minutes[50].complete = false;
    assert_eq!(
        advise(&market(&[(99_960, 80_000)], &minutes)).unwrap_err(),
        AbstainReason::IncompleteData
    );
}

#[test]
fn a_short_record_lowers_confidence_and_raises_risk_but_fourteen_minutes_are_too_few() {
    let report = |count| market(&[(99_960, 80_000)], &visits(count, Some(99_962)));
    assert_eq!(advise(&report(14)).unwrap_err(), AbstainReason::IncompleteData);
    let (short, long) = (advise(&report(30)).unwrap(), advise(&report(180)).unwrap());
    assert!(short.confidence < long.confidence && short.risk_level > long.risk_level);
}

#[test]
fn quotes_for_an_accepted_answer_stay_in_its_range_and_out_of_vacuums() {
    let mut changes = vec![(99_960, 80_000)];
    changes.extend((99_965..99_990).map(|bucket| (bucket, 0)));
    let report = market(&changes, &visits(180, None));
    assert_eq!(report.vacuum_ranges[0].low.get(), Decimal::from(99_965));
    let range = PriceRange {
        low: Number::new(Decimal::from(99_955)),
        high: Number::new(Decimal::from(99_995)),
    };
    let quotes = rules::quotes_for(&report, Action::Buy, &range, Params::default().tick);
    let prices: Vec<String> = quotes.iter().map(|quote| quote.price.get().to_string()).collect();
    // In front of the wall; half of 0.05 % before it is in the vacuum, the whole is outside the range.
    assert_eq!(prices, ["99960.51", "99965"]);
}

/// Bids with a vacuum from 99965 to 99990, and a wall beyond it.
fn market_with_vacuum() -> MarketReport {
    let mut changes = vec![(99_960, 80_000)];
    changes.extend((99_965..99_990).map(|bucket| (bucket, 0)));
    market(&changes, &visits(180, None))
}

fn cents(low: i64, high: i64) -> PriceRange {
    PriceRange {
        low: Number::new(Decimal::new(low, 2)),
        high: Number::new(Decimal::new(high, 2)),
    }
}

#[test]
fn a_range_wholly_inside_a_vacuum_is_named_with_its_nearest_edge() {
    let report = market_with_vacuum();
    let edge =
        |low, high| rules::in_vacuum(&report, &cents(low, high)).map(|found| found.nearest_edge.to_f64());
    assert_eq!(edge(9_996_600, 9_997_000), Some(99_965.0));
    assert_eq!(edge(9_998_000, 9_998_999), Some(99_990.0));
    assert_eq!(
        edge(9_997_750, 9_997_750),
        Some(99_965.0),
        "the middle: the lower edge"
    );
    // The edges themselves are places to quote, and a range that reaches beyond is not in it.
    for (low, high) in [
        (9_996_500, 9_996_500),
        (9_999_000, 9_999_000),
        (9_996_400, 9_997_000),
        (9_997_000, 9_999_001),
    ] {
        assert_eq!(edge(low, high), None, "{low} to {high}");
    }
}

#[test]
fn a_range_wholly_inside_a_vacuum_gets_no_quotes() {
    let report = market_with_vacuum();
    let tick = Params::default().tick;
    for action in [Action::Buy, Action::Sell, Action::Hold] {
        assert_eq!(
            rules::quotes_for(&report, action, &cents(9_996_700, 9_997_200), tick),
            []
        );
    }
}

#[test]
fn no_quote_leans_on_a_fleeting_wall() {
    // The wall at 99960 is in the newest of twelve books only, that at 99900 in all of them.
    let minutes = visits(180, None);
    let books: Vec<_> = (168..180)
        .map(|number| {
            let mut walls = vec![(99_900, 80_000)];
            walls.extend((number == 179).then_some((99_960, 80_000)));
            even_book(number, 100_000, 600, &walls)
        })
        .collect();
    let report = report_at(179, &books, &minutes, &Params::default());
    let both = cents(9_989_000, 9_997_000);
    let quotes = rules::quotes_for(&report, Action::Buy, &both, Params::default().tick);
    let ahead = |price: i64| {
        quotes
            .iter()
            .any(|quote| quote.price.get() == Decimal::new(price, 2))
    };
    assert!(ahead(9_990_051) && !ahead(9_996_051), "{quotes:?}");
}

/// Stretches of a side, some of them empty or thin.
fn patchy_side() -> impl Strategy<Value = Vec<i64>> {
    let stretch = (
        prop_oneof![2 => Just(0_i64), 1 => Just(1_i64), 4 => Just(-1_i64)],
        side(),
        5_usize..40,
    );
    prop::collection::vec(stretch, 1..6).prop_map(|stretches| {
        let stretches = stretches
            .into_iter()
            .map(|(quantity, levels, length)| match quantity {
                -1 => levels,
                quantity => vec![quantity; length],
            });
        stretches.flatten().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_the_book_the_rules_stay_passive_and_out_of_vacuums(bids in patchy_side(), asks in patchy_side(), rows in trades()) {
        let mut minutes = visits(40, None);
        for (minute, rows) in minutes.iter_mut().zip(&rows) {
            let rows: Vec<_> = rows.iter().map(|(bucket, buy, sell)| (100_000 + bucket, *buy, *sell)).collect();
            minute.levels.extend(crate::builders::minute(0, true, &rows).levels);
        }
        let report = report_at(39, &[book(39, 100_000, &bids, &asks)], &minutes, &Params::default());
        let advice = advise(&report).unwrap();
        if let Some(range) = advice.price_range {
            prop_assert!(rules::in_vacuum(&report, &range).is_none());
            for end in [range.low, range.high] {
                prop_assert!(!report.vacuum_ranges.iter().any(|zone| zone.is_inside(end.get())), "{:?}", range);
            }
            match advice.action {
                Action::Buy => prop_assert!(range.high < report.context.best_ask.unwrap()),
                Action::Sell => prop_assert!(range.low > report.context.best_bid.unwrap()),
                Action::Hold => {}
            }
        }
        if !advice.quotes.is_empty() {
            check_quotes(&report, &advice);
        }
    }
}

//! Every field of a recommendation line is in the tables of `docs/api.md`, and nothing else is.

use std::collections::BTreeSet;

use analyzer::recommendation::Recommendation;
use chrono::DateTime;
use strategy_core::model::advice::{AbstainReason, PriceRange, Quote, QuoteSide};
use strategy_core::model::report::Number;
use strategy_core::store::{DaySpending, Spending};

use crate::documented::{documented, fields};
use crate::market;

#[test]
fn every_field_of_a_line_has_a_row_and_every_row_a_field() {
    let words = || Some("words".to_owned());
    let line = Recommendation {
        price_range: Some(PriceRange {
            low: Number::ZERO,
            high: Number::ZERO,
        }),
        quotes: vec![Quote {
            side: QuoteSide::Buy,
            price: Number::ZERO,
            weight: 1.0,
        }],
        model: words(),
        fallback_reason: words(),
        detail: words(),
        model_fingerprint: words(),
        model_usage: Some(Spending::default()),
        model_today: Some(DaySpending {
            day: DateTime::UNIX_EPOCH.date_naive(),
            spending: Spending::default(),
        }),
        replayed: true,
        ..Recommendation::abstention(
            DateTime::UNIX_EPOCH,
            market::symbol(),
            AbstainReason::Budget,
            "why".to_owned(),
        )
    };
    let document = serde_json::from_str(&line.to_line().unwrap()).unwrap();
    let mut found = BTreeSet::new();
    fields("recommendation", &document, &mut found);
    let shapes = [
        "recommendation",
        "market_context",
        "quote",
        "model_usage",
        "model_today",
    ];
    let documented: BTreeSet<_> = documented()
        .into_iter()
        .filter(|(shape, _)| shapes.contains(&shape.as_str()))
        .collect();
    let missing: Vec<_> = found.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/api.md: {missing:?}");
    let stale: Vec<_> = documented.difference(&found).collect();
    assert!(stale.is_empty(), "in docs/api.md only: {stale:?}");
}

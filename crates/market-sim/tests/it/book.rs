//! The order book: what it promises and how it looks.

use std::collections::BTreeSet;

use market_sim::amount::{CENT, LOT, ONE};
use market_sim::book::{Book, BookLevel, Wall};
use market_sim::market::Market as _;
use market_sim::tape::{Tape, TapeConfig};

use crate::support::{config, start};

const DOLLAR: u64 = 100 * CENT;

fn quantile(levels: &[BookLevel], share: f64) -> u64 {
    let mut quantities: Vec<u64> = levels.iter().map(|level| level.quantity_e8 / LOT).collect();
    quantities.sort_unstable();
    quantities[(quantities.len() as f64 * share) as usize]
}

fn share_at(levels: &[BookLevel], multiple: u64) -> f64 {
    let total: u64 = levels.iter().map(|level| level.quantity_e8).sum();
    let on = levels
        .iter()
        .filter(|level| level.price_e8 % (multiple * DOLLAR) == 0);
    on.map(|level| level.quantity_e8).sum::<u64>() as f64 / total as f64
}

fn check_form(book: &Book) {
    assert_eq!((book.bids.len(), book.asks.len()), (5000, 5000));
    assert!(book.bids.is_sorted_by(|one, next| one.price_e8 > next.price_e8));
    assert!(book.asks.is_sorted_by(|one, next| one.price_e8 < next.price_e8));
    let spread = book.asks[0].price_e8 - book.bids[0].price_e8;
    assert!((2 * DOLLAR..=4 * DOLLAR + 2 * CENT).contains(&spread), "{spread}");
    assert!(
        book.bids
            .iter()
            .chain(&book.asks)
            .all(|level| level.quantity_e8 > 0 && level.price_e8 % CENT == 0)
    );
}

#[test]
fn books_look_like_recorded_ones() {
    let tape = Tape::new(config());
    let mut reports = Vec::new();
    for hour in 0..6 {
        let book = tape.book(start().offset(hour * 60).start_ms() + 12_345);
        check_form(&book);
        for side in [&book.bids, &book.asks] {
            let total = side.iter().map(|level| level.quantity_e8).sum::<u64>() as f64 / ONE as f64;
            let span = side[0].price_e8.abs_diff(side[4999].price_e8) / DOLLAR;
            let dollars: BTreeSet<u64> = side.iter().map(|level| level.price_e8 / DOLLAR).collect();
            let filled = dollars.len() as f64 / (span + 1) as f64;
            let (hundreds, tens) = (share_at(side, 100), share_at(side, 10));
            let quantities = [0.5, 0.75, 0.9, 0.99].map(|share| quantile(side, share));
            let report = format!(
                "total {total:.1} span {span} filled {filled:.3} $100 {hundreds:.2} $10 {tens:.2} lots {quantities:?}"
            );
            assert!((50.0..110.0).contains(&total), "{report}");
            assert!((2000..3000).contains(&span), "{report}");
            assert!(filled > 0.97, "{report}");
            assert!((0.09..0.40).contains(&hundreds), "{report}");
            assert!((0.17..0.50).contains(&tens), "{report}");
            assert!((10..=60).contains(&quantities[0]), "{report}");
            reports.push(report);
        }
    }
    println!("{}", reports.join("\n"));
}

#[test]
fn a_book_depends_on_seed_and_time_only_and_changes_slowly() {
    let (one, other) = (Tape::new(config()), Tape::new(config()));
    let at = start().start_ms() + 5000;
    let book = one.book(at);
    one.book(at + 60_000);
    assert_eq!(one.book(at + 99), book);
    assert_eq!(other.book(at), book);
    let later = one.book(at + 1000);
    assert!(later.last_update_id > book.last_update_id);
    let known: BTreeSet<(u64, u64)> = book
        .bids
        .iter()
        .map(|level| (level.price_e8, level.quantity_e8))
        .collect();
    let kept = later
        .bids
        .iter()
        .filter(|level| known.contains(&(level.price_e8, level.quantity_e8)))
        .count();
    assert!((4700..5000).contains(&kept), "{kept}");
}

#[test]
fn a_planted_wall_stays() {
    let price = config().base_price_cents + 50_000;
    let wall = Wall {
        price_cents: price,
        quantity_e8: 40 * ONE,
    };
    let tape = Tape::new(TapeConfig {
        walls: vec![wall],
        ..config()
    });
    for minutes in [0, 7, 300] {
        let book = tape.book(start().offset(minutes).start_ms());
        check_form(&book);
        let mut levels = book.bids.iter().chain(&book.asks);
        let found = levels.find(|level| level.price_e8 == price.unsigned_abs() * CENT);
        assert_eq!(found.map(|level| level.quantity_e8), Some(40 * ONE));
    }
}

#[test]
fn the_body_is_that_of_the_exchange_and_quickly_made() {
    let tape = Tape::new(config());
    let began = std::time::Instant::now();
    let book = tape.book(start().start_ms());
    let made = began.elapsed();
    let body = book.to_json(5000);
    println!(
        "book {made:?}, body {:?}, {} bytes",
        began.elapsed().checked_sub(made).unwrap(),
        body.len()
    );
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["bids"].as_array().unwrap().len(), 5000);
    assert_eq!(book.to_json(3).matches("\"],[\"").count(), 4);
}

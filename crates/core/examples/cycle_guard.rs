//! The steady cycle of the analyzer, for counting its instructions: `cargo xtask guard`.
//!
//! The counter is switched on inside `measured` and off outside.

#![expect(clippy::unwrap_used, reason = "made-up data are valid")]
#![expect(
    clippy::print_stdout,
    reason = "the number of units is what the program is for"
)]

#[path = "../benches/load/mod.rs"]
mod load;

use strategy_core::analysis::Engine;
use strategy_core::store::{encode_depth, encode_minute};

/// Cycles that are counted.
const CYCLES: i64 = 5;

const MINUTES: i64 = 2880;

#[inline(never)]
fn measured(engine: &mut Engine, documents: &[(String, String)]) -> usize {
    let mut bytes = 0;
    for (number, (book, minute)) in (MINUTES..).zip(documents) {
        bytes += load::steady_cycle(engine, book, minute, load::now(number)).len();
    }
    bytes
}

fn main() {
    let (mut engine, _) = load::first_cycle(&load::window(MINUTES, 60), MINUTES);
    let document = |number| {
        let book = encode_depth(&load::snapshot(number)).unwrap();
        let minute = encode_minute(&load::symbol(), &load::minute(number, 60)).unwrap();
        (book, minute)
    };
    let documents: Vec<_> = (MINUTES..MINUTES + CYCLES).map(document).collect();
    let bytes = measured(&mut engine, &documents);
    println!("{CYCLES} cycles, {bytes} bytes of analysis");
}

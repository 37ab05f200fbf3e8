//! The steady cycle of the analyzer, for counting its instructions: `cargo xtask guard`.
//!
//! `cycle_guard [MINUTES] [LEVELS]`: so many minutes are in the window, each with so many price levels; 2880 and 60
//! unless told. The counter is switched on inside `measured` and off outside.

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

#[inline(never)]
fn measured(engine: &mut Engine, first: i64, documents: &[(String, String)]) -> usize {
    let mut bytes = 0;
    for (number, (book, minute)) in (first..).zip(documents) {
        bytes += load::steady_cycle(engine, book, minute, load::now(number)).len();
    }
    bytes
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let minutes: i64 = arguments.next().unwrap_or(2880);
    let levels: i64 = arguments.next().unwrap_or(60);
    let (mut engine, _) = load::first_cycle(&load::window(minutes, levels), minutes);
    let document = |number| {
        let book = encode_depth(&load::snapshot(number)).unwrap();
        let minute = encode_minute(&load::symbol(), &load::minute(number, levels)).unwrap();
        (book, minute)
    };
    let documents: Vec<_> = (minutes..minutes + CYCLES).map(document).collect();
    let bytes = measured(&mut engine, minutes, &documents);
    println!("{CYCLES} cycles, {bytes} bytes of analysis");
}

//! Memory of the analysis over days of a market, a cycle a minute: `cargo run --release -p strategy-core --example engine_days [DAYS]`.

#![expect(clippy::unwrap_used, reason = "made-up data are valid")]
#![expect(clippy::print_stdout, reason = "the figures are what the program is for")]

#[path = "../benches/load/mod.rs"]
mod load;

use strategy_core::store::{encode_depth, encode_minute};

const DAY: i64 = 1440;

/// Minutes of the window.
const WINDOW: i64 = 2880;

/// Price levels of a minute.
const LEVELS: i64 = 60;

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn main() {
    let days: i64 = std::env::args()
        .nth(1)
        .map_or(5, |argument| argument.parse().unwrap());
    let (mut engine, _) = load::first_cycle(&load::window(WINDOW, LEVELS), WINDOW);
    println!("window full: {} kB resident", resident_kb());
    for day in 1..=days {
        for number in WINDOW + (day - 1) * DAY..WINDOW + day * DAY {
            let book = encode_depth(&load::snapshot(number)).unwrap();
            let minute = encode_minute(&load::symbol(), &load::minute(number, LEVELS)).unwrap();
            load::steady_cycle(&mut engine, &book, &minute, load::now(number));
        }
        println!("day {day}: {} kB resident", resident_kb());
    }
}

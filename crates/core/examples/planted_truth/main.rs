//! Prints how well the detectors find what was planted.
//!
//! `cargo run --release -p strategy-core --example planted_truth -- --seeds 1000`

#![expect(clippy::unwrap_used, reason = "a broken fixture is best reported by a panic")]
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/analysis/fixtures.rs"]
mod fixtures;
mod planted;

use planted::{Background, Recorded, Tally};

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seeds");
    let seeds: u64 = arguments.nth(1).map_or(1000, |text| text.parse().unwrap());
    let (bids, asks) = fixtures::recorded_levels();
    let recorded = Recorded::new(&bids, &asks);
    println!(
        "| detector | background | planted | found of them | recall | found in all | unexplained | precision |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (background, name) in [
        (Background::Drawn, "drawn"),
        (Background::Recorded, "recorded"),
        (Background::Varied, "recorded, varied"),
    ] {
        let score = planted::books(&recorded, background, seeds);
        row("walls, ≥ 8 × norm and ≥ 3 % of the side", name, score.walls);
        row("density bands", name, score.dense);
        row("vacuums", name, score.vacuums);
    }
    row(
        "fleeting walls",
        "drawn, 30 snapshots",
        planted::lives(&recorded, seeds),
    );
    row("volume nodes", "three hills", planted::nodes(seeds));
}

fn row(detector: &str, background: &str, tally: Tally) {
    println!(
        "| {detector} | {background} | {} | {} | {:.4} | {} | {} | {:.4} |",
        tally.planted,
        tally.recovered,
        tally.recall(),
        tally.found,
        tally.unexplained,
        tally.precision(),
    );
}

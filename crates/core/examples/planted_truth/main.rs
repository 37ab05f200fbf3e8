//! Prints how well the detectors find what was planted.
//!
//! `cargo run --release -p strategy-core --example planted_truth -- --seeds 1000`, and `--from 5000` for other seeds

#![expect(clippy::unwrap_used, reason = "a broken fixture is best reported by a panic")]
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/analysis/books.rs"]
mod books;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/analysis/fixtures.rs"]
mod fixtures;
mod planted;

use planted::{Background, Recorded, Tally};

fn main() {
    let number = |name: &str, default: u64| -> u64 {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1).map_or(default, |text| text.parse().unwrap())
    };
    let (first, count) = (number("--from", 0), number("--seeds", 1000));
    let seeds = || first..first + count;
    let recorded = Recorded::new(&books::recorded_books());
    println!(
        "| detector | background | alone | planted | found of them | recall | found in all | new | unexplained | precision |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (background, name) in Background::ALL {
        let score = planted::books(&recorded, background, seeds());
        row("walls, ≥ 8 × norm and ≥ 3 % of the side", name, score.walls);
        row("density bands", name, score.dense);
        row("vacuums", name, score.vacuums);
    }
    row("volume nodes", "three hills", planted::nodes(seeds()));
    println!();
    println!("| fleeting or lasting | walls | published | told right | told wrong | accuracy |");
    println!("|---|---|---|---|---|---|");
    for (background, name) in Background::ALL {
        let tally = planted::lives(&recorded, background, seeds());
        println!(
            "| {name} | {} | {} | {} | {} | {:.4} |",
            tally.planted,
            tally.found,
            tally.recovered,
            tally.unexplained,
            tally.recall(),
        );
    }
}

fn row(detector: &str, background: &str, tally: Tally) {
    println!(
        "| {detector} | {background} | {} | {} | {} | {:.4} | {} | {} | {} | {:.4} |",
        tally.alone,
        tally.planted,
        tally.recovered,
        tally.recall(),
        tally.found,
        tally.new,
        tally.unexplained,
        tally.precision(),
    );
}

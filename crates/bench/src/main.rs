//! `cargo xtask bench`: both daemons, as they are installed, against bare programs that move the same bytes
//! through the same libraries and do nothing else.
//!
//! Runs of daemon and floor take turns, so that what disturbs the machine disturbs both. Processor time is
//! that of the whole process, from the kernel's clock of it.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod cores;
mod cpu;
mod cycle;
mod depth;
mod fill;
mod frames;
mod life;
mod share;
mod stage;
mod table;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::share::Share;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Trade frames
    Frames,
    /// Books
    Depth,
    /// The first cycle of the analyzer
    First,
    /// Its following cycles
    Steady,
    /// Starts
    Starts,
    /// Stops
    Stops,
    /// The window from the exchange's history
    Warm,
    /// A second with twenty thousand trades
    Burst,
}

/// Measures both daemons against the floor and prints a table.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Only this; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Work>,
    /// Runs of daemon and floor each
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Only one in so many of the seconds, minutes, trades and stops of a run; shows that a line can be
    /// measured, its figures mean nothing then
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
    one_in: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (runs, share) = (usize::from(arguments.runs), Share::one_in(arguments.one_in));
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for work in Work::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(work) {
            continue;
        }
        let found = match work {
            Work::Frames => frames::measure(runs, share).await,
            Work::Depth => depth::measure(runs, share).await,
            Work::First => cycle::first(runs, share).await,
            Work::Steady => cycle::steady(runs, share).await,
            Work::Starts => life::starts(runs).await,
            Work::Stops => life::stops(share).await,
            Work::Warm => fill::warm_start(share).await,
            Work::Burst => fill::burst(share).await,
        };
        match found {
            Ok(found) => rows.extend(found),
            // What the others have found is not lost.
            Err(error) => failed.push(format!("{work:?}: {error:#}")),
        }
    }
    print!("\n{}", table::text(&rows)?);
    ensure!(failed.is_empty(), "not measured: {}", failed.join("; "));
    Ok(())
}

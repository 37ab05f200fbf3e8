//! `cargo xtask bench`: both daemons, as they are installed, against bare programs that move the same bytes
//! through the same libraries and do nothing else.
//!
//! Runs of daemon and floor take turns, so that what disturbs the machine disturbs both. Processor time is
//! that of the whole process, from the kernel's clock of it.

mod cpu;
mod cycle;
mod depth;
mod fill;
mod frames;
mod life;
mod stage;
mod table;

use anyhow::Result;
use clap::{Parser, ValueEnum};

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
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    for work in Work::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(work) {
            continue;
        }
        rows.extend(match work {
            Work::Frames => frames::measure(arguments.runs).await?,
            Work::Depth => depth::measure(arguments.runs).await?,
            Work::First => cycle::first(arguments.runs).await?,
            Work::Steady => cycle::steady(arguments.runs).await?,
            Work::Starts => life::starts(arguments.runs).await?,
            Work::Stops => life::stops().await?,
            Work::Warm => fill::warm_start().await?,
            Work::Burst => fill::burst().await?,
        });
    }
    table::print(&rows);
    Ok(())
}

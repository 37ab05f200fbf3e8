//! `cargo xtask chaos`: seeded runs of the real collector in a world that goes wrong.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use end_to_end_tests::chaos::{Plan, default_keep, run_seeds};

/// Runs the collector through seeded faults and compares what it recorded with what the exchange knows.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 8)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Worlds at a time
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// Only this seed, with its schedule
    #[arg(long)]
    seed: Option<u64>,
    /// Print the schedules and run nothing
    #[arg(long)]
    plan: bool,
    /// Where failed runs are kept [default: target/chaos]
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None => arguments.first_seed..arguments.first_seed.saturating_add(arguments.seeds),
    };
    if arguments.plan {
        for seed in seeds {
            println!("{}", Plan::new(seed));
        }
        return ExitCode::SUCCESS;
    }
    if arguments.seed.is_some() {
        println!("{}", Plan::new(seeds.start));
    }
    let keep = arguments.keep.unwrap_or_else(default_keep);
    let summary = run_seeds(seeds, arguments.jobs, &keep, |outcome| match outcome {
        Ok(outcome) => println!("{outcome}"),
        Err(seed) => println!(
            "seed {seed}: could not be brought to its end\n{}",
            Plan::new(seed)
        ),
    });
    println!("{summary}");
    if summary.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

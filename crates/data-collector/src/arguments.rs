//! The command line of the `data-collector` program.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use strategy_core::program;

/// Records the order book and every trade of one Binance spot market into Redis.
///
/// Exit codes: 0 asked to stop, 1 failed while running, 2 bad arguments, 78 bad configuration.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, global = true, value_name = "PATH", default_value = program::DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Validate the whole configuration, print the effective settings, and exit
    #[arg(long)]
    pub check_config: bool,
    /// What else it can do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does instead of running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether the running collector is well: exit code 0 if it is, 1 with the reasons if not
    Status {
        /// Print the status document instead of words
        #[arg(long)]
        json: bool,
    },
}

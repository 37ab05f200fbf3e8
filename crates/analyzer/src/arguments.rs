//! The command line of the `analyzer` program.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use strategy_core::program;
use strategy_core::symbol::Symbol;

/// Analyses the recorded market once a minute, asks the model, and appends a recommendation to the log.
///
/// Exit codes: 0 asked to stop (with --once: a line was written), 1 failed, 2 bad arguments,
/// 78 bad configuration.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, global = true, value_name = "PATH", default_value = program::DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Validate the whole configuration, print the effective settings, and exit
    #[arg(long, conflicts_with = "once")]
    pub check_config: bool,
    /// Run one analysis cycle and exit
    #[arg(long)]
    pub once: bool,
    /// Answer from this file of the archive instead of asking the model
    #[arg(long, value_name = "FILE", conflicts_with = "check_config")]
    pub replay_model: Option<PathBuf>,
    /// What else it can do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does instead of running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether the running analyzer is well: exit code 0 if it is, 1 with the reasons if not
    Status {
        /// Print the status document instead of words
        #[arg(long)]
        json: bool,
    },
    /// Analyse recorded files and say why every level is there; needs neither Redis nor the exchange
    Explain(Files),
}

/// The settings are those of the configuration file where it exists, otherwise the defaults.
#[derive(Debug, Args)]
pub struct Files {
    /// A depth answer of the exchange or a stored book, .json or .json.gz
    #[arg(long, value_name = "FILE", required_unless_present = "minutes")]
    pub snapshot: Option<PathBuf>,
    /// A directory of trades_*.json files
    #[arg(long, value_name = "DIR")]
    pub minutes: Option<PathBuf>,
    /// The market, where the files do not name it
    #[arg(long, value_parser = symbol)]
    pub symbol: Option<Symbol>,
    /// How the value area is grown: the cycle uses the two-row rule
    #[arg(long, value_name = "RULE", value_enum, default_value = "two-row")]
    pub value_area: Rule,
    /// When a depth answer arrived (RFC 3339); otherwise the end of the newest minute or the file's own time
    #[arg(long, value_name = "TIME")]
    pub at: Option<DateTime<Utc>>,
}

/// How a value area is grown.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Rule {
    /// The next two rows above against the next two below
    TwoRow,
    /// The next row above against the next below
    OneRow,
}

fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::new(text).map_err(|error| error.to_string())
}

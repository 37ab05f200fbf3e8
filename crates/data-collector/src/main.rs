//! The `data-collector` program: arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use strategy_core::program;

/// Records the order book and every trade of one Binance spot market into Redis.
///
/// Exit codes: 0 asked to stop, 1 failed while running, 2 bad arguments, 78 bad configuration.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file
    #[arg(long, global = true, value_name = "PATH", default_value = program::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Validate the whole configuration, print the effective settings, and exit
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether the running collector is well: exit code 0 if it is, 1 with the reasons if not
    Status {
        /// Print the status document instead of words
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.command.is_some() && arguments.check_config {
        let words = "--check-config cannot be used with a command";
        let error = Arguments::command().error(ErrorKind::ArgumentConflict, words);
        program::print_error(error.to_string().trim_end());
        return ExitCode::from(program::EXIT_ARGUMENTS);
    }
    match arguments.command {
        Some(Command::Status { json }) => {
            program::query("data-collector", &arguments.config, |config| async move {
                program::report_status(program::Daemon::Collector, &config, json).await
            })
        }
        None if arguments.check_config => program::check_config(&arguments.config),
        None => program::run("data-collector", &arguments.config, |config, lifecycle| {
            data_collector::run(&config, lifecycle)
        }),
    }
}

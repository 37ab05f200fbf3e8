//! The `data-collector` program: arguments in, exit code out.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use data_collector::arguments::{Arguments, Command};
use strategy_core::program;

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
        None => program::run("data-collector", &arguments.config, |config, log, lifecycle| {
            data_collector::run(&config, log, lifecycle)
        }),
    }
}

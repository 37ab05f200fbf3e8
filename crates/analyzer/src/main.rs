//! The `analyzer` program: arguments in, exit code out.

use std::process::ExitCode;

use analyzer::arguments::{Arguments, Command, Files, Rule};
use analyzer::explain::{self, Question};
use analyzer::llm::recording::Recording;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use strategy_core::config::Config;
use strategy_core::model::report::ValueAreaRule;
use strategy_core::program;
use strategy_core::telemetry::error_chain;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let of_a_run = arguments.check_config || arguments.once || arguments.replay_model.is_some();
    if arguments.command.is_some() && of_a_run {
        let words = "--check-config, --once and --replay-model cannot be used with a command";
        let error = Arguments::command().error(ErrorKind::ArgumentConflict, words);
        program::print_error(error.to_string().trim_end());
        return ExitCode::from(program::EXIT_ARGUMENTS);
    }
    match arguments.command {
        Some(Command::Status { json }) => {
            program::query("analyzer", &arguments.config, |config| async move {
                program::report_status(program::Daemon::Analyzer, &config, json).await
            })
        }
        Some(Command::Explain(files)) if arguments.config.exists() => {
            program::query("analyzer", &arguments.config, |config| async move {
                answer(&files, &config)
            })
        }
        Some(Command::Explain(files)) => match explain::default_settings() {
            Ok(config) => answer(&files, &config),
            Err(errors) => {
                program::print_error(&errors.to_string());
                ExitCode::from(program::EXIT_CONFIG)
            }
        },
        None if arguments.check_config => program::check_config(&arguments.config),
        None => run(&arguments),
    }
}

/// Runs until asked to stop, or one cycle. A recording that cannot be replayed is a bad argument.
fn run(arguments: &Arguments) -> ExitCode {
    let replay = arguments.replay_model.as_deref().map(Recording::load).transpose();
    match replay {
        Err(error) => {
            program::print_error(&format!("error: {}", error_chain(&error)));
            ExitCode::from(program::EXIT_ARGUMENTS)
        }
        Ok(replay) => program::run("analyzer", &arguments.config, |config, log, lifecycle| {
            if arguments.once {
                analyzer::run_once(&config, replay, lifecycle)
            } else {
                analyzer::run(&config, replay, log, lifecycle)
            }
        }),
    }
}

/// Prints the explanation, or what is wrong with which file.
fn answer(files: &Files, config: &Config) -> ExitCode {
    let question = Question {
        snapshot: files.snapshot.as_deref(),
        minutes: files.minutes.as_deref(),
        symbol: files.symbol.as_ref(),
        rule: match files.value_area {
            Rule::TwoRow => ValueAreaRule::TwoRow,
            Rule::OneRow => ValueAreaRule::OneRow,
        },
        at: files.at,
    };
    match explain::explain(&question, config) {
        Ok(text) => program::print(&text),
        Err(error) => {
            program::print_error(&format!("error: {}", error_chain(&error)));
            ExitCode::FAILURE
        }
    }
}

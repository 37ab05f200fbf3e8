//! The `analyzer` program: arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use analyzer::explain::{self, Question};
use analyzer::llm::recording::Recording;
use chrono::{DateTime, Utc};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use strategy_core::config::Config;
use strategy_core::model::report::ValueAreaRule;
use strategy_core::program;
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;

/// Analyses the recorded market once a minute, asks the model, and appends a recommendation to the log.
///
/// Exit codes: 0 asked to stop (with --once: a line was written), 1 failed, 2 bad arguments,
/// 78 bad configuration.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file
    #[arg(long, global = true, value_name = "PATH", default_value = program::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Validate the whole configuration, print the effective settings, and exit
    #[arg(long, conflicts_with = "once")]
    check_config: bool,
    /// Run one analysis cycle and exit
    #[arg(long)]
    once: bool,
    /// Answer from this file of the archive instead of asking the model
    #[arg(long, value_name = "FILE", conflicts_with = "check_config")]
    replay_model: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
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
struct Files {
    /// A depth answer of the exchange or a stored book, .json or .json.gz
    #[arg(long, value_name = "FILE", required_unless_present = "minutes")]
    snapshot: Option<PathBuf>,
    /// A directory of trades_*.json files
    #[arg(long, value_name = "DIR")]
    minutes: Option<PathBuf>,
    /// The market, where the files do not name it
    #[arg(long, value_parser = symbol)]
    symbol: Option<Symbol>,
    /// How the value area is grown: the cycle uses the two-row rule
    #[arg(long, value_name = "RULE", value_enum, default_value = "two-row")]
    value_area: Rule,
    /// When a depth answer arrived (RFC 3339); otherwise the end of the newest minute or the file's own time
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
}

/// How a value area is grown.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rule {
    /// The next two rows above against the next two below
    TwoRow,
    /// The next row above against the next below
    OneRow,
}

fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::new(text).map_err(|error| error.to_string())
}

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
        Ok(replay) => program::run("analyzer", &arguments.config, |config, lifecycle| {
            if arguments.once {
                analyzer::run_once(&config, replay, lifecycle)
            } else {
                analyzer::run(&config, replay, lifecycle)
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

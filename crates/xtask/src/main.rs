//! Tasks of the workspace: `cargo xtask demo`, `run`, `test`, `explain`, `chaos`, `soak`, `bench`, `guard`, `coverage`,
//! `fuzz`, `lint`, `deb`, `test-systemd`.
//!
//! What a developer runs and what CI runs is the same. A missing `redis-server` is installed, or the one
//! command that does it is printed; nothing is skipped because of it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]
#![expect(
    clippy::disallowed_types,
    reason = "it runs cargo, the daemons and their peers"
)]

mod build;
mod checks;
mod coverage;
mod daemons;
mod demo;
mod follow;
mod fuzz;
mod guard;
mod machine;
mod package;
mod processes;
mod redis;
mod settings;
mod systemd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs, tests and checks the workspace.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run both daemons against a simulated exchange and model, with a Redis of their own; Ctrl+C ends it
    Demo(demo::DemoArguments),
    /// Run both daemons against the real exchange; Ctrl+C ends it
    Run(demo::RunArguments),
    /// Run every test of the workspace
    Test {
        /// Passed on to `cargo test`, for instance a name
        arguments: Vec<String>,
    },
    /// Run the collector through seeded faults and compare with the truth; `-- --help` lists its arguments
    Chaos {
        /// For instance `--seeds 500 --jobs 4`, or `--seed 17` to reproduce one
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the collector through days of a market in minutes, watching its memory; `-- --help` lists arguments
    Soak {
        /// For instance `--minutes 30 --speed 240`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Analyse recorded files and say why every level is there: `analyzer explain`
    Explain {
        /// Passed on, for instance `--snapshot FILE --minutes DIR`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every test and print the share of lines that were run, by crate
    Coverage {
        /// Fail below this share, in percent
        #[arg(long, default_value_t = 90.0)]
        least: f64,
        /// Print every file too
        #[arg(long)]
        files: bool,
        /// Passed on to `cargo test`, after `--`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Feed every parser of bytes from outside with what breaks parsers
    Fuzz(fuzz::FuzzArguments),
    /// Measure both daemons against bare programs that move the same bytes; `-- --help` lists its arguments
    Bench {
        /// For instance `--only frames --runs 3`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Count the instructions of the paths that matter; fails at a tenth more than is written down
    Guard {
        /// Write the counts down instead
        #[arg(long)]
        write: bool,
    },
    /// Check formatting, lints, documentation and the dependency policy
    Lint,
    /// Build the Debian package of both programs; lintian's verdict is the exit code
    Deb(package::DebArguments),
    /// Install the package in a booted Debian (systemd-nspawn) and check that both services behave; needs root
    TestSystemd(systemd::TestArguments),
}

fn main() -> ExitCode {
    if let Some(error) = coverage::compile() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let outcome = match Arguments::parse().task {
        Task::Demo(arguments) => demo::demo(&arguments),
        Task::Run(arguments) => demo::run(&arguments),
        Task::Test { arguments } => checks::test(&arguments),
        Task::Chaos { arguments } => checks::tests_program("chaos", false, &arguments),
        Task::Soak { arguments } => checks::soak(&arguments),
        Task::Explain { arguments } => explain(&arguments),
        Task::Coverage {
            least,
            files,
            arguments,
        } => coverage::coverage(least, files, &arguments),
        Task::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Task::Bench { arguments } => checks::tests_program("bench", true, &arguments),
        Task::Guard { write } => guard::guard(write),
        Task::Lint => checks::lint(),
        Task::Deb(arguments) => package::deb(&arguments).map(drop),
        Task::TestSystemd(arguments) => systemd::test(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<settings::Refused>() {
                ExitCode::from(settings::EXIT_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs `analyzer explain` in the directory of the caller.
fn explain(arguments: &[String]) -> anyhow::Result<()> {
    build::build(&["--quiet", "--bin", "analyzer"])?;
    let mut command = std::process::Command::new(build::program("analyzer", false)?);
    build::run(command.arg("explain").args(arguments))
}

//! What must hold before a change is accepted.

use anyhow::Result;

use crate::build::{self, cargo, run};
use crate::redis;

/// Version of the tool that checks the dependency policy.
const CARGO_DENY: &str = "0.20.2";

/// Longest time for one question of it, in words of `timeout`.
const DENY_LIMIT: &str = "5m";

/// End-to-end tests wait more than they compute: more of them at a time than there are cores.
const TEST_THREADS: &str = "--test-threads=4";

/// Runs every test, or those that `arguments` name.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    redis::ensure_server()?;
    redis::ensure_faketime()?;
    build::build_programs(false)?;
    let mut command = cargo("test", &["--workspace", "--locked"]);
    if arguments.iter().any(|argument| argument == "--") {
        command.args(arguments);
    } else {
        command.args(arguments).args(["--", TEST_THREADS]);
    }
    run(&mut command)
}

/// Runs a program of the tests that takes longer than a test may.
pub(crate) fn tests_program(name: &str, release: bool, arguments: &[String]) -> Result<()> {
    redis::ensure_server()?;
    build::build_programs(release)?;
    run(std::process::Command::new(build::program(name, release)?).args(arguments))
}

/// Days of a market in minutes, with programs as they are installed, whose memory is what it is about.
pub(crate) fn soak(arguments: &[String]) -> Result<()> {
    redis::ensure_faketime()?;
    tests_program("soak", true, arguments)
}

/// Formatting, lints, documentation, dependency policy.
pub(crate) fn lint() -> Result<()> {
    run(&mut cargo("fmt", &["--all", "--check"]))?;
    run(&mut cargo(
        "clippy",
        &["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    ))?;
    run(cargo(
        "doc",
        &["--workspace", "--no-deps", "--locked", "--document-private-items"],
    )
    .env("RUSTDOCFLAGS", "-D warnings"))?;
    deny()
}

/// Licences, bans and sources; and the advisories, where their database can be had from the internet.
fn deny() -> Result<()> {
    let tools = build::target()?.join("tools");
    let own = tools.join("bin").join("cargo-deny");
    if !own.exists() {
        run(std::process::Command::new(env!("CARGO"))
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--version",
                CARGO_DENY,
                "--root",
            ])
            .arg(tools))?;
    }
    let deny = |arguments: &[&str]| {
        let mut command = std::process::Command::new("timeout");
        command.arg(DENY_LIMIT).arg(&own).arg("--locked").args(arguments);
        run(command.current_dir(build::root()))
    };
    deny(&["check", "bans", "licenses", "sources"])?;
    if let Err(error) = deny(&["fetch", "db"]) {
        println!("The advisories were not checked, their database cannot be had: {error:#}");
        return Ok(());
    }
    deny(&["check", "advisories"])
}

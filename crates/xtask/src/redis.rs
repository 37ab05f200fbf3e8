//! Makes sure that the programs the tests need are there: Redis, and a clock that can be set.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::build;

/// Package managers that may be there, and how each installs packages without asking.
const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get update && apt-get install -y"),
    ("dnf", "dnf install -y"),
    ("apk", "apk add"),
    ("pacman", "pacman -Sy --noconfirm"),
    ("brew", "brew install"),
];

/// Names of the package with Redis and of the one with the clock, in the order of the installers.
const REDIS: [&str; 5] = ["redis-server", "redis", "redis", "redis", "redis"];
const FAKETIME: [&str; 5] = [
    "faketime",
    "libfaketime",
    "libfaketime",
    "libfaketime",
    "libfaketime",
];

const VALGRIND: [&str; 5] = ["valgrind"; 5];

/// Installs Redis if it is missing and the rights suffice; otherwise says which command to type.
pub(crate) fn ensure_server() -> Result<()> {
    ensure("redis-server", &REDIS)
}

/// The same for `faketime`, which shows a program another time of day.
pub(crate) fn ensure_faketime() -> Result<()> {
    ensure("faketime", &FAKETIME)
}

/// The same for `valgrind`, which counts instructions.
pub(crate) fn ensure_valgrind() -> Result<()> {
    ensure("valgrind", &VALGRIND)
}

fn ensure(program: &str, packages: &[&str; 5]) -> Result<()> {
    if is_there(program) {
        return Ok(());
    }
    let found = INSTALLERS
        .iter()
        .zip(packages)
        .find(|((name, _), _)| is_there(name));
    let Some(((name, install), package)) = found else {
        bail!("{program} is needed and no known package manager is here: install it and try again");
    };
    let command = format!("{install} {package}");
    let (shell, arguments) = if *name == "brew" || is_root() {
        ("sh", vec!["-c", &command])
    } else if succeeds("sudo", &["-n", "true"]) {
        ("sudo", vec!["-n", "sh", "-c", &command])
    } else {
        bail!("{program} is needed; please type this once and try again:\n\n    sudo sh -c '{command}'\n");
    };
    println!("{program} is missing: {command}");
    // A service of Redis would only wait for work: the demo and the tests have servers of their own.
    build::run(
        Command::new(shell)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    if is_there(program) {
        return Ok(());
    }
    bail!("{program} is still missing after `{command}`");
}

/// True if a program can be run.
pub(crate) fn is_there(program: &str) -> bool {
    succeeds(program, &["--version"])
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    user.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

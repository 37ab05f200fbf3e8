//! Makes sure that there is a `redis-server`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::build;

/// Package managers that may be there, and how each installs Redis without asking.
const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get update && apt-get install -y redis-server"),
    ("dnf", "dnf install -y redis"),
    ("apk", "apk add redis"),
    ("pacman", "pacman -Sy --noconfirm redis"),
    ("brew", "brew install redis"),
];

/// Installs Redis if it is missing and the rights suffice; otherwise says which command to type.
pub(crate) fn ensure_server() -> Result<()> {
    if is_there("redis-server") {
        return Ok(());
    }
    let Some((name, command)) = INSTALLERS.iter().find(|(name, _)| is_there(name)) else {
        bail!("redis-server is needed and no known package manager is here: install it and try again");
    };
    let (shell, arguments) = if *name == "brew" || is_root() {
        ("sh", vec!["-c", command])
    } else if succeeds("sudo", &["-n", "true"]) {
        ("sudo", vec!["-n", "sh", "-c", command])
    } else {
        bail!("redis-server is needed; please type this once and try again:\n\n    sudo sh -c '{command}'\n");
    };
    println!("redis-server is missing: {command}");
    // Its service would only wait for work: the demo and the tests have servers of their own.
    build::run(
        Command::new(shell)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    if is_there("redis-server") {
        return Ok(());
    }
    bail!("redis-server is still missing after `{command}`");
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

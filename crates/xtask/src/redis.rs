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
    let may = Rights {
        root: is_root(),
        sudo: succeeds("sudo", &["-n", "true"]),
    };
    let (shell, arguments) = installation(program, packages, is_there, may)?;
    let command = arguments.last().cloned().unwrap_or_default();
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

/// What may be done here without a question.
#[derive(Debug, Clone, Copy)]
struct Rights {
    root: bool,
    sudo: bool,
}

/// The command that installs a program, or an error that says what to type.
fn installation(
    program: &str,
    packages: &[&str; 5],
    is_there: impl Fn(&str) -> bool,
    may: Rights,
) -> Result<(&'static str, Vec<String>)> {
    let found = INSTALLERS
        .iter()
        .zip(packages)
        .find(|((name, _), _)| is_there(name));
    let Some(((name, install), package)) = found else {
        bail!("{program} is needed and no known package manager is here: install it and try again");
    };
    let command = format!("{install} {package}");
    let arguments = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    if *name == "brew" || may.root {
        Ok(("sh", arguments(&["-c", &command])))
    } else if may.sudo {
        Ok(("sudo", arguments(&["-n", "sh", "-c", &command])))
    } else {
        bail!("{program} is needed; please type this once and try again:\n\n    sudo sh -c '{command}'\n");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Rights = Rights {
        root: false,
        sudo: false,
    };

    fn with(installer: &'static str, may: Rights) -> Result<(&'static str, Vec<String>)> {
        installation("faketime", &FAKETIME, |name| name == installer, may)
    }

    #[test]
    fn what_is_missing_is_installed_where_the_rights_suffice() {
        let root = Rights {
            root: true,
            ..NOTHING
        };
        let (shell, arguments) = with("apt-get", root).unwrap();
        assert_eq!(
            (shell, arguments.join(" ").as_str()),
            ("sh", "-c apt-get update && apt-get install -y faketime")
        );
        let sudo = Rights {
            sudo: true,
            ..NOTHING
        };
        let (shell, arguments) = with("dnf", sudo).unwrap();
        assert_eq!(
            (shell, arguments.join(" ").as_str()),
            ("sudo", "-n sh -c dnf install -y libfaketime")
        );
        let (shell, arguments) = with("brew", NOTHING).unwrap();
        assert_eq!(
            (shell, arguments.join(" ").as_str()),
            ("sh", "-c brew install libfaketime")
        );
    }

    #[test]
    fn without_rights_the_command_to_type_is_told() {
        let error = with("apk", NOTHING).unwrap_err().to_string();
        assert!(error.contains("sudo sh -c 'apk add libfaketime'"), "{error}");
        let error = with("no installer", NOTHING).unwrap_err().to_string();
        assert!(
            error.contains("faketime") && error.contains("no known package manager"),
            "{error}"
        );
    }

    #[test]
    fn a_program_is_there_if_it_can_be_run() {
        assert!(is_there("cargo"));
        assert!(!is_there("no-such-program"));
        assert!(ensure("cargo", &REDIS).is_ok(), "nothing is installed for it");
    }
}

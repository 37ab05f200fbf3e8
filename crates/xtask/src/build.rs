//! Calls to cargo, and where its output is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Root of the workspace.
pub(crate) fn root() -> PathBuf {
    // This file's crate is two directories below it.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// A call of cargo in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end; not succeeding is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("`{shown}` could not be started"))?;
    ensure!(status.success(), "`{shown}` ended with {status}");
    Ok(())
}

/// Builds every program of the workspace.
pub(crate) fn build_programs(release: bool) -> Result<()> {
    let mut command = cargo(&["build", "--workspace", "--bins", "--locked"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Path of a built program.
pub(crate) fn program(name: &str, release: bool) -> PathBuf {
    target()
        .join(if release { "release" } else { "debug" })
        .join(name)
}

/// Where cargo puts what it builds.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo itself is told where to build by this variable"
)]
pub(crate) fn target() -> PathBuf {
    env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| argument.to_string_lossy())
        .collect();
    format!("{program} {}", arguments.join(" "))
}

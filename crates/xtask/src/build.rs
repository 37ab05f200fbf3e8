//! Calls to cargo, and where its output is.

use std::env;
use std::path::{self, Path, PathBuf};
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

/// A call of cargo for this workspace: a subcommand and what follows it.
///
/// It runs where the task was called, as the cargo that built the task did: a relative target directory
/// then means the same to both.
pub(crate) fn cargo(subcommand: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .arg(subcommand)
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .args(arguments);
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
    let release = if release { &["--release"][..] } else { &[] };
    build(&[&["--workspace", "--bins"], release].concat())
}

/// Builds what the arguments name, to where [`program`] looks for it.
pub(crate) fn build(arguments: &[&str]) -> Result<()> {
    let mut command = cargo("build", arguments);
    run(command.arg("--locked").arg("--target-dir").arg(target()?))
}

/// Path of a built program.
pub(crate) fn program(name: &str, release: bool) -> Result<PathBuf> {
    Ok(target()?
        .join(if release { "release" } else { "debug" })
        .join(name))
}

/// Where cargo puts what it builds: this task was built there too. Absolute.
pub(crate) fn target() -> Result<PathBuf> {
    let own = env::current_exe().context("the place of this program is not known")?;
    target_of(&path::absolute(own)?)
}

/// The target directory of a program in `<target>/<profile>/`.
fn target_of(program: &Path) -> Result<PathBuf> {
    let target = program.ancestors().nth(2);
    target
        .map(Path::to_owned)
        .with_context(|| format!("{} is in no target directory", program.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_the_one_this_program_was_built_in() {
        let target = |program: &str| target_of(Path::new(program)).unwrap();
        assert_eq!(
            target("/elsewhere/built/debug/xtask"),
            Path::new("/elsewhere/built")
        );
        assert_eq!(target("/built/release/xtask (deleted)"), Path::new("/built"));
        assert!(target_of(Path::new("xtask")).is_err());
    }

    #[test]
    fn programs_are_named_absolutely_whatever_the_environment_says() {
        assert!(program("analyzer", false).unwrap().is_absolute());
    }

    #[test]
    fn cargo_runs_where_the_task_was_called() {
        let command = cargo("build", &["--bins"]);
        assert_eq!(command.get_current_dir(), None);
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(
            (arguments[0], arguments[1], arguments[3]),
            ("build".as_ref(), "--manifest-path".as_ref(), "--bins".as_ref())
        );
        assert!(Path::new(arguments[2]).is_absolute());
    }
}

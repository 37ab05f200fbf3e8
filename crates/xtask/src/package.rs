//! The Debian package: `cargo xtask deb`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::build::{self, run};
use crate::redis::is_there;

/// Version of the tool that builds the package.
const CARGO_DEB: &str = "3.8.0";

/// The package whose manifest says what is in the Debian package.
const DESCRIBED_BY: &str = "strategy-agent";

#[derive(Debug, Args)]
pub(crate) struct DebArguments {
    /// Revision of the package
    #[arg(long, default_value = "1")]
    pub(crate) revision: String,
}

/// Builds the package, shows what is in it and what lintian says. Answers where it is.
pub(crate) fn deb(arguments: &DebArguments) -> Result<PathBuf> {
    build_programs(Profile::Release)?;
    let package = pack(&arguments.revision, Profile::Release, Size::Small)?;
    run(Command::new("dpkg").arg("-c").arg(&package))?;
    if is_there("lintian") {
        run(Command::new("lintian")
            .args(["--fail-on", "error,warning", "--tag-display-limit", "0"])
            .arg(&package))?;
        println!("lintian has no objection.");
    } else {
        println!("lintian is not installed: the package was not checked.");
    }
    println!("{}", package.display());
    Ok(package)
}

/// The programs as they are installed, and their pages.
pub(crate) fn build_programs(profile: Profile) -> Result<()> {
    let daemons = ["-p", "data-collector", "-p", "analyzer", "--bins"];
    let release = match profile {
        Profile::Debug => &[][..],
        Profile::Release => &["--release"],
    };
    build::build(&[&daemons, release].concat())?;
    build::build(&["-p", "end-to-end-tests", "--bin", "pages"])
}

/// How the programs of a package are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    /// As cargo calls it, and its directory below the target directory.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Debug => ("dev", "debug"),
            Self::Release => ("release", "release"),
        }
    }
}

/// Whether time or size matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// Puts the package together from what is built.
pub(crate) fn pack(revision: &str, profile: Profile, size: Size) -> Result<PathBuf> {
    let (profile, directory) = profile.names();
    // Beside the programs, where the manifest finds it wherever the target directory is.
    let staged = build::target()?.join(directory).join("package");
    if staged.exists() {
        fs::remove_dir_all(&staged).context("what was staged before cannot be removed")?;
    }
    fs::create_dir_all(&staged)?;
    run(Command::new(build::program("pages", false)?).arg(&staged))?;
    fs::write(staged.join("no-key"), "\n")?;
    fs::copy(build::root().join("CHANGELOG.md"), staged.join("changelog"))?;
    let mut pages = vec![staged.join("changelog")];
    for page in fs::read_dir(staged.join("man"))? {
        pages.push(page?.path());
    }
    run(Command::new("gzip").args(["-9", "--no-name"]).args(pages))?;
    let output = build::target()?.join("debian");
    fs::create_dir_all(&output)?;
    let package = output.join(format!(
        "strategy-agent_{}-{revision}.deb",
        env!("CARGO_PKG_VERSION")
    ));
    let mut command = Command::new(tool()?);
    if size == Size::Large {
        command.arg("--fast");
    }
    run(command
        .args([
            "--no-build",
            "--profile",
            profile,
            "--strip",
            "--locked",
            "--package",
            DESCRIBED_BY,
            "--deb-revision",
            revision,
        ])
        .arg("--output")
        .arg(&package)
        .current_dir(build::root())
        .env("CARGO_TARGET_DIR", build::target()?))?;
    Ok(package)
}

/// Where the tool is; installed once.
fn tool() -> Result<PathBuf> {
    let tools = build::target()?.join("tools");
    let own: PathBuf = tools.join("bin").join("cargo-deb");
    if !own.exists() {
        install(&tools)?;
    }
    Ok(own)
}

fn install(tools: &Path) -> Result<()> {
    run(Command::new(env!("CARGO"))
        .args([
            "install",
            "cargo-deb",
            "--locked",
            "--version",
            CARGO_DEB,
            "--root",
        ])
        .arg(tools))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_called_as_cargo_calls_it() {
        for profile in [Profile::Debug, Profile::Release] {
            let (name, directory) = profile.names();
            let program = build::program("analyzer", profile == Profile::Release).unwrap();
            assert!(program.ends_with(Path::new(directory).join("analyzer")), "{name}");
        }
    }
}

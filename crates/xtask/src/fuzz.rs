//! Fuzzing of every parser of bytes from outside, with libFuzzer, guided by coverage.
//!
//! The targets are in `fuzz/`, a workspace of its own: instrumented code and a library in C++ (needs `g++` or
//! `clang++`). The stable compiler is enough; `cargo +nightly fuzz run TARGET` works there too.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::build::{root, run, target};

/// The targets, and what they read.
const TARGETS: [(&str, &str); 6] = [
    ("stream", "text frames of the trade stream"),
    (
        "rest",
        "answers of REST: trades, book, time, rules, refusals, remembered orders",
    ),
    (
        "redis",
        "minutes, books, changes, statuses, costs, recommendation lines",
    ),
    (
        "files",
        "storage, records of the model, the day's cost, the recommendation log, explain",
    ),
    ("config", "the configuration"),
    ("model", "answers of the model and the bodies around them"),
];

/// What makes code report where it has been.
const INSTRUMENTED: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Named, so that build scripts and macros are not instrumented.
const MACHINE: &str = "x86_64-unknown-linux-gnu";

/// Longest input, in bytes.
const LONGEST: u32 = 8192;

#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// One target; otherwise all, one after the other
    #[arg(long)]
    target: Option<String>,
    /// How long each runs
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// Builds the targets and runs them. What made one fail stays in `target/fuzz/found/<target>/`.
pub(crate) fn fuzz(arguments: &FuzzArguments) -> Result<()> {
    let wanted: Vec<&str> = TARGETS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| arguments.target.as_deref().is_none_or(|target| target == *name))
        .collect();
    let known: Vec<String> = TARGETS
        .iter()
        .map(|(name, what)| format!("{name}: {what}"))
        .collect();
    ensure!(!wanted.is_empty(), "the targets are\n{}", known.join("\n"));
    let built = target()?.join("fuzz");
    let manifest = root().join("fuzz").join("Cargo.toml");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--target", MACHINE]);
    build
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(&built);
    for name in &wanted {
        build.args(["--bin", name]);
    }
    run(build.env("RUSTFLAGS", INSTRUMENTED.join(" ")))?;
    for name in wanted {
        one(name, arguments.seconds, &built)?;
    }
    Ok(())
}

fn one(name: &str, seconds: u32, built: &std::path::Path) -> Result<()> {
    let make = |kind: &str| -> Result<PathBuf> {
        let path = built.join(kind).join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(path)
    };
    let (corpus, found) = (make("corpus")?, make("found")?);
    let mut command = Command::new(built.join(MACHINE).join("release").join(name));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .args([
            "-print_final_stats=1",
            "-rss_limit_mb=2048",
            "-timeout=10",
            "-verbosity=1",
        ])
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(corpus)
        .arg(root().join("fuzz").join("seeds").join(name));
    println!("{name}: {seconds} s");
    run(&mut command)
}

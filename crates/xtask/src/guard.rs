//! `cargo xtask guard`: instructions of the paths that matter, counted under valgrind.
//!
//! Counts do not depend on what else a machine does, so that a tenth more than what is written down in
//! `crates/bench/instructions.txt` is a change of the program and fails. Who means it writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{build, redis};

/// More of what is written down that fails, in percent.
const TOLERANCE: u64 = 10;

/// A path, the program that goes it, and that program's arguments.
const PATHS: [(&str, &str, &[&str]); 4] = [
    ("frame_to_minute", "path_guard", &["frames"]),
    ("book_to_element", "path_guard", &["book"]),
    ("steady_cycle", "cycle_guard", &[]),
    // A cycle must not grow with the window, nor must what it grows by.
    ("steady_cycle_of_a_week", "cycle_guard", &["10080"]),
];

/// Counts, and compares with what is written down, or writes it down.
pub(crate) fn guard(write: bool) -> Result<()> {
    redis::ensure_valgrind()?;
    let examples = ["--example", "path_guard", "--example", "cycle_guard"];
    let packages = ["-p", "data-collector", "-p", "strategy-core"];
    let features = ["--features", "data-collector/measuring", "--release"];
    build::build(&[&packages[..], &examples, &features].concat())?;
    let mut counted = BTreeMap::new();
    for (path, program, arguments) in PATHS {
        let instructions = count(program, arguments)?;
        println!("{path}: {instructions} instructions");
        counted.insert(path.to_owned(), instructions);
    }
    let file = build::root().join("crates/bench/instructions.txt");
    if write {
        return write_down(&file, &counted);
    }
    compare(&read(&file)?, &counted)
}

/// Instructions per unit of work, as the program says how many units it did.
fn count(program: &str, arguments: &[&str]) -> Result<u64> {
    let example = build::target()?.join("release").join("examples").join(program);
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--collect-atstart=no",
        ])
        .arg(format!("--toggle-collect=*{program}*measured*"))
        .arg(&example)
        .args(arguments)
        .output()
        .context("valgrind cannot be started")?;
    let (said, counted) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{program} under valgrind: {counted}");
    per_unit(program, &said, &counted)
}

/// Instructions per unit, from what the program and valgrind say.
fn per_unit(program: &str, said: &str, counted: &str) -> Result<u64> {
    let units: u64 = first_number(said).with_context(|| format!("{program} says {said:?}"))?;
    let line = counted.lines().find_map(|line| line.split_once("Collected :"));
    let all: u64 = line
        .and_then(|(_, count)| first_number(count))
        .with_context(|| format!("no count in what valgrind says: {counted}"))?;
    ensure!(
        all > 0 && units > 0,
        "{program}: {all} instructions for {units} units"
    );
    Ok(all / units)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn compare(known: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Result<()> {
    let mut grown = String::new();
    for (path, instructions) in counted {
        let before = known
            .get(path)
            .with_context(|| format!("{path} is not in crates/bench/instructions.txt"))?;
        if instructions * 100 > before * (100 + TOLERANCE) {
            write!(grown, "\n  {path}: {before} before, {instructions} now")?;
        } else if instructions * 100 < before * (100 - TOLERANCE) {
            println!("{path} takes a tenth less than is written down: `cargo xtask guard --write`");
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!("more than {TOLERANCE} % more instructions than crates/bench/instructions.txt says:{grown}")
}

fn read(file: &Path) -> Result<BTreeMap<String, u64>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (path, count) = line.split_once(' ').with_context(|| line.to_owned())?;
            Ok((path.to_owned(), count.trim().parse()?))
        })
        .collect()
}

fn write_down(file: &Path, counted: &BTreeMap<String, u64>) -> Result<()> {
    let mut text =
        "# Instructions per frame, book and cycle; `cargo xtask guard` fails at a tenth more.\n".to_owned();
    for (path, instructions) in counted {
        writeln!(text, "{path} {instructions}")?;
    }
    Ok(fs::write(file, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cycle: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("steady_cycle".to_owned(), cycle)])
    }

    #[test]
    fn a_tenth_more_fails_and_names_the_path() {
        assert!(compare(&counts(1000), &counts(1100)).is_ok());
        assert!(compare(&counts(1000), &counts(500)).is_ok());
        let error = compare(&counts(1000), &counts(1101)).unwrap_err().to_string();
        assert!(error.contains("steady_cycle: 1000 before, 1101 now"), "{error}");
        assert!(compare(&BTreeMap::new(), &counts(1)).is_err());
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        write_down(&path, &counts(7)).unwrap();
        assert_eq!(read(&path).unwrap(), counts(7));
    }

    #[test]
    fn instructions_are_those_of_one_unit() {
        let counted = "==7== Events    : Ir\n==7== Collected : 5000\n==7== I   refs: 9000\n";
        assert_eq!(per_unit("path", "4 frames\n", counted).unwrap(), 1250);
        for (said, counted) in [
            ("no frames", counted),
            ("0 frames", counted),
            ("4 frames", "==7== Collected : 0\n"),
            ("4 frames", "valgrind: cannot"),
        ] {
            let error = per_unit("path_guard", said, counted).unwrap_err().to_string();
            assert!(!error.is_empty(), "{said} {counted}");
        }
    }

    #[test]
    fn what_is_written_down_for_every_path_can_be_read() {
        let known = read(&build::root().join("crates/bench/instructions.txt")).unwrap();
        for (path, _, _) in PATHS {
            assert!(known.get(path).is_some_and(|count| *count > 0), "{path}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        for wrong in ["steady_cycle", "steady_cycle many"] {
            fs::write(file.path(), wrong).unwrap();
            assert!(read(file.path()).is_err(), "{wrong}");
        }
    }
}

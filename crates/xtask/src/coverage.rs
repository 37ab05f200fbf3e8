//! How much of the code the tests run, by lines.
//!
//! The crates of the workspace are built instrumented in a target directory of their own; the daemons that tests
//! start as processes are counted too, unless they are killed. Needs `llvm-profdata` and `llvm-cov` of the
//! compiler's LLVM: Debian's `llvm-22`, or those `LLVM_PROFDATA` and `LLVM_COV` name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::build::{cargo, root, run, target};
use crate::redis;

/// Set where this program is called in the place of the compiler.
const IN_PLACE_OF_COMPILER: &str = "XTASK_INSTRUMENTS";

/// Lines counted and lines run.
#[derive(Debug, Clone, Copy, Default)]
struct Lines {
    all: u64,
    run: u64,
}

impl Lines {
    fn percent(self) -> f64 {
        if self.all == 0 {
            100.0
        } else {
            self.run as f64 * 100.0 / self.all as f64
        }
    }
}

/// Runs every test and prints the share of lines that were run, by crate. Fails below `least` percent.
pub(crate) fn coverage(least: f64, files: bool, arguments: &[String]) -> Result<()> {
    redis::ensure_server()?;
    redis::ensure_faketime()?;
    let (profdata, cov) = (
        tool("LLVM_PROFDATA", "llvm-profdata")?,
        tool("LLVM_COV", "llvm-cov")?,
    );
    let place = target()?.join("coverage");
    let profiles = place.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    // This program itself calls the compiler for the crates of the workspace; a shell would drop some of the
    // variables cargo sets for it.
    let wrapper = std::env::current_exe()?;
    let instrumented = |command: &mut Command| {
        command
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper)
            .env(IN_PLACE_OF_COMPILER, "1")
            .env("CARGO_INCREMENTAL", "0")
            // A few files for each program: processes add to them one after the other.
            .env("LLVM_PROFILE_FILE", profiles.join("%4m.profraw"))
            .arg("--target-dir")
            .arg(&place);
    };
    let kept = place.join("objects");
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    let mut objects = Vec::new();
    for subcommand in [&["build", "--bins"][..], &["test", "--no-run"]] {
        let mut command = cargo(
            subcommand[0],
            &[
                "--workspace",
                "--locked",
                "--message-format=json-render-diagnostics",
            ],
        );
        command.args(&subcommand[1..]);
        instrumented(&mut command);
        let built = executables(&mut command)?;
        objects.extend(keep(&built, &kept.join(subcommand[0]))?);
    }
    let mut command = cargo("test", &["--workspace", "--locked", "--no-fail-fast"]);
    instrumented(&mut command);
    command.args(arguments);
    if !arguments.iter().any(|argument| argument == "--") {
        command.args(["--", "--test-threads=4"]);
    }
    let tested = run(&mut command);
    let merged = place.join("merged.profdata");
    let mut merge = Command::new(profdata);
    // A process that is killed while it adds to a file spoils that file.
    merge
        .args(["merge", "-sparse", "--failure-mode=all", "-o"])
        .arg(&merged)
        .arg(&profiles);
    run(&mut merge)?;
    let by_file = lines(&cov, &merged, &objects)?;
    report(&by_file, files, least)?;
    tested.context("some tests failed; the figures above are those of this run")
}

/// Calls the compiler with instrumentation if that is what this program was called for.
pub(crate) fn compile() -> Option<anyhow::Error> {
    std::env::var_os(IN_PLACE_OF_COMPILER)?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next()?;
    // A task that a test runs while it is measured has the variable too.
    if Path::new(&compiler).file_stem()? != "rustc" {
        return None;
    }
    let mut compiler = Command::new(compiler);
    compiler
        .args(arguments)
        .arg("-Cinstrument-coverage")
        .env_remove(IN_PLACE_OF_COMPILER);
    // Comes back only when it could not be called.
    Some(compiler.exec().into())
}

/// The tool of this compiler's LLVM.
fn tool(variable: &str, name: &str) -> Result<PathBuf> {
    let verbose = Command::new("rustc").arg("-vV").output()?.stdout;
    let verbose = String::from_utf8_lossy(&verbose).into_owned();
    let version = verbose
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "));
    let major = version
        .and_then(|version| version.split('.').next())
        .unwrap_or_default();
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.unwrap_or_else(|| PathBuf::from(format!("{name}-{major}")));
    let works = Command::new(&found)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    ensure!(
        works.is_ok_and(|status| status.success()),
        "{} is not there; install it with: apt-get install llvm-{major}, or name it in {variable}",
        found.display()
    );
    Ok(found)
}

/// What a call of cargo has built that can be run.
fn executables(command: &mut Command) -> Result<Vec<PathBuf>> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the build ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let documents = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(documents
        .filter_map(|document| Some(document["executable"].as_str()?.into()))
        .collect())
}

/// Links what was built into a directory: the same program is built with other features for tests than
/// without them, and cargo puts whichever it was asked for last in the same place.
fn keep(built: &[PathBuf], directory: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let mut kept = Vec::new();
    for path in built {
        let name = path.file_name().context("a program without a name")?;
        let link = directory.join(name);
        fs::hard_link(path, &link).with_context(|| format!("{} cannot be kept", path.display()))?;
        kept.push(link);
    }
    Ok(kept)
}

/// Lines of every file of the workspace's crates.
fn lines(cov: &Path, merged: &Path, objects: &[PathBuf]) -> Result<BTreeMap<String, Lines>> {
    let Some((first, others)) = objects.split_first() else {
        bail!("nothing was built");
    };
    let mut command = Command::new(cov);
    command
        .args(["export", "-summary-only", "-instr-profile"])
        .arg(merged)
        .arg(first);
    for object in others {
        command.arg("-object").arg(object);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "llvm-cov ended with {}", output.status);
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let base = fs::canonicalize(root())?;
    let mut by_file = BTreeMap::new();
    for file in document["data"][0]["files"].as_array().into_iter().flatten() {
        let name = Path::new(file["filename"].as_str().unwrap_or_default());
        let Ok(name) = name.strip_prefix(&base) else {
            continue;
        };
        let figures = &file["summary"]["lines"];
        let count = |field: &str| figures[field].as_u64().unwrap_or_default();
        let lines = Lines {
            all: count("count"),
            run: count("covered"),
        };
        by_file.insert(name.display().to_string(), lines);
    }
    Ok(by_file)
}

/// The crate, and `None` for tests, which are not what is measured.
fn crate_of(file: &str) -> Option<&str> {
    let (name, inside) = file.strip_prefix("crates/")?.split_once('/')?;
    inside.starts_with("src/").then_some(name)
}

fn report(by_file: &BTreeMap<String, Lines>, files: bool, least: f64) -> Result<()> {
    let mut by_crate: BTreeMap<&str, Lines> = BTreeMap::new();
    let mut total = Lines::default();
    for (file, lines) in by_file {
        let Some(name) = crate_of(file) else { continue };
        for sum in [by_crate.entry(name).or_default(), &mut total] {
            sum.all += lines.all;
            sum.run += lines.run;
        }
        if files {
            println!(
                "{:6.2} %  {:5} of {:5}  {file}",
                lines.percent(),
                lines.run,
                lines.all
            );
        }
    }
    for (name, lines) in by_crate
        .iter()
        .map(|(name, lines)| (*name, *lines))
        .chain([("all", total)])
    {
        println!(
            "{name:15} {:6.2} %  {:6} of {:6} lines",
            lines.percent(),
            lines.run,
            lines.all
        );
    }
    ensure!(
        total.percent() >= least,
        "{:.2} % is less than {least} %",
        total.percent()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_crates_own_sources_count() {
        assert_eq!(crate_of("crates/core/src/num.rs"), Some("core"));
        assert_eq!(crate_of("crates/core/tests/analysis/main.rs"), None);
        assert_eq!(crate_of("tests/it/main.rs"), None);
    }

    #[test]
    fn too_little_is_an_error() {
        let lines = |all, run| Lines { all, run };
        let by_file = BTreeMap::from([
            ("crates/a/src/x.rs".to_owned(), lines(10, 9)),
            ("tests/it/x.rs".to_owned(), lines(100, 0)),
        ]);
        assert!(report(&by_file, true, 90.0).is_ok());
        assert!(report(&by_file, false, 90.1).is_err());
    }

    #[test]
    fn what_cargo_has_built_is_taken_from_its_messages() {
        let messages = r#"{"reason":"compiler-artifact","executable":"/t/debug/analyzer"}
{"reason":"compiler-artifact","executable":null}
{"reason":"build-finished","success":true}"#;
        let built = executables(Command::new("printf").args(["%s", messages])).unwrap();
        assert_eq!(built, [PathBuf::from("/t/debug/analyzer")]);
        let error = executables(Command::new("sh").args(["-c", "exit 101"])).unwrap_err();
        assert!(error.to_string().contains("101"), "{error}");
    }

    #[test]
    fn what_was_built_stays_though_another_takes_its_place() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("floor");
        let mut kept = Vec::new();
        for features in ["without tests", "of tests"] {
            // As cargo does it: the old one is unlinked, not written to.
            drop(fs::remove_file(&program));
            fs::write(&program, features).unwrap();
            let built = [program.clone()];
            kept.extend(keep(&built, &place.path().join(features)).unwrap());
        }
        fs::remove_file(&program).unwrap();
        let read: Vec<String> = kept
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(read, ["without tests", "of tests"]);
        assert!(
            keep(&[program], &place.path().join("again")).is_err(),
            "it is gone"
        );
    }

    #[test]
    fn figures_are_those_of_this_workspace_s_files() {
        let place = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root()).unwrap();
        let file = |name: &Path, all: u64, run: u64| {
            let summary = serde_json::json!({"lines": {"count": all, "covered": run}});
            serde_json::json!({"filename": name, "summary": summary})
        };
        let files = [
            file(&root.join("crates/core/src/num.rs"), 8, 6),
            file(Path::new("/rustc/library/core/src/num.rs"), 100, 1),
        ];
        let document = serde_json::json!({"data": [{"files": files}]});
        fs::write(place.path().join("answer"), document.to_string()).unwrap();
        let cov = place.path().join("cov");
        let script = place.path().join("script");
        fs::write(
            &script,
            "#!/bin/sh\necho \"$@\" > \"${0%cov}asked\"; cat \"${0%cov}answer\"\n",
        )
        .unwrap();
        // A file this process has open for writing, even for a moment, may be open in a child of another test.
        run(Command::new("install")
            .args(["-m", "0755"])
            .arg(&script)
            .arg(&cov))
        .unwrap();
        let objects = ["one".into(), "two".into()];
        let by_file = lines(&cov, Path::new("merged"), &objects).unwrap();
        let found: Vec<(&str, u64, u64)> = by_file
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.all, lines.run))
            .collect();
        assert_eq!(found, [("crates/core/src/num.rs", 8, 6)]);
        let asked = fs::read_to_string(place.path().join("asked")).unwrap();
        assert!(
            asked.ends_with("-instr-profile merged one -object two\n"),
            "{asked}"
        );
        assert!(
            lines(&cov, Path::new("merged"), &[]).is_err(),
            "nothing was built"
        );
    }

    #[test]
    fn a_tool_that_is_missing_is_named_with_how_to_install_it() {
        let error = tool("NO_SUCH_VARIABLE", "no-such-tool").unwrap_err().to_string();
        assert!(error.contains("no-such-tool-"), "{error}");
        assert!(error.contains("apt-get install llvm-"), "{error}");
        assert!(error.contains("NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn nothing_to_run_is_not_a_share_of_nothing() {
        assert!((Lines::default().percent() - 100.0).abs() < 1e-9);
        assert!((Lines { all: 8, run: 6 }.percent() - 75.0).abs() < 1e-9);
    }
}

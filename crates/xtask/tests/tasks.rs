//! The tasks as a developer calls them.
#![expect(clippy::disallowed_types, reason = "it runs the tasks")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: what they cannot do must fail the test"
)]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything; the programs may have to be built first.
const LIMIT: Duration = Duration::from_secs(900);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn ended(arguments: &[&str]) -> (Output, String) {
    let output = xtask(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// A task that runs until it is told to stop; ended in order when a test fails.
struct Task {
    child: Child,
    output: PathBuf,
}

impl Task {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let output = directory.join("shown");
        let file = File::create(&output).unwrap();
        let child = xtask(arguments)
            .stderr(file.try_clone().unwrap())
            .stdout(file)
            .spawn()
            .unwrap();
        Self { child, output }
    }

    fn shown(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn shows(&mut self, words: &str) {
        eventually(words, || {
            let shown = self.shown();
            let over = self.child.try_wait().unwrap();
            assert!(over.is_none(), "ended with {over:?}: {shown}");
            shown.contains(words).then_some(())
        });
    }

    fn interrupt(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        eventually("the task ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
        }
    }
}

/// Processes whose working directory is `directory`.
fn at_home_in(directory: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|process| process.path().join("cwd"))
        .filter(|link| fs::read_link(link).is_ok_and(|place| place == directory))
        .collect()
}

#[test]
fn a_demo_recommends_and_leaves_no_process_behind() {
    for (more, source) in [(&[][..], "deepseek"), (&["--no-model"], "rules")] {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("demo");
        let arguments = [
            "demo",
            "--window-minutes",
            "30",
            "--directory",
            home.to_str().unwrap(),
        ];
        let mut demo = Task::start(place.path(), &[&arguments, more].concat());
        demo.shows("first recommendation");
        demo.shows(&format!("by {source}"));
        assert_eq!(at_home_in(&home).len(), 3, "both daemons and redis run there");
        let status = demo.interrupt();
        let shown = demo.shown();
        assert!(status.success(), "{shown}");
        for name in ["analyzer", "data-collector", "market-sim", "redis-server"] {
            assert!(shown.contains(&format!("{name} stopped in ")), "{shown}");
        }
        assert!(at_home_in(&home).is_empty());
        let log = fs::read_to_string(home.join("logs/trading_recommendations_btcfdusd.log")).unwrap();
        let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!(line["source"], source);
    }
}

#[test]
fn a_configuration_that_is_refused_is_named_and_ends_with_78() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config.yaml");
    fs::write(&config, "redis: { prot: 6379 }\n").unwrap();
    let (output, said) = ended(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("redis.prot: unknown key"), "{said}");
}

#[test]
fn an_unknown_target_of_the_fuzzing_is_answered_with_those_there_are() {
    let (output, said) = ended(&["fuzz", "--target", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    for name in ["stream", "rest", "redis", "files", "config", "model"] {
        assert!(said.contains(&format!("\n{name}: ")), "{said}");
    }
}

#[test]
fn explaining_passes_on_what_the_analyzer_says() {
    let (output, said) = ended(&["explain", "--snapshot", "no-such-file.json"]);
    assert!(!output.status.success());
    assert!(said.contains("no-such-file.json"), "{said}");
    assert!(said.contains("analyzer"), "{said}");
}

#[test]
fn a_program_of_the_tests_is_built_and_given_its_arguments() {
    let (output, said) = ended(&["chaos", "--", "--help"]);
    assert!(output.status.success(), "{said}");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("--seeds") && help.contains("--jobs"), "{help}");
    let (output, said) = ended(&["chaos", "--no-such-argument"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--no-such-argument"), "{said}");
}

#[test]
fn coverage_without_its_tools_says_what_to_install() {
    let output = xtask(&["coverage"])
        .env("LLVM_COV", "/nowhere/llvm-cov")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("apt-get install llvm-"), "{said}");
}

/// A peer of the daemons; ended when dropped.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_run_uses_the_redis_that_is_there_and_leaves_it_alone() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let (listed, spoken) = (home.join("addresses"), File::create(home.join("redis")).unwrap());
    let simulator = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("market-sim");
    let simulator = Command::new(simulator)
        .stdout(File::create(&listed).unwrap())
        .stderr(Stdio::null())
        .spawn();
    let _simulator = Peer(simulator.unwrap());
    let port = free_port();
    let redis = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .current_dir(home)
        .stdout(spoken)
        .spawn();
    let _redis = Peer(redis.unwrap());
    let urls: serde_json::Value = eventually("the simulator is there", || {
        let text = fs::read_to_string(&listed).unwrap();
        text.lines().find_map(|line| serde_json::from_str(line).ok())
    });
    let connects = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
    eventually("redis is there", connects);
    let config = home.join("config.yaml");
    let text = format!(
        "redis: {{ host: 127.0.0.1, port: {port}, storage_dir: {home:?} }}\n\
         binance: {{ rest_api_base: {}, websocket_base: {} }}\n\
         data_collector: {{ order_flow: {{ window_size_minutes: 10, backfill_minutes: 10 }} }}\n\
         analyzer: {{ deepseek: {{ enabled: false }}, analysis: {{ profile_window_minutes: 10 }} }}\n\
         logging: {{ file_path: {:?} }}\n",
        urls["rest"],
        urls["ws"],
        home.join("app.log"),
    );
    fs::write(&config, text).unwrap();
    let mut run = Task::start(home, &["run", "--config", config.to_str().unwrap()]);
    run.shows("by rules");
    let status = run.interrupt();
    let shown = run.shown();
    assert!(status.success(), "{shown}");
    assert!(!shown.contains("redis-server stopped"), "{shown}");
    assert!(shown.contains("analyzer stopped in "), "{shown}");
    assert!(connects().is_some(), "the redis that was there is there no more");
    let log = fs::read_to_string(home.join("trading_recommendations_btcfdusd.log")).unwrap();
    assert!(log.lines().count() >= 1, "{shown}");
}

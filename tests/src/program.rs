//! One of the two real programs, as a process.
#![expect(clippy::disallowed_types, reason = "it runs the programs")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use market_sim::wait::eventually;

/// Longest time a stopping program may take, whatever its peers do.
const EXIT_LIMIT: Duration = Duration::from_secs(20);

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
    stderr: PathBuf,
}

impl Program {
    /// Starts `name` in `directory`; what it prints goes to `<name>.<number>.err` there.
    pub fn start(name: &str, directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(name, directory, arguments, &[])
    }

    /// As [`Program::start`], with an environment; otherwise it is empty.
    pub fn start_with(
        name: &str,
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments);
        Self::spawn(name, directory, command, environment)
    }

    /// As [`Program::start`], with this umask, in octal digits.
    pub fn start_with_umask(name: &str, directory: &Path, arguments: &[&str], umask: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"umask "$1"; shift; exec "$@""#, "sh", umask]);
        command.arg(binary(name)).args(arguments);
        Self::spawn(name, directory, command, &[])
    }

    /// As [`Program::start`], the way systemd does: its standard error is what the journal reads.
    pub fn start_under_journal(name: &str, directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = r#"JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@""#;
        command.args(["-c", script, "sh"]);
        command.arg(binary(name)).args(arguments);
        Self::spawn(name, directory, command, &[])
    }

    /// Starts `name` where `storage/` is a file system of its own, of `kilobytes`, and full. Only the program
    /// sees it; [`Program::look_in`] is the way in, and removing `ballast` there makes room.
    pub fn start_with_full_storage(name: &str, directory: &Path, arguments: &[&str], kilobytes: u32) -> Self {
        const SCRIPT: &str = r#"mkdir -p storage && mount -t tmpfs -o size="$1k" none storage || exit 90
head -c "$1"k /dev/zero > storage/ballast 2> storage.full
shift
exec "$@""#;
        let mut command = Command::new("unshare");
        if !is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", SCRIPT, "sh", &kilobytes.to_string()]);
        command.arg(binary(name)).args(arguments);
        Self::spawn(name, directory, command, &[])
    }

    /// A path as the program sees it.
    pub fn look_in(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.id())).join(inside)
    }

    fn spawn(name: &str, directory: &Path, mut command: Command, environment: &[(&str, &str)]) -> Self {
        let mut number = 0;
        let stderr = loop {
            let path = directory.join(format!("{name}.{number}.err"));
            if !path.exists() {
                break path;
            }
            number += 1;
        };
        let child = command
            .current_dir(directory)
            .env_clear()
            .envs(coverage())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(stderr.with_extension("out")).expect("a file for standard output"))
            .stderr(File::create(&stderr).expect("a file for standard error"))
            .spawn()
            .expect("the program starts");
        Self {
            child,
            name: name.to_owned(),
            stderr,
        }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.stderr.with_extension("out")).unwrap_or_default()
    }

    /// Sends a signal by name, for instance `INT`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.id().to_string()])
            .status();
        assert!(
            sent.expect("kill runs").success(),
            "{} is not there to be sent {signal}",
            self.name
        );
    }

    /// Waits for it to end. Returns how it ended and how long that took.
    pub async fn wait(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let mut status = None;
        let child = &mut self.child;
        let ended = eventually("the program ends", EXIT_LIMIT, async || {
            status = child.try_wait().expect("the process can be looked at");
            status.is_some()
        });
        let ended = ended.await;
        assert!(ended.is_ok(), "{} does not end:\n{}", self.name, self.stderr());
        (status.unwrap(), start.elapsed())
    }

    /// Asks it to stop and waits. Returns the exit code and how long it took.
    pub async fn stop(&mut self, signal: &str) -> (Option<i32>, Duration) {
        self.signal(signal);
        let (status, took) = self.wait().await;
        (status.code(), took)
    }

    /// Ends it without warning (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        self.child.wait().expect("the process ends after SIGKILL");
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Resident memory in kilobytes.
    pub fn memory_kb(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory it has had, in kilobytes.
    pub fn peak_kb(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok())
            .unwrap_or(0)
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = self.stderr();
            let tail: Vec<&str> = text.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            println!("--- end of standard error of {}:\n{}", self.name, tail.join("\n"));
        }
    }
}

/// Where a program built for measuring coverage leaves what it measured.
fn coverage() -> Option<(&'static str, std::ffi::OsString)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    std::env::var_os(FILE).map(|value| (FILE, value))
}

/// Path of a program of this workspace, built before the tests run.
fn binary(name: &str) -> PathBuf {
    let mut directory = std::env::current_exe().expect("the path of this test");
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let path = directory.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --bins` first",
        path.display()
    );
    path
}

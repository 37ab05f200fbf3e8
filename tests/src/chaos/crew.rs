//! The collectors of a chaos run: at most two at a time, ended and started as the schedule says.

use std::path::PathBuf;
use std::time::Duration;

use crate::chaos::fault::Which;
use crate::{Difference, Program};

/// Most collectors at a time.
const MOST: usize = 2;

/// Longest time from a signal to the end of a collector, whatever its peers do, with some allowance for
/// a machine that runs several worlds at once.
const STOP_LIMIT: Duration = Duration::from_secs(7);

/// What a collector says when it ends because another one owns the keys.
const LEASE_LOST: &str = "took over the keys";

/// The collectors that run, in the order they were started.
#[derive(Debug)]
pub(crate) struct Crew {
    directory: PathBuf,
    running: Vec<Program>,
    started: usize,
    storage_blocked: bool,
    /// How many ended because they lost the lease.
    pub(crate) leases_lost: u64,
    /// Ends that must not be.
    pub(crate) differences: Vec<Difference>,
}

impl Crew {
    /// Nobody yet; they run in `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            running: Vec::new(),
            started: 0,
            storage_blocked: false,
            leases_lost: 0,
            differences: Vec::new(),
        }
    }

    /// Storage cannot be written: a collector that cannot reach Redis either may say so by its exit code.
    pub(crate) fn storage_blocked(&mut self) {
        self.storage_blocked = true;
    }

    /// Starts a collector unless two run.
    pub(crate) async fn start(&mut self) {
        self.check().await;
        if self.running.len() < MOST {
            let arguments = ["--config", "config.yaml"];
            self.running
                .push(Program::start("data-collector", &self.directory, &arguments));
            self.started += 1;
        }
    }

    /// Starts a collector unless one runs.
    pub(crate) async fn ensure(&mut self) {
        self.check().await;
        if self.running.is_empty() {
            self.start().await;
        }
    }

    /// Stops all of them as they stand, or lets them go on.
    pub(crate) async fn sleep(&mut self, asleep: bool) {
        self.check().await;
        for program in &self.running {
            program.signal(if asleep { "STOP" } else { "CONT" });
        }
    }

    /// Ends one without warning.
    pub(crate) async fn kill(&mut self, which: Which) {
        self.check().await;
        if let Some(mut program) = self.take(which) {
            program.kill();
        }
    }

    /// Asks one to stop and waits for its end.
    pub(crate) async fn stop(&mut self, which: Which, signal: &str) {
        self.check().await;
        let Some(mut program) = self.take(which) else {
            return;
        };
        program.signal("CONT");
        let (code, took) = program.stop(signal).await;
        if took > STOP_LIMIT {
            self.differences.push(Difference(format!(
                "stopping took {:.1} s after SIG{signal}",
                took.as_secs_f64()
            )));
        }
        // A signal may come before the program could take it over; then it has not begun anything either.
        let unborn = code.is_none() && program.stderr().is_empty();
        if code != Some(0) && !unborn {
            self.judge_end(&program, &format!("ended with {code:?} after SIG{signal}"));
        }
    }

    /// Stops all of them.
    pub(crate) async fn stop_all(&mut self) {
        while !self.running.is_empty() {
            self.stop(Which::Last, "INT").await;
        }
    }

    /// Looks whether one has ended by itself.
    pub(crate) async fn check(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            if self.running[index].is_running() {
                index += 1;
            } else {
                let mut program = self.running.remove(index);
                let (status, _) = program.wait().await;
                self.judge_end(&program, &format!("ended by itself with {status}"));
            }
        }
    }

    fn judge_end(&mut self, program: &Program, what: &str) {
        let text = program.stderr();
        if self.started > 1 && text.contains(LEASE_LOST) {
            self.leases_lost += 1;
        } else if !(self.storage_blocked && text.contains("task persist failed: storage")) {
            let tail: Vec<&str> = text.lines().rev().take(6).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            self.differences
                .push(Difference(format!("a collector {what}:\n{}", tail.join("\n"))));
        }
    }

    fn take(&mut self, which: Which) -> Option<Program> {
        match which {
            Which::First => (!self.running.is_empty()).then(|| self.running.remove(0)),
            Which::Last => self.running.pop(),
        }
    }
}

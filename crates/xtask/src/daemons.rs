//! Both daemons at once: started, followed and stopped together.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::build;
use crate::follow::Follower;
use crate::processes::Processes;
use crate::settings::Settings;

/// How often the log and the programs are looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Longest wait for the collector to have something to analyse.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The two daemons and where they run.
pub(crate) struct Daemons<'a> {
    /// Their configuration file.
    pub(crate) config: &'a Path,
    /// Their working directory.
    pub(crate) directory: &'a Path,
    /// Where what they print goes.
    pub(crate) output: &'a Path,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) release: bool,
}

impl Daemons<'_> {
    /// The settings both will have.
    pub(crate) fn settings(&self) -> Result<Settings> {
        Settings::of(&mut self.command("data-collector")?)
    }

    /// Starts both and follows the recommendations until Ctrl+C or until one of them ends.
    pub(crate) fn run(&self, settings: &Settings, mut processes: Processes, stop: &AtomicBool) -> Result<()> {
        let log = settings.recommendations(self.directory);
        let mut follower = Follower::new(&log);
        let started = Instant::now();
        processes.start(
            "data-collector",
            &mut self.command("data-collector")?,
            &self.output.join("data-collector.log"),
        )?;
        self.wait_for_minutes(settings, &mut processes, stop)?;
        processes.start(
            "analyzer",
            &mut self.command("analyzer")?,
            &self.output.join("analyzer.log"),
        )?;
        println!("Following {}. Ctrl+C stops everything.\n", log.display());
        let mut first = true;
        while !stop.load(Ordering::Relaxed) {
            for line in follower.lines()? {
                if std::mem::take(&mut first) {
                    println!(
                        "(first recommendation {:.0} s after the start)",
                        started.elapsed().as_secs_f64()
                    );
                }
                println!("{line}\n");
            }
            processes.check()?;
            std::thread::sleep(LOOK);
        }
        for (name, id) in processes.ids() {
            if let Some(memory) = memory_mb(id) {
                println!("{name}: {memory:.1} MB");
            }
        }
        for (name, took) in processes.stop()? {
            println!("{name} stopped in {:.2} s", took.as_secs_f64());
        }
        Ok(())
    }

    /// Waits until the collector has something to analyse; the first recommendation is then a real one.
    fn wait_for_minutes(
        &self,
        settings: &Settings,
        processes: &mut Processes,
        stop: &AtomicBool,
    ) -> Result<()> {
        let wanted = settings.minutes_to_wait_for();
        println!("Waiting for the collector to fill the window ...");
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
            processes.check()?;
            let answer = self
                .command("data-collector")?
                .args(["status", "--json"])
                .stderr(Stdio::null())
                .output()?;
            let status: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
            let filled = status["trade_window_count"].as_u64().unwrap_or(0) >= wanted
                && status["depth_snapshots_count"].as_u64().unwrap_or(0) >= 1;
            if filled {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        // The analyzer says itself what it misses.
        Ok(())
    }

    fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(build::program(name, self.release)?);
        command
            .arg("--config")
            .arg(self.config)
            .current_dir(self.directory);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// Resident memory of a process, where `/proc` tells.
fn memory_mb(id: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_that_runs_is_known() {
        let own = memory_mb(std::process::id()).unwrap();
        assert!((0.1..10_000.0).contains(&own), "{own}");
        // One more than the highest id the kernel gives.
        assert_eq!(memory_mb(4_194_305), None);
    }
}

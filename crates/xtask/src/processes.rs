//! The programs a task has started: stopped together, in the reverse of the order they were started in.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Longest wait for a program to end after it was asked to; every one promises less.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// How often a program is looked at.
const LOOK: Duration = Duration::from_millis(20);

struct Running {
    name: &'static str,
    child: Child,
    log: std::path::PathBuf,
}

/// Programs that run. Dropping it ends them without further ado.
#[derive(Default)]
pub(crate) struct Processes {
    running: Vec<Running>,
}

impl Processes {
    /// Starts a program whose output goes to a file.
    ///
    /// It is in a process group of its own: a Ctrl+C in the terminal reaches this task alone, which then
    /// stops the programs in order.
    pub(crate) fn start(&mut self, name: &'static str, command: &mut Command, log: &Path) -> Result<()> {
        let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(file.try_clone()?);
        command.stdout(file);
        let child = command
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        self.running.push(Running {
            name,
            child,
            log: log.to_owned(),
        });
        Ok(())
    }

    /// Process ids by name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.running
            .iter()
            .map(|running| (running.name, running.child.id()))
    }

    /// An error if one of them has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for running in &mut self.running {
            if let Some(status) = running.child.try_wait()? {
                let text = std::fs::read_to_string(&running.log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(10)..].join("\n");
                bail!(
                    "{} ended with {status}; the end of {}:\n{tail}",
                    running.name,
                    running.log.display()
                );
            }
        }
        Ok(())
    }

    /// Stops all of them, the last started first. Returns how long each took.
    pub(crate) fn stop(mut self) -> Result<Vec<(&'static str, Duration)>> {
        let mut took = Vec::new();
        while let Some(mut running) = self.running.pop() {
            let start = Instant::now();
            let id = running.child.id().to_string();
            let asked = Command::new("kill")
                .args(["-INT", &id])
                .stderr(Stdio::null())
                .status();
            while running.child.try_wait()?.is_none() {
                if start.elapsed() > STOP_LIMIT
                    || !asked.as_ref().is_ok_and(std::process::ExitStatus::success)
                {
                    running
                        .child
                        .kill()
                        .with_context(|| format!("{} cannot be ended", running.name))?;
                    running.child.wait()?;
                    break;
                }
                std::thread::sleep(LOOK);
            }
            took.push((running.name, start.elapsed()));
        }
        Ok(took)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for running in self.running.iter_mut().rev() {
            // It may have ended by itself; there is nothing left to do about it here.
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(directory: &Path, scripts: &[(&'static str, &str)]) -> Processes {
        let mut processes = Processes::default();
        for (name, script) in scripts {
            // A shell cannot watch for what was ignored when it began, as it is for jobs in the background.
            let mut command = Command::new("env");
            command.args(["--default-signal=INT", "sh", "-c", script]);
            let log = directory.join(name);
            processes.start(name, &mut command, &log).unwrap();
        }
        processes
    }

    /// Waits until a program has written this.
    fn says(directory: &Path, name: &str, words: &str) {
        let deadline = Instant::now() + STOP_LIMIT;
        while !std::fs::read_to_string(directory.join(name))
            .unwrap()
            .contains(words)
        {
            assert!(Instant::now() < deadline, "{name} does not say {words}");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn the_last_started_is_stopped_first_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let script = "trap 'echo ended; exit' INT; echo began; while :; do sleep 0.01; done";
        let mut processes = started(place.path(), &[("server", script), ("client", script)]);
        let ids: Vec<(&str, u32)> = processes.ids().collect();
        assert_eq!((ids[0].0, ids[1].0), ("server", "client"));
        for name in ["server", "client"] {
            says(place.path(), name, "began");
        }
        processes.check().unwrap();
        let took = processes.stop().unwrap();
        assert_eq!((took[0].0, took[1].0), ("client", "server"));
        for name in ["server", "client"] {
            says(place.path(), name, "ended");
        }
    }

    #[test]
    fn a_program_that_ends_is_named_with_the_end_of_its_log() {
        let place = tempfile::tempdir().unwrap();
        let script = "for i in $(seq 20); do echo line $i; done; exit 3";
        let mut processes = started(place.path(), &[("daemon", script)]);
        let deadline = Instant::now() + STOP_LIMIT;
        let error = loop {
            assert!(Instant::now() < deadline, "it does not end");
            match processes.check() {
                Ok(()) => std::thread::sleep(LOOK),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.starts_with("daemon ended with exit status: 3"), "{error}");
        assert!(
            error.contains("line 11\n") && error.ends_with("line 20"),
            "{error}"
        );
        assert!(!error.contains("line 10\n"), "{error}");
        // There is nothing left to stop.
        assert_eq!(processes.stop().unwrap().len(), 1);
    }

    #[test]
    fn what_is_dropped_is_ended() {
        let place = tempfile::tempdir().unwrap();
        let processes = started(place.path(), &[("daemon", "exec sleep 600")]);
        let id = processes.ids().next().unwrap().1;
        drop(processes);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("no-such-program");
        let error = Processes::default()
            .start("daemon", &mut command, &place.path().join("log"))
            .unwrap_err();
        assert!(
            error.to_string().contains("daemon could not be started"),
            "{error}"
        );
    }
}

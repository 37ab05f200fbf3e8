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

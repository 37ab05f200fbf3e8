//! Starts that cannot succeed yet, or not at all.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::checks::{BOTH, SOON, both_active, property, whole};
use super::{CONFIG, eventually};
use crate::machine::Machine;

/// A unit that was edited badly.
const BAD_ARGUMENTS: &str = "[Service]\nExecStart=\nExecStart=/usr/bin/analyzer --confg nothing\n";

/// Longer than `RestartSec`: what is started again has been by then.
const RESTART: Duration = Duration::from_secs(5);

/// Ready means that Redis has answered.
pub(super) fn without_redis(machine: &Machine) -> Result<String> {
    machine.run(&format!("systemctl stop {BOTH} redis-server"))?;
    machine.run(&format!("systemctl start --no-block {BOTH}"))?;
    for unit in ["data-collector", "analyzer"] {
        eventually("a status that says what it waits for", SOON, || {
            Ok((property(machine, unit, "StatusText")? == "waiting for redis").then_some(()))
        })?;
    }
    std::thread::sleep(RESTART);
    for unit in ["data-collector", "analyzer"] {
        let state = property(machine, unit, "ActiveState")?;
        ensure!(state == "activating", "{unit} is {state} without redis");
        let restarts = property(machine, unit, "NRestarts")?;
        ensure!(restarts == "0", "{unit} was started again {restarts} times");
    }
    machine.run("systemctl start redis-server")?;
    eventually("both active", SOON, || both_active(machine))?;
    let compared = whole(machine)?;
    Ok(format!(
        "activating, \"waiting for redis\", then active; {compared}"
    ))
}

pub(super) fn bad_configuration(machine: &Machine) -> Result<String> {
    let path = machine.path(CONFIG);
    let good = std::fs::read_to_string(&path)?;
    std::fs::write(&path, good.replace("  port: 6379", "  prot: 6379"))?;
    let mut seen = String::new();
    for unit in ["data-collector", "analyzer"] {
        let restarted = machine.output(&format!("systemctl restart {unit}"))?;
        ensure!(!restarted.status.success(), "{unit} started");
        std::thread::sleep(Duration::from_secs(5));
        ensure!(
            property(machine, unit, "ActiveState")? == "failed",
            "{unit} is not failed"
        );
        ensure!(
            property(machine, unit, "ExecMainStatus")? == "78",
            "{unit}: not 78"
        );
        let status = machine.output(&format!("systemctl status --no-pager --lines=20 {unit}"))?;
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let line = status.lines().find(|line| line.contains("redis.prot"));
        line.with_context(|| format!("not readable: {status}"))?
            .clone_into(&mut seen);
    }
    std::fs::write(&path, good)?;
    machine.run(&format!("systemctl reset-failed {BOTH}; systemctl start {BOTH}"))?;
    let words = seen.split_once("]: ").map_or(seen.as_str(), |(_, words)| words);
    Ok(format!("78, not started again: {words}"))
}

pub(super) fn bad_arguments(machine: &Machine) -> Result<String> {
    let place = machine.path("/etc/systemd/system/analyzer.service.d");
    std::fs::create_dir_all(&place)?;
    let edited = place.join("edited.conf");
    std::fs::write(&edited, BAD_ARGUMENTS)?;
    let restarted = machine.output("systemctl daemon-reload && systemctl restart analyzer")?;
    std::thread::sleep(RESTART);
    let state = property(machine, "analyzer", "ActiveState")?;
    let (code, restarts) = (
        property(machine, "analyzer", "ExecMainStatus")?,
        property(machine, "analyzer", "NRestarts")?,
    );
    std::fs::remove_file(edited)?;
    machine.run("systemctl daemon-reload && systemctl reset-failed analyzer; systemctl start analyzer")?;
    ensure!(!restarted.status.success(), "it started");
    ensure!(
        state == "failed" && code == "2" && restarts == "0",
        "{state}, exit code {code}, {restarts} restarts"
    );
    Ok("exit code 2, failed, no restart".to_owned())
}

//! Programs and tasks that hang.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::checks::{BOTH, SOON, both_active, is_active, pids, property, whole};
use super::eventually;
use crate::machine::Machine;

/// Longest wait for the watchdog to bite a task that hangs.
const WATCHDOG_LIMIT: Duration = Duration::from_secs(330);

/// A watchdog with less patience, for the time of a check.
const SHORT_WATCHDOG: &str = "[Service]\nWatchdogSec=10s\n";

/// Gives both watchdogs less patience. Properties of a running unit change at its next start.
fn impatient(machine: &Machine) -> Result<()> {
    for unit in ["data-collector", "analyzer"] {
        let place = machine.path(&format!("/etc/systemd/system/{unit}.service.d"));
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("watchdog.conf"), SHORT_WATCHDOG)?;
    }
    machine
        .run(&format!("systemctl daemon-reload && systemctl restart {BOTH}"))
        .map(drop)
}

pub(super) fn patient(machine: &Machine) -> Result<String> {
    for unit in ["data-collector", "analyzer"] {
        std::fs::remove_dir_all(machine.path(&format!("/etc/systemd/system/{unit}.service.d")))?;
    }
    machine.run(&format!("systemctl daemon-reload && systemctl restart {BOTH}"))?;
    eventually("both active", SOON, || both_active(machine))?;
    property(machine, "data-collector", "WatchdogUSec")
}

/// How often the watchdog of a unit has bitten, by the journal.
fn bites(machine: &Machine, unit: &str) -> Result<usize> {
    let said = machine.output(&format!(
        "journalctl --no-pager -u {unit} | grep -c 'Watchdog timeout'"
    ))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().parse()?)
}

pub(super) fn stopped_process(machine: &Machine) -> Result<String> {
    impatient(machine)?;
    let (began, before) = (Instant::now(), pids(machine)?);
    machine.run(&format!("systemctl kill --signal=SIGSTOP {BOTH}"))?;
    for unit in ["data-collector", "analyzer"] {
        eventually("the watchdog", SOON, || {
            Ok((bites(machine, unit)? > 0).then_some(()))
        })?;
    }
    let bitten = began.elapsed();
    eventually("both again", SOON, || {
        let new = pids(machine)?
            .iter()
            .zip(&before)
            .all(|(new, old)| new != old && new != "0");
        Ok(both_active(machine)?.filter(|()| new))
    })?;
    let compared = whole(machine)?;
    Ok(format!(
        "WatchdogSec=10: bitten after {:.1} s, active again after {:.1} s; {compared}",
        bitten.as_secs_f64(),
        began.elapsed().as_secs_f64()
    ))
}

pub(super) fn hung_task(machine: &Machine) -> Result<String> {
    machine.run(&format!("systemctl restart {BOTH}"))?;
    let (before, bitten_before) = (pids(machine)?, bites(machine, "data-collector")?);
    machine.freeze()?;
    let began = Instant::now();
    let bitten = eventually("the watchdog", WATCHDOG_LIMIT, || {
        Ok((bites(machine, "data-collector")? > bitten_before).then_some(()))
    });
    let took = began.elapsed();
    let other = pids(machine)?[1] == before[1];
    machine.thaw()?;
    bitten?;
    ensure!(other, "the analyzer, which did not hang, was restarted");
    eventually("the collector again", SOON, || {
        Ok((is_active(machine, "data-collector")? && pids(machine)?[0] != before[0]).then_some(()))
    })?;
    let said = machine.run("journalctl --no-pager -u data-collector | grep 'does not go on' | tail -n 1")?;
    ensure!(said.contains("persist"), "it said: {said}");
    let compared = whole(machine)?;
    Ok(format!(
        "task persist in fsync, bitten {:.0} s after the disk froze; {compared}",
        took.as_secs_f64()
    ))
}

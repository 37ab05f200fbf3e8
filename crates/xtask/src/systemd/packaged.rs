//! What Debian users expect of a package: install, upgrade, remove, purge.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::checks::{BOTH, LOG, SOON, both_active, is_active, pids, property, whole};
use super::{CONFIG, eventually};
use crate::machine::Machine;

pub(super) fn install(machine: &Machine) -> Result<String> {
    machine
        .run("systemctl enable --now market-sim && apt-get install --yes /var/tmp/strategy-agent_*-1.deb")?;
    machine.run("getent passwd strategy-agent")?;
    for unit in ["data-collector", "analyzer"] {
        let enabled = property(machine, unit, "UnitFileState")?;
        ensure!(
            enabled == "disabled" && !is_active(machine, unit)?,
            "{unit} is {enabled}"
        );
    }
    machine
        .run("man -w data-collector >/dev/null 2>&1 || test -f /usr/share/man/man1/data-collector.1.gz")?;
    machine
        .run("data-collector --config /etc/strategy-agent/strategy-agent.yaml --check-config >/dev/null")?;
    Ok("user there, disabled, inactive".to_owned())
}

pub(super) fn upgrade(machine: &Machine) -> Result<String> {
    let before = pids(machine)?;
    let (config, files) = (
        machine.run(&format!("cat {CONFIG}"))?,
        machine.run("ls /var/lib/strategy-agent/storage | wc -l")?,
    );
    let began = Instant::now();
    machine.run("apt-get install --yes /var/tmp/strategy-agent_*-2.deb")?;
    let took = began.elapsed();
    ensure!(
        machine.run(&format!("cat {CONFIG}"))? == config,
        "the configuration was changed"
    );
    eventually("both active", SOON, || both_active(machine))?;
    let after = pids(machine)?;
    ensure!(after[0] != before[0] && after[1] != before[1], "not restarted");
    let compared = whole(machine)?;
    Ok(format!(
        "{:.1} s, {} files kept, configuration kept; {compared}",
        took.as_secs_f64(),
        files.trim()
    ))
}

pub(super) fn remove(machine: &Machine) -> Result<String> {
    machine.run("apt-get remove --yes strategy-agent")?;
    let running = machine.output("pgrep -u strategy-agent")?;
    ensure!(!running.status.success(), "something still runs");
    machine.run(&format!(
        "test -f {CONFIG} && test -s {LOG} && test -d /var/lib/strategy-agent/storage"
    ))?;
    // As it was before, when it comes back.
    machine.run("apt-get install --yes /var/tmp/strategy-agent_*-2.deb")?;
    for unit in ["data-collector", "analyzer"] {
        let enabled = property(machine, unit, "UnitFileState")?;
        ensure!(enabled == "enabled", "{unit} is {enabled} after it came back");
    }
    machine.run(&format!("systemctl start {BOTH}"))?;
    machine.run("apt-get remove --yes strategy-agent")?;
    Ok("configuration, data, logs and what was enabled are still there".to_owned())
}

pub(super) fn purge(machine: &Machine) -> Result<String> {
    machine.run("rm -f /etc/strategy-agent/BTCUSDT.yaml; apt-get purge --yes strategy-agent")?;
    // The data's file system is mounted at its directory, which therefore stays, empty.
    let left = machine.output(
        "find /etc/strategy-agent /var/log/strategy-agent /etc/logrotate.d/strategy-agent \
         /var/lib/strategy-agent -mindepth 1 2>/dev/null; getent passwd strategy-agent; \
         find /etc/systemd -name '*data-collector*' -o -name '*analyzer*'",
    )?;
    let left = String::from_utf8_lossy(&left.stdout).trim().to_owned();
    ensure!(left.is_empty(), "left behind: {left}");
    Ok("no file, no user, no link".to_owned())
}

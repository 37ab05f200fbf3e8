//! What `docs/operations.md` tells an operator to type is typed here as it stands there.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::checks::{BOTH, SOON, both_active, lines, one_more_line, whole};
use super::{CONFIG, configuration, eventually};
use crate::build;
use crate::machine::Machine;

/// A password of the machine's own Redis; it protects nothing.
const PASSWORD: &str = "of-the-test-machine";

/// Where a checkout lies in the machine, as far as it is needed.
pub(super) const CHECKOUT: &str = "/var/tmp/checkout";

/// Where the settings of the test wait for their editor.
const EDITED: &str = "/var/tmp/edited.yaml";

/// Puts the simulators in place of the exchange and the model.
const EDITOR: &str = r#"#!/bin/sh
exec sed -i -e 's|symbol: "BTCUSDT"|symbol: "BTCFDUSD"\n  rest_api_base: "http://127.0.0.1:18080"\n  websocket_base: "ws://127.0.0.1:18081"|' \
    -e 's|^  deepseek:|  analysis: { interval_seconds: 10, flow_window_minutes: 8, profile_window_minutes: 8 }\n  deepseek:\n    base_url: "http://127.0.0.1:18082/v1"\n    timeout: 5|' "$1"
"#;

/// The block of commands that begins with these words, without the explanations at its line ends.
fn block(beginning: &str) -> Result<String> {
    let manual = std::fs::read_to_string(build::root().join("docs/operations.md"))?;
    let (_, from) = manual
        .split_once(&format!("```sh\n{beginning}"))
        .with_context(|| format!("the manual has no block that begins with {beginning}"))?;
    let (rest, _) = from.split_once("```").context("a block that does not end")?;
    let text = format!("{beginning}{rest}");
    let without = |line: &str| {
        line.split_once("  #")
            .map_or(line, |(command, _)| command)
            .to_owned()
    };
    Ok(text.lines().map(without).collect::<Vec<_>>().join("\n"))
}

/// The command that is named beside a sign in the manual's tables.
fn cure(sign: &str) -> Result<String> {
    let manual = std::fs::read_to_string(build::root().join("docs/operations.md"))?;
    let row = manual
        .lines()
        .find(|line| line.starts_with(&format!("| `{sign}`")));
    let cure = row.and_then(|row| row.split('`').find(|part| part.starts_with("sudo ")));
    let cure = cure.with_context(|| format!("the manual has no cure for {sign}"))?;
    Ok(cure.to_owned())
}

/// The line of the first start that has these words in it.
fn first_start(words: &str) -> Result<String> {
    let block = block("sudoedit /etc/strategy-agent/strategy-agent.yaml")?;
    let line = block.lines().find(|line| line.contains(words));
    let line = line.with_context(|| format!("the first start has no line with {words}"))?;
    Ok(line.trim().to_owned())
}

/// The settings are edited so that the simulators are in place of the exchange and the model, and checked.
pub(super) fn settings(machine: &Machine) -> Result<String> {
    let packaged = std::fs::read_to_string(machine.path(CONFIG))?;
    std::fs::write(machine.path(EDITED), configuration(&packaged)?)?;
    let editor = machine.path("/usr/local/bin/editor-of-the-settings");
    std::fs::write(editor, format!("#!/bin/sh\nexec cp {EDITED} \"$1\"\n"))?;
    let before = machine.run(&format!("stat --format='%U:%G %a' {CONFIG}"))?;
    machine.run(&format!(
        "chmod 755 /usr/local/bin/editor-of-the-settings && \
         SUDO_EDITOR=/usr/local/bin/editor-of-the-settings {}",
        first_start("sudoedit")?
    ))?;
    machine.run(&format!("cmp {EDITED} {CONFIG}"))?;
    let after = machine.run(&format!("stat --format='%U:%G %a' {CONFIG}"))?;
    ensure!(after == before, "{before} before the editing, {after} after it");
    let checked = machine.run(&first_start("--check-config")?)?;
    ensure!(
        checked.contains("http://127.0.0.1:18080"),
        "what was edited is not in force: {checked}"
    );
    Ok(format!("still {}; what was edited is in force", after.trim()))
}

/// The key of the model is typed in.
pub(super) fn key(machine: &Machine, key: &str) -> Result<()> {
    let line = first_start("deepseek_api_key")?;
    machine.run(&format!("echo {key} | {line}")).map(drop)
}

/// Both are enabled and started, and can be looked at.
pub(super) fn start(machine: &Machine) -> Result<()> {
    machine.run(&first_start("systemctl enable")?)?;
    let status = machine.run(&first_start("systemctl status")?)?;
    let active = status.matches("active (running)").count();
    ensure!(active == 2, "{active} of two are active: {status}");
    Ok(())
}

/// The user is gone: both are refused, readably, and the manual's cure lets the next start succeed.
pub(super) fn lost_user(machine: &Machine) -> Result<String> {
    let cure = cure("status=217/USER")?;
    machine.run(&format!("systemctl stop {BOTH} && userdel strategy-agent"))?;
    ensure!(
        !machine.output("getent passwd strategy-agent")?.status.success(),
        "the user is still there"
    );
    let started = machine.output(&format!("systemctl start {BOTH}"))?;
    ensure!(!started.status.success(), "started without a user");
    for unit in BOTH.split(' ') {
        eventually("a refusal that can be read", SOON, || {
            let status = machine.output(&format!("systemctl status --no-pager {unit}"))?;
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            Ok(status.contains("status=217/USER").then_some(()))
        })?;
    }
    let began = Instant::now();
    machine.run(&cure)?;
    eventually("both active by themselves", SOON, || both_active(machine))?;
    let took = began.elapsed();
    let compared = whole(machine)?;
    one_more_line(machine)?;
    Ok(format!(
        "217, after `{cure}` active by themselves in {:.1} s; {compared}",
        took.as_secs_f64()
    ))
}

/// One more market: its configuration is edited so that it meets the simulated one.
pub(super) fn market(machine: &Machine) -> Result<String> {
    let editor = machine.path("/usr/local/bin/editor-of-the-test");
    std::fs::write(&editor, EDITOR)?;
    machine.run("chmod 755 /usr/local/bin/editor-of-the-test")?;
    machine.run(&format!(
        "export SUDO_EDITOR=/usr/local/bin/editor-of-the-test; set -e; {}",
        block("sudo cp /usr/share/doc/strategy-agent/examples/instance.yaml")?
    ))?;
    let log = "/var/log/strategy-agent/BTCUSDT/trading_recommendations_btcfdusd.log";
    eventually("data of the instance", SOON, || {
        machine.run(&format!(
            "test -s {log} && test -d /var/lib/strategy-agent/BTCUSDT"
        ))?;
        let minutes: usize = machine
            .run("redis-cli llen btcusdt:trades_window")?
            .trim()
            .parse()?;
        Ok((minutes >= 5).then_some(()))
    })?;
    let began = Instant::now();
    machine.run("systemctl stop data-collector@BTCUSDT analyzer@BTCUSDT")?;
    Ok(format!(
        "own keys and directories, stopped in {:.2} s",
        began.elapsed().as_secs_f64()
    ))
}

/// Every line, as an ordinary user where it does not say `sudo`.
pub(super) fn daily_look(machine: &Machine) -> Result<String> {
    machine.run("useradd --groups systemd-journal,strategy-agent watcher")?;
    let block = block("systemctl status data-collector analyzer")?;
    let mut tried = 0;
    for line in block.lines() {
        // What does not end by itself is ended.
        let line = format!("timeout --preserve-status 2 runuser -u watcher -- {line} 2>&1");
        let output = machine.output(&line)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let ended_by_us = line.contains("tail -f") && output.status.code() == Some(143);
        ensure!(output.status.success() || ended_by_us, "{line}: {said}");
        ensure!(!said.trim().is_empty(), "{line}: nothing");
        // Redis was away before, which both programs said; what they say otherwise is no warning.
        let only_warnings = said.contains(" WARN ") && !said.contains(" INFO ");
        ensure!(only_warnings || !line.contains("journalctl"), "{line}: {said}");
        tried += 1;
    }
    Ok(format!("{tried} commands"))
}

/// The programs as a user with the least rights, whose password is in the environment of the services.
pub(super) fn redis_user(machine: &Machine) -> Result<String> {
    let command = block("redis-cli ACL SETUSER strategy-agent")?.replacen("PASSWORD", PASSWORD, 1);
    machine.run(&format!(
        "{command} && redis-cli CONFIG REWRITE && redis-cli ACL LOG RESET"
    ))?;
    machine.run(&format!(
        "umask 077; echo REDIS_PASSWORD={PASSWORD} > /etc/strategy-agent/environment"
    ))?;
    let path = machine.path(CONFIG);
    let before = std::fs::read_to_string(&path)?;
    std::fs::write(
        &path,
        before.replacen("redis:\n", "redis:\n  username: \"strategy-agent\"\n", 1),
    )?;
    machine.run(&format!("systemctl restart redis-server {BOTH}"))?;
    eventually("both active", SOON, || both_active(machine))?;
    let compared = whole(machine)?;
    one_more_line(machine)?;
    let users = machine.run("redis-cli client list | grep -c user=strategy-agent")?;
    let denied = machine.run("redis-cli --raw acl log | wc -l")?;
    let leaked = machine.output(&format!(
        "grep -r {PASSWORD} /var/log/strategy-agent /run/log/journal /var/log/journal"
    ))?;
    std::fs::write(&path, before)?;
    machine.run(&format!(
        "rm /etc/strategy-agent/environment && systemctl restart {BOTH}"
    ))?;
    ensure!(
        denied.trim() == "0" || denied.trim() == "1",
        "commands were refused"
    );
    ensure!(!leaked.status.success(), "the password is in a log");
    Ok(format!(
        "after a restart of redis too, {} connections; {compared}",
        users.trim()
    ))
}

/// Everything is lost but what the manual's commands have saved.
pub(super) fn backup(machine: &Machine) -> Result<String> {
    let count = |line: &str| -> Result<usize> { Ok(machine.run(line)?.trim().parse()?) };
    let (files, books) = (
        "ls /var/lib/strategy-agent/storage | wc -l",
        "redis-cli llen depth_snapshot_5000",
    );
    let saved = (count(files)?, count(books)?, lines(machine)?);
    ensure!(
        saved.0 > 0 && saved.1 > 0 && saved.2 > 0,
        "nothing to save: {saved:?}"
    );
    machine.run(&format!(
        "mkdir -p /var/tmp/saved/backup && cd /var/tmp/saved && set -e && {}",
        block("sudo rsync -a /var/lib/strategy-agent/storage/")?
    ))?;
    machine.run(&format!(
        "systemctl stop {BOTH} && redis-cli flushall && rm -r /var/lib/strategy-agent/storage"
    ))?;
    machine.run(&format!(
        "cd /var/tmp/saved && set -e && {}",
        block("sudo systemctl stop data-collector analyzer redis-server")?
    ))?;
    eventually("both active", SOON, || both_active(machine))?;
    let restored = (count(files)?, count(books)?, lines(machine)?);
    ensure!(
        restored.0 >= saved.0 && restored.1 >= saved.1.min(2) && restored.2 >= saved.2,
        "{saved:?} before, {restored:?} after"
    );
    let compared = whole(machine)?;
    one_more_line(machine)?;
    Ok(format!(
        "{} files and {} books are back; {compared}",
        restored.0, restored.1
    ))
}

/// Without the package.
pub(super) fn by_hand(machine: &Machine) -> Result<String> {
    machine.run(&format!(
        "cd {CHECKOUT} && set -e && {}",
        block("sudo install -m 0755 target/release/data-collector")?
    ))?;
    settings(machine)?;
    machine.run(&format!("systemctl start {BOTH}"))?;
    let compared = whole(machine)?;
    one_more_line(machine)?;
    Ok(format!("both active, {compared}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_that_is_typed_stands_in_the_manual() {
        for beginning in [
            "sudo cp /usr/share/doc/strategy-agent/examples/instance.yaml",
            "systemctl status data-collector analyzer",
            "redis-cli ACL SETUSER strategy-agent",
            "sudo rsync -a /var/lib/strategy-agent/storage/",
            "sudo systemctl stop data-collector analyzer redis-server",
            "sudo install -m 0755 target/release/data-collector",
        ] {
            let block = block(beginning).unwrap();
            assert!(block.starts_with(beginning), "{block}");
            // An explanation behind a command is not typed.
            assert!(!block.contains("  #") && !block.contains("```"), "{block}");
        }
        assert!(block("no such command").is_err());
    }

    #[test]
    fn the_first_start_edits_checks_stores_the_key_and_starts() {
        let line = |words| first_start(words).unwrap();
        assert!(line("sudoedit").ends_with(CONFIG));
        assert!(line("--check-config").ends_with("--check-config"));
        assert!(line("deepseek_api_key").starts_with("sudo sh -c 'umask 077;"));
        assert!(line("systemctl enable").ends_with(BOTH));
        assert!(line("systemctl status").ends_with(BOTH));
        assert!(first_start("reboot").is_err());
    }

    #[test]
    fn a_lost_user_has_a_cure() {
        assert_eq!(cure("status=217/USER").unwrap(), "sudo systemd-sysusers");
        assert!(cure("status=0/SUCCESS").is_err());
    }
}

//! The checks, in the order of a service's life.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{CONFIG, Lab, eventually, manual, packaged, refusals, truth, watchdog};
use crate::machine::Machine;

/// The services.
pub(super) const BOTH: &str = "data-collector analyzer";

/// Greatest exposure that `systemd-analyze security` may find.
const EXPOSURE: f64 = 1.5;

/// Longest time a stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Longest wait for what happens within a minute or two.
pub(super) const SOON: Duration = Duration::from_secs(150);

/// The recommendation log.
pub(super) const LOG: &str = "/var/log/strategy-agent/trading_recommendations_btcfdusd.log";

/// Place of the model's key.
const KEY: &str = "/etc/strategy-agent/credentials/deepseek_api_key";

pub(super) fn all(lab: &mut Lab, quick: bool) {
    lab.check("package installs, enables nothing", |machine| {
        packaged::install(machine)
    });
    lab.check("settings are edited as the manual says", |machine| {
        manual::settings(machine)
    });
    lab.check("services become active", |machine| start(machine));
    lab.check("exposure at most 1.5", |machine| exposure(machine));
    lab.check("a minute and a recommendation without key", |machine| {
        flows(machine)
    });
    lab.check("every minute equals the exchange's", |machine| whole(machine));
    lab.check("with a key the model advises", |machine| with_key(machine));
    lab.check("stop in less than 3 s, nothing lost", |machine| stop(machine));
    lab.check("kill -9: started again, healed", |machine| kill(machine));
    lab.check("a stopped process meets the watchdog", |machine| {
        watchdog::stopped_process(machine)
    });
    lab.check("redis restarted and away for 20 s", |machine| redis_away(machine));
    lab.check("a start without redis waits for it", |machine| {
        refusals::without_redis(machine)
    });
    lab.check("bad configuration refused, readable", |machine| {
        refusals::bad_configuration(machine)
    });
    lab.check("bad arguments are not tried again", |machine| {
        refusals::bad_arguments(machine)
    });
    lab.check("the daily look of the manual", |machine| {
        manual::daily_look(machine)
    });
    lab.check("the user of redis of the manual", |machine| {
        manual::redis_user(machine)
    });
    lab.check("backup and restore of the manual", |machine| {
        manual::backup(machine)
    });
    lab.check("log rotation loses no line", |machine| rotation(machine));
    lab.check("a further market of the manual", |machine| {
        manual::market(machine)
    });
    lab.check("a lost user and the cure of the manual", |machine| {
        manual::lost_user(machine)
    });
    if !quick {
        lab.check("a task hung in the disk meets the watchdog", |machine| {
            watchdog::hung_task(machine)
        });
    }
    lab.check("the watchdog has its patience again", |machine| {
        watchdog::patient(machine)
    });
    lab.check("upgrade restarts and keeps data", |machine| {
        packaged::upgrade(machine)
    });
    lab.check("reboot: services come back", reboot);
    lab.check("remove stops and keeps data", |machine| packaged::remove(machine));
    lab.check("purge leaves nothing", |machine| packaged::purge(machine));
    lab.check("installed by hand from a checkout", |machine| {
        manual::by_hand(machine)
    });
}

pub(super) fn property(machine: &Machine, unit: &str, name: &str) -> Result<String> {
    let value = machine.run(&format!("systemctl show --value -p {name} {unit}"))?;
    Ok(value.trim().to_owned())
}

pub(super) fn is_active(machine: &Machine, unit: &str) -> Result<bool> {
    Ok(property(machine, unit, "ActiveState")? == "active")
}

pub(super) fn both_active(machine: &Machine) -> Result<Option<()>> {
    let active = is_active(machine, "data-collector")? && is_active(machine, "analyzer")?;
    Ok(active.then_some(()))
}

pub(super) fn pids(machine: &Machine) -> Result<[String; 2]> {
    Ok([
        property(machine, "data-collector", "MainPID")?,
        property(machine, "analyzer", "MainPID")?,
    ])
}

pub(super) fn lines(machine: &Machine) -> Result<usize> {
    Ok(machine.run(&format!("cat {LOG} | wc -l"))?.trim().parse()?)
}

pub(super) fn one_more_line(machine: &Machine) -> Result<String> {
    let before = lines(machine)?;
    eventually("a new recommendation", SOON, || {
        Ok((lines(machine)? > before).then_some(()))
    })?;
    machine.run(&format!("tail -n 1 {LOG}"))
}

/// The window is whole but for the newest element, and true.
pub(super) fn whole(machine: &Machine) -> Result<String> {
    let compared = eventually("a window that is whole", SOON, || {
        truth::compare(machine, 1).map(Some)
    })?;
    ensure!(compared >= 5, "only {compared} minutes");
    Ok(format!("{compared} minutes compared by id and volume"))
}

fn start(machine: &Machine) -> Result<String> {
    let began = Instant::now();
    manual::start(machine)?;
    let took = began.elapsed().as_secs_f64();
    ensure!(both_active(machine)?.is_some(), "not active");
    // A status that is written once the window is there.
    let text = eventually("a status text", SOON, || {
        let text = property(machine, "data-collector", "StatusText")?;
        Ok(text.starts_with("recording BTCFDUSD").then_some(text))
    })?;
    Ok(format!("{took:.2} s, \"{text}\""))
}

fn exposure(machine: &Machine) -> Result<String> {
    let mut all = Vec::new();
    for unit in [
        "data-collector",
        "analyzer",
        "data-collector@BTCFDUSD",
        "analyzer@BTCFDUSD",
    ] {
        let said = machine.run(&format!("systemd-analyze security --no-pager {unit}.service"))?;
        let line = said.lines().last().unwrap_or_default();
        let score = line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        let score = score.with_context(|| format!("no score in {line}"))?;
        ensure!(score <= EXPOSURE, "{unit}: {score}");
        all.push(line.trim_start_matches(['→', ' ']).to_owned());
    }
    Ok(all.join(", "))
}

fn newest_minute(machine: &Machine) -> Result<String> {
    let newest = truth::window(machine)?
        .into_iter()
        .find(|minute| minute["complete"] == true);
    let newest = newest.context("no complete minute yet")?;
    Ok(newest["timestamp"].as_str().unwrap_or_default().to_owned())
}

fn flows(machine: &Machine) -> Result<String> {
    let before = eventually("a complete minute", SOON, || newest_minute(machine).map(Some))?;
    let line = one_more_line(machine)?;
    ensure!(line.contains("\"source\":\"rules\""), "{line}");
    let after = eventually("a new minute", SOON, || {
        Ok(Some(newest_minute(machine)?).filter(|after| *after > before))
    })?;
    Ok(format!("complete up to {after}, rules advise"))
}

fn with_key(machine: &Machine) -> Result<String> {
    manual::key(machine, "simulated-key")?;
    ensure!(
        machine.run(&format!("stat --format=%a {KEY}"))?.trim() == "600",
        "others may read the key"
    );
    machine.run("systemctl restart analyzer")?;
    let line = eventually("a line of the model", SOON, || {
        let line = machine.run(&format!("tail -n 1 {LOG}"))?;
        Ok(line.contains("\"source\":\"deepseek\"").then_some(line))
    })?;
    let seen = machine.output("journalctl --no-pager | grep -c simulated-key")?;
    ensure!(
        String::from_utf8_lossy(&seen.stdout).trim() == "0",
        "the key is in the journal"
    );
    Ok(line.chars().take(110).collect())
}

fn stop(machine: &Machine) -> Result<String> {
    let began = Instant::now();
    machine.run(&format!("systemctl stop {BOTH}"))?;
    let took = began.elapsed();
    ensure!(took < STOP_LIMIT, "{took:?}");
    for unit in ["data-collector", "analyzer"] {
        let result = property(machine, unit, "Result")?;
        ensure!(result == "success", "{unit}: {result}");
    }
    let recorded = lines(machine)?;
    let listed: usize = machine
        .run("redis-cli llen trading_recommendations")?
        .trim()
        .parse()?;
    ensure!(
        recorded == listed,
        "{recorded} lines in the log, {listed} in redis"
    );
    machine.run(&format!("systemctl start {BOTH}"))?;
    let compared = whole(machine)?;
    Ok(format!(
        "{:.2} s; {recorded} lines in log and redis; {compared}",
        took.as_secs_f64()
    ))
}

fn kill(machine: &Machine) -> Result<String> {
    let before = pids(machine)?;
    let began = Instant::now();
    machine.run(&format!("systemctl kill --signal=SIGKILL {BOTH}"))?;
    eventually("both again", SOON, || {
        let new = pids(machine)?
            .iter()
            .zip(&before)
            .all(|(new, old)| new != old && new != "0");
        Ok(both_active(machine)?.filter(|()| new))
    })?;
    let back = began.elapsed();
    let compared = whole(machine)?;
    one_more_line(machine)?;
    Ok(format!("active after {:.1} s; {compared}", back.as_secs_f64()))
}

fn redis_away(machine: &Machine) -> Result<String> {
    let before = pids(machine)?;
    machine.run("systemctl restart redis-server && sleep 5 && systemctl stop redis-server && sleep 20")?;
    let text = property(machine, "data-collector", "StatusText")?;
    ensure!(text.contains("redis"), "the status says: {text}");
    machine.run("systemctl start redis-server")?;
    let compared = whole(machine)?;
    ensure!(pids(machine)? == before, "a service was restarted");
    let healthy = eventually("healthy", SOON, || {
        let status = machine.output(&format!("data-collector --config {CONFIG} status"))?;
        Ok(status.status.success().then_some(()))
    });
    healthy?;
    Ok(format!(
        "same processes, status said \"{}\"; {compared}",
        text.chars().take(60).collect::<String>()
    ))
}

fn rotation(machine: &Machine) -> Result<String> {
    one_more_line(machine)?;
    machine.run("logrotate --force /etc/logrotate.d/strategy-agent")?;
    let old: usize = machine.run(&format!("cat {LOG}.1 | wc -l"))?.trim().parse()?;
    let new = eventually("a new file", SOON, || {
        let count = machine.output(&format!("cat {LOG} | wc -l"))?;
        let count: usize = String::from_utf8_lossy(&count.stdout).trim().parse()?;
        Ok((count > 1).then_some(count))
    })?;
    machine.run("systemctl stop analyzer")?;
    let new = new.max(lines(machine)?);
    let listed: usize = machine
        .run("redis-cli llen trading_recommendations")?
        .trim()
        .parse()?;
    machine.run("systemctl start analyzer")?;
    ensure!(
        old + new == listed,
        "{old} + {new} lines in the files, {listed} in redis"
    );
    Ok(format!("{old} + {new} lines in the files, {listed} in redis"))
}

fn reboot(machine: &mut Machine) -> Result<String> {
    let (before, kept) = (newest_minute(machine)?, lines(machine)?);
    let took = machine.reboot()?;
    eventually("both active", SOON, || both_active(machine))?;
    ensure!(lines(machine)? >= kept, "lines are gone");
    one_more_line(machine)?;
    let compared = whole(machine)?;
    let after = eventually("a complete minute", SOON, || {
        Ok(Some(newest_minute(machine)?).filter(|after| *after > before))
    })?;
    Ok(format!(
        "{:.1} s until all was started; complete up to {after}; {compared}",
        took.as_secs_f64()
    ))
}

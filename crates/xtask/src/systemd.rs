//! Both services in a booted Debian: `cargo xtask test-systemd`.
//!
//! The package is installed in a machine of its own, beside Redis and the simulated exchange and model. Every
//! check is one line of the table at the end; the first that fails does not stop the others.

mod checks;
mod manual;
mod packaged;
mod refusals;
mod truth;
mod watchdog;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::build::{self, run};
use crate::machine::{self, LOOK, Machine};
use crate::package::{self, Profile, Size};

/// Where the programs keep their data in the machine.
const DATA: &str = "var/lib/strategy-agent";

/// Configuration of the services.
const CONFIG: &str = "/etc/strategy-agent/strategy-agent.yaml";

/// The simulators as a service of the machine. The market is the same after every start.
const SIMULATOR: &str = "[Unit]
Description=Simulated exchange and model
[Service]
ExecStart=/usr/local/bin/market-sim --rest-port 18080 --ws-port 18081 --model-port 18082 --rate 200
StandardOutput=null
[Install]
WantedBy=multi-user.target
";

/// What is changed in the packaged configuration: the simulators in place of the real ones, a short window so
/// that minutes become files, and short limits so that a hanging task is known soon.
const CHANGES: [(&str, &str); 4] = [
    (
        "binance:\n",
        "binance:\n  rest_api_base: \"http://127.0.0.1:18080\"\n  websocket_base: \"ws://127.0.0.1:18081\"\n",
    ),
    (
        "  deepseek:\n",
        "  deepseek:\n    base_url: \"http://127.0.0.1:18082/v1\"\n    timeout: 5\n",
    ),
    (
        "analyzer:\n",
        "analyzer:\n  analysis: { interval_seconds: 10, flow_window_minutes: 8, profile_window_minutes: 8 }\n",
    ),
    (
        "  port: 6379\n",
        "  port: 6379\n  socket_timeout: 1\n  socket_connect_timeout: 1\n",
    ),
];

/// Minutes in the window of the test.
const WINDOW: &str = "data_collector:\n  depth_snapshot: { limit: 500, update_interval_seconds: 10 }\n  order_flow: { window_size_minutes: 8, backfill_minutes: 8 }\n";

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Where it cannot run, say so and succeed
    #[arg(long)]
    skip_if_impossible: bool,
    /// Leave out the checks that take minutes: the hung task
    #[arg(long)]
    quick: bool,
    /// How the programs are built: as the tests do saves minutes
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Use the programs as they are built
    #[arg(long)]
    no_build: bool,
}

/// One line of the table.
struct Row {
    name: &'static str,
    outcome: Result<String>,
    took: Duration,
}

/// What the checks work with.
struct Lab {
    machine: Machine,
    rows: Vec<Row>,
}

impl Lab {
    /// Does one check and notes it; what it answers is shown beside its name.
    fn check(&mut self, name: &'static str, check: impl FnOnce(&mut Machine) -> Result<String>) {
        let began = Instant::now();
        let outcome = check(&mut self.machine);
        let row = Row {
            name,
            outcome,
            took: began.elapsed(),
        };
        println!("{}", line(&row));
        self.rows.push(row);
    }
}

/// Runs every check. An error if one failed.
pub(crate) fn test(arguments: &TestArguments) -> Result<()> {
    if let Some(why) = machine::obstacle() {
        ensure!(
            arguments.skip_if_impossible,
            "the test with systemd cannot run here: {why}"
        );
        println!("SKIPPED: the test with systemd cannot run here: {why}");
        return Ok(());
    }
    let (machine, took) = match bare_machine() {
        Ok(booted) => booted,
        Err(error) if arguments.skip_if_impossible => {
            println!("SKIPPED: no machine boots here: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error.context("no machine boots here")),
    };
    let profile = arguments.profile;
    if !arguments.no_build {
        package::build_programs(profile)?;
        build::build(&["-p", "market-sim", "--bins"])?;
    }
    for revision in ["1", "2"] {
        let package = package::pack(revision, profile, Size::Large)?;
        let name = package.file_name().context("the package has no name")?;
        fs::copy(&package, machine.path("/var/tmp").join(name))?;
    }
    fs::copy(
        build::program("market-sim", false)?,
        machine.path("/usr/local/bin/market-sim"),
    )?;
    let checkout = machine.path(manual::CHECKOUT);
    fs::create_dir_all(checkout.join("target/release"))?;
    run(Command::new("cp")
        .arg("-r")
        .arg(build::root().join("config"))
        .arg(&checkout))?;
    for name in ["data-collector", "analyzer"] {
        fs::copy(
            build::program(name, profile == Profile::Release)?,
            checkout.join("target/release").join(name),
        )?;
    }
    fs::write(machine.path("/etc/systemd/system/market-sim.service"), SIMULATOR)?;
    let mut lab = Lab {
        machine,
        rows: Vec::new(),
    };
    lab.check("the machine boots", |_| {
        Ok(format!("{:.1} s", took.as_secs_f64()))
    });
    checks::all(&mut lab, arguments.quick);
    println!("\n{}", lab.rows.iter().map(line).collect::<Vec<_>>().join("\n"));
    let failed = lab.rows.iter().filter(|row| row.outcome.is_err()).count();
    println!("{} checks, {failed} failed", lab.rows.len());
    ensure!(failed == 0, "{failed} checks failed");
    Ok(())
}

/// The machine with nothing of this project in it, booted, and how long that took.
fn bare_machine() -> Result<(Machine, Duration)> {
    machine::ensure_tools()?;
    let mut machine = Machine::fresh(DATA)?;
    let took = machine.boot()?;
    Ok((machine, took))
}

fn line(row: &Row) -> String {
    let (verdict, words) = match &row.outcome {
        Ok(words) => ("ok    ", words.clone()),
        Err(error) => ("FAILED", format!("{error:#}")),
    };
    format!(
        "{verdict}  {:<44} {:>6.1} s  {words}",
        row.name,
        row.took.as_secs_f64()
    )
}

/// Waits until a condition holds; its error is the last thing that was seen.
fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = look();
        match seen {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() > deadline => anyhow::bail!("not within {limit:?}: {what}"),
            Err(error) if Instant::now() > deadline => return Err(error.context(what.to_owned())),
            Ok(None) | Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// The configuration of the test, from the packaged one.
fn configuration(packaged: &str) -> Result<String> {
    let mut text = packaged.to_owned();
    for (place, change) in CHANGES {
        ensure!(
            text.contains(place),
            "the packaged configuration has no `{place}`"
        );
        text = text.replacen(place, change, 1);
    }
    Ok(text + WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_settings_can_be_turned_to_the_simulators() {
        let packaged = fs::read_to_string(build::root().join("config/systemd/strategy-agent.yaml")).unwrap();
        let text = configuration(&packaged).unwrap();
        let settings: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let at = |section: &str, key: &str| settings[section][key].clone();
        assert_eq!(at("binance", "rest_api_base"), "http://127.0.0.1:18080");
        assert_eq!(at("binance", "websocket_base"), "ws://127.0.0.1:18081");
        assert_eq!(
            at("analyzer", "deepseek")["base_url"],
            "http://127.0.0.1:18082/v1"
        );
        assert_eq!(at("analyzer", "analysis")["profile_window_minutes"], 8);
        assert_eq!(at("data_collector", "order_flow")["window_size_minutes"], 8);
        assert_eq!(at("redis", "socket_timeout"), 1);
        let error = configuration(
            &packaged
                .replace("redis:", "rdis:")
                .replace("port: 6379", "port: 1"),
        );
        assert!(error.unwrap_err().to_string().contains("6379"));
    }

    #[test]
    fn a_line_of_the_table_says_how_a_check_ended() {
        let row = |outcome| Row {
            name: "stop in time",
            outcome,
            took: Duration::from_millis(1_250),
        };
        let passed = line(&row(Ok("0.31 s".to_owned())));
        assert!(passed.starts_with("ok      stop in time "), "{passed}");
        assert!(passed.ends_with(" 1.2 s  0.31 s"), "{passed}");
        let failed = line(&row(Err(anyhow::anyhow!("5 s").context("too slow"))));
        assert!(failed.starts_with("FAILED  stop in time "), "{failed}");
        assert!(failed.ends_with("too slow: 5 s"), "{failed}");
    }

    #[test]
    fn what_is_waited_for_is_named_when_it_does_not_come() {
        let mut looks = 0;
        let found = eventually("three looks", Duration::from_secs(30), || {
            looks += 1;
            ensure!(looks > 1, "not the first time");
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
        let never = eventually("a book", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert!(never.to_string().contains("a book"), "{never}");
        let failing = eventually("a book", Duration::ZERO, || {
            Err::<Option<()>, _>(anyhow::anyhow!("redis is away"))
        });
        assert_eq!(format!("{:#}", failing.unwrap_err()), "a book: redis is away");
    }
}

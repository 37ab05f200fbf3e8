//! What the daemons talk to in `demo` and `run`: simulated or real peers, and a Redis of their own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::build;
use crate::daemons::{Daemons, LOOK};
use crate::processes::Processes;
use crate::redis;
use crate::settings;

/// Most minutes the programs keep.
const MOST_MINUTES: i64 = 44_640;

/// Longest wait for a peer to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Seed of the simulated market
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Event seconds per second of the simulated market
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Minutes kept in Redis; older ones become files
    #[arg(long, default_value_t = 2880, value_parser = clap::value_parser!(u32).range(1..=MOST_MINUTES))]
    window_minutes: u32,
    /// No model: the local rules advise
    #[arg(long)]
    no_model: bool,
    /// Where everything of the demo is kept, emptied before; otherwise in the target directory
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Optimised build: slower to build, faster to run
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Configuration file, relative to the working directory or to the root of the workspace
    #[arg(long, default_value = "config/development.yaml")]
    config: PathBuf,
    /// Optimised build: slower to build, faster to run
    #[arg(long)]
    release: bool,
}

/// Runs both daemons against a simulated exchange and model.
pub(crate) fn demo(arguments: &DemoArguments) -> Result<()> {
    let stop = stop_on_signal()?;
    redis::ensure_server()?;
    build::build_programs(arguments.release)?;
    let directory = match &arguments.directory {
        Some(given) => path::absolute(given)?,
        None => build::target()?.join("demo"),
    };
    if directory.exists() {
        fs::remove_dir_all(&directory).context("the last demo cannot be removed")?;
    }
    fs::create_dir_all(&directory)?;
    let mut processes = Processes::default();
    let redis_port = free_port()?;
    start_redis(
        &mut processes,
        (Ipv4Addr::LOCALHOST.into(), redis_port),
        &directory,
    )?;
    let sim = start_simulator(&mut processes, arguments, &directory)?;
    let config = directory.join("config.yaml");
    fs::write(&config, demo_config(arguments, redis_port, &sim))?;
    println!("Redis on port {redis_port}, simulated exchange at {}.", sim.rest);
    println!("Everything of this demo is in {}.\n", directory.display());
    let daemons = Daemons {
        config: &config,
        directory: &directory,
        output: &directory,
        environment: if arguments.no_model {
            vec![]
        } else {
            vec![("DEEPSEEK_API_KEY", "simulated".to_owned())]
        },
        release: arguments.release,
    };
    daemons.run(&daemons.settings()?, processes, &stop)
}

/// Runs both daemons against the real exchange.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let stop = stop_on_signal()?;
    build::build_programs(arguments.release)?;
    let root = build::root();
    let output = build::target()?.join("run");
    fs::create_dir_all(&output)?;
    let config = config_file(&arguments.config, &root)?;
    let daemons = Daemons {
        config: &config,
        directory: &root,
        output: &output,
        environment: vec![],
        release: arguments.release,
    };
    let settings = daemons.settings()?;
    let mut processes = Processes::default();
    provide_redis(&settings.redis, &mut processes, &output)?;
    daemons.run(&settings, processes, &stop)
}

/// The file that is meant: as seen from here, otherwise as seen from the root of the workspace.
fn config_file(given: &Path, root: &Path) -> Result<PathBuf> {
    let here = path::absolute(given)?;
    Ok(if here.exists() { here } else { root.join(given) })
}

/// Starts a Redis of our own where the configuration expects one on this machine and there is none.
fn provide_redis(wanted: &settings::Redis, processes: &mut Processes, directory: &Path) -> Result<()> {
    let at = format!("{}, port {}", wanted.host, wanted.port);
    if wanted.is_there() {
        return Ok(());
    }
    let Some(address) = wanted.own_address() else {
        println!("No Redis at {at}: the programs wait for it.");
        return Ok(());
    };
    ensure!(
        wanted.is_plain(),
        "no Redis at {at}, and one with a password or TLS is not started here: start it and try again"
    );
    println!(
        "No Redis at {at}: starting one, with its data in {}.",
        directory.display()
    );
    redis::ensure_server()?;
    start_redis(processes, (address, wanted.port), directory)
}

/// Addresses of the simulated peers.
struct Simulator {
    rest: String,
    ws: String,
    model: String,
}

fn start_simulator(
    processes: &mut Processes,
    arguments: &DemoArguments,
    directory: &Path,
) -> Result<Simulator> {
    let log = directory.join("market-sim.log");
    let mut command = Command::new(build::program("market-sim", arguments.release)?);
    command.args([
        "--seed",
        &arguments.seed.to_string(),
        "--speed",
        &arguments.speed.to_string(),
    ]);
    processes.start("market-sim", &mut command, &log)?;
    let deadline = Instant::now() + READY_LIMIT;
    while Instant::now() < deadline {
        processes.check()?;
        let file = fs::File::open(&log)?;
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            let Ok(urls) = serde_json::from_str::<serde_json::Value>(&line) else {
                continue;
            };
            let url = |key: &str| urls[key].as_str().map(str::to_owned);
            if let (Some(rest), Some(ws), Some(model)) = (url("rest"), url("ws"), url("model")) {
                return Ok(Simulator { rest, ws, model });
            }
        }
        std::thread::sleep(LOOK);
    }
    bail!("the simulator is not ready after {} s", READY_LIMIT.as_secs());
}

fn demo_config(arguments: &DemoArguments, redis_port: u16, sim: &Simulator) -> String {
    format!(
        r#"# Written by `cargo xtask demo`.
app: {{ name: "strategy-agent", environment: "demo" }}
redis: {{ host: "127.0.0.1", port: {redis_port}, storage_dir: "storage" }}
binance:
  rest_api_base: "{rest}"
  websocket_base: "{ws}"
  symbol: "BTCFDUSD"
  rate_limit_requests_per_minute: 6000
data_collector:
  order_flow: {{ window_size_minutes: {window}, backfill_minutes: {window} }}
analyzer:
  deepseek:
    api_key: "${{DEEPSEEK_API_KEY}}"
    base_url: "{model}"
  analysis: {{ profile_window_minutes: {window}, flow_window_minutes: {flow} }}
logging: {{ file_path: "logs/strategy_agent.log" }}
"#,
        rest = sim.rest,
        ws = sim.ws,
        model = sim.model,
        window = arguments.window_minutes,
        flow = arguments.window_minutes.min(180),
    )
}

/// A server of its own, with its data in `directory`.
fn start_redis(processes: &mut Processes, address: (IpAddr, u16), directory: &Path) -> Result<()> {
    let (host, port) = address;
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            &host.to_string(),
            "--save",
            "",
            "--appendonly",
            "yes",
        ])
        .arg("--dir")
        .arg(directory);
    processes.start("redis-server", &mut command, &directory.join("redis.log"))?;
    let deadline = Instant::now() + READY_LIMIT;
    while TcpStream::connect(address).is_err() {
        processes.check()?;
        if Instant::now() > deadline {
            bail!("redis-server does not answer on port {port}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// True after Ctrl+C or SIGTERM. A second one ends the task at once; its programs then end by themselves
/// only when they are told to.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if !seen.swap(true, Ordering::Relaxed) {
            println!("\nstopping ...");
        }
    })
    .context("Ctrl+C cannot be handled")?;
    Ok(stop)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_looked_for_here_and_then_in_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        let here = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(config_file(here.path(), root.path()).unwrap(), here.path());
        let elsewhere = Path::new("config/of-no-directory.yaml");
        assert_eq!(
            config_file(elsewhere, root.path()).unwrap(),
            root.path().join(elsewhere)
        );
    }

    #[test]
    fn the_demo_asks_the_simulators_and_never_looks_back_further_than_its_window() {
        let simulator = Simulator {
            rest: "http://127.0.0.1:1".to_owned(),
            ws: "ws://127.0.0.1:2".to_owned(),
            model: "http://127.0.0.1:3/v1".to_owned(),
        };
        for (window, flow) in [(30, 30), (2880, 180)] {
            let arguments = DemoArguments {
                seed: 1,
                speed: 1.0,
                window_minutes: window,
                no_model: false,
                directory: None,
                release: false,
            };
            let text = demo_config(&arguments, 4000, &simulator);
            let config: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(config["redis"]["port"], 4000);
            assert_eq!(config["binance"]["rest_api_base"], "http://127.0.0.1:1");
            assert_eq!(config["binance"]["websocket_base"], "ws://127.0.0.1:2");
            assert_eq!(
                config["analyzer"]["deepseek"]["base_url"],
                "http://127.0.0.1:3/v1"
            );
            let analysis = &config["analyzer"]["analysis"];
            assert_eq!(analysis["profile_window_minutes"], window);
            assert_eq!(analysis["flow_window_minutes"], flow);
        }
    }

    /// What a configuration says of Redis.
    fn wanted(redis: &str) -> settings::Redis {
        let mut script = Command::new("sh");
        let text = format!(
            "redis: {redis}\nbinance: {{symbol: X}}\nlogging: {{file_path: x}}\n\
             data_collector: {{order_flow: {{window_size_minutes: 1, backfill_minutes: 1}}}}\n"
        );
        script.args(["-c", "cat \"$0\""]);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        settings::Settings::of(script.arg(file.path())).unwrap().redis
    }

    #[test]
    fn a_redis_is_started_only_where_none_is_and_where_one_without_secrets_is_meant() {
        let place = tempfile::tempdir().unwrap();
        let mut processes = Processes::default();
        let mut provide = |redis: &str| provide_redis(&wanted(redis), &mut processes, place.path());
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        provide(&format!("{{host: 127.0.0.1, port: {port}, tls: true}}")).unwrap();
        // Nothing listens on the first of all ports, and nobody can connect to all the world at once.
        let error = provide("{host: 127.0.0.1, port: 1, tls: true}").unwrap_err();
        assert!(error.to_string().contains("password or TLS"), "{error}");
        provide("{host: 255.255.255.255, port: 6379, tls: false}").unwrap();
        assert_eq!(processes.ids().count(), 0, "nothing was started");
    }
}

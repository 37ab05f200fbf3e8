//! Both daemons at once, against simulated or real peers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::build;
use crate::follow::Follower;
use crate::processes::Processes;
use crate::redis;

/// How often the log and the programs are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Longest wait for a peer to be ready, and for the collector to have something to analyse.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where Redis is looked for by `run`, as in `config/development.yaml`.
const USUAL_REDIS_PORT: u16 = 6379;

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Seed of the simulated market
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Event seconds per second of the simulated market
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Minutes kept in Redis; older ones become files
    #[arg(long, default_value_t = 2880)]
    window_minutes: u32,
    /// No model: the local rules advise
    #[arg(long)]
    no_model: bool,
    /// Optimised build: slower to build, faster to run
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Configuration file
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
    let directory = build::target().join("demo");
    if directory.exists() {
        fs::remove_dir_all(&directory).context("the last demo cannot be removed")?;
    }
    fs::create_dir_all(&directory)?;
    let mut processes = Processes::default();
    let redis_port = free_port()?;
    start_redis(&mut processes, redis_port, &directory)?;
    let sim = start_simulator(&mut processes, arguments, &directory)?;
    let config = directory.join("config.yaml");
    fs::write(&config, demo_config(arguments, redis_port, &sim))?;
    println!("Redis on port {redis_port}, simulated exchange at {}.", sim.rest);
    println!("Everything of this demo is in {}.\n", directory.display());
    let daemons = Daemons {
        config: &config,
        directory: &directory,
        log: directory.join("logs/trading_recommendations_btcfdusd.log"),
        environment: if arguments.no_model {
            vec![]
        } else {
            vec![("DEEPSEEK_API_KEY", "simulated".to_owned())]
        },
        release: arguments.release,
    };
    daemons.run(processes, &stop)
}

/// Runs both daemons against the real exchange.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let stop = stop_on_signal()?;
    redis::ensure_server()?;
    build::build_programs(arguments.release)?;
    let root = build::root();
    let directory = build::target().join("run");
    fs::create_dir_all(&directory)?;
    let mut processes = Processes::default();
    if TcpStream::connect((Ipv4Addr::LOCALHOST, USUAL_REDIS_PORT)).is_err() {
        println!(
            "No Redis on port {USUAL_REDIS_PORT}: starting one, with its data in {}.",
            directory.display()
        );
        start_redis(&mut processes, USUAL_REDIS_PORT, &directory)?;
    }
    let config = root.join(&arguments.config);
    let daemons = Daemons {
        config: &config,
        directory: &root,
        log: root.join("logs/trading_recommendations_btcfdusd.log"),
        environment: vec![],
        release: arguments.release,
    };
    daemons.run(processes, &stop)
}

/// The two daemons and where they run.
struct Daemons<'a> {
    config: &'a Path,
    directory: &'a Path,
    log: PathBuf,
    environment: Vec<(&'static str, String)>,
    release: bool,
}

impl Daemons<'_> {
    /// Starts both and follows the recommendations until Ctrl+C or until one of them ends.
    fn run(&self, mut processes: Processes, stop: &AtomicBool) -> Result<()> {
        let output = build::target().join("demo-output");
        fs::create_dir_all(&output)?;
        let mut follower = Follower::new(&self.log);
        let started = Instant::now();
        processes.start(
            "data-collector",
            &mut self.command("data-collector"),
            &output.join("data-collector.log"),
        )?;
        self.wait_for_minutes(&mut processes, stop)?;
        processes.start(
            "analyzer",
            &mut self.command("analyzer"),
            &output.join("analyzer.log"),
        )?;
        println!("Following {}. Ctrl+C stops everything.\n", self.log.display());
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
    fn wait_for_minutes(&self, processes: &mut Processes, stop: &AtomicBool) -> Result<()> {
        println!("Waiting for the collector to fill the window ...");
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
            processes.check()?;
            let answer = self
                .command("data-collector")
                .args(["status", "--json"])
                .stderr(Stdio::null())
                .output()?;
            let status: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
            let filled = status["trade_window_count"].as_u64().unwrap_or(0) >= 5
                && status["depth_snapshots_count"].as_u64().unwrap_or(0) >= 1;
            if filled {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        // The analyzer says itself what it misses.
        Ok(())
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(build::program(name, self.release));
        command
            .arg("--config")
            .arg(self.config)
            .current_dir(self.directory);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
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
    let mut command = Command::new(build::program("market-sim", arguments.release));
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
fn start_redis(processes: &mut Processes, port: u16, directory: &Path) -> Result<()> {
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
        ])
        .arg("--dir")
        .arg(directory);
    processes.start("redis-server", &mut command, &directory.join("redis.log"))?;
    let deadline = Instant::now() + READY_LIMIT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
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

/// Resident memory of a process, where `/proc` tells.
fn memory_mb(id: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

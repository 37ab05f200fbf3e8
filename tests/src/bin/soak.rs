//! `cargo xtask soak`: days of a market in minutes, without faults; the memory of both programs is watched, and in the
//! end every minute in Redis and in storage is compared with what the exchange knows.
//!
//! Both have a clock that goes as fast as the market. A book comes every second and an analysis every other, so that an
//! event minute has fewer of them than it would in real time, at 480 times the clock one in eight and one in sixteen.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::DateTime;
use clap::Parser;
use end_to_end_tests::{LocalClock, Program, World, WorldOptions};
use market_sim::wait::eventually;

/// Longest wait for the window to be whole at the end.
const WHOLE_LIMIT: Duration = Duration::from_secs(120);

/// What the analyzer needs to know: there is no model, and its cycles come as often as they may.
const ANALYZER: &str = "analyzer:
  deepseek: { enabled: false, timeout: 1 }
  analysis: { interval_seconds: 2 }";

/// Runs both programs through days of a market and compares what it recorded with what the exchange knows.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
struct Arguments {
    /// Wall minutes
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Event seconds per second
    #[arg(long, default_value_t = 240.0)]
    speed: f64,
    /// Median of the trades per event minute
    #[arg(long, default_value_t = 120.0)]
    rate: f64,
    /// Seed of the market
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Minutes kept in Redis
    #[arg(long, default_value_t = 2880)]
    window: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let world = World::start(WorldOptions {
        seed: arguments.seed,
        rate: arguments.rate,
        speed: arguments.speed,
        start: DateTime::from_timestamp(1_763_792_047, 0).unwrap_or_default(),
        window: usize::try_from(arguments.window).unwrap_or(usize::MAX),
        backfill: arguments.window,
        depth_interval: 1,
        ..WorldOptions::default()
    })
    .await;
    world.write_config("collector.yaml", ANALYZER);
    // By the analyzer's clock books come as seldom as that.
    world.write_config("config.yaml", ANALYZER);
    world.edit_config(
        "update_interval_seconds: 1,",
        &format!("update_interval_seconds: {},", arguments.speed.ceil()),
    );
    let clock = LocalClock::new(&world.directory());
    clock.run(world.clock.now(), arguments.speed);
    let start_program = |name: &str, config: &str| {
        let arguments = ["--config", config];
        Program::start_with(name, &world.directory(), &arguments, &clock.environment())
    };
    let mut collector = start_program("data-collector", "collector.yaml");
    let mut analyzer = start_program("analyzer", "config.yaml");
    let (start, first) = (Instant::now(), world.now());
    let mut memory = Vec::new();
    for minute in 1..=arguments.minutes {
        let due = Duration::from_secs(60 * minute);
        let passed = eventually("a wall minute", Duration::from_secs(90), async || {
            start.elapsed() >= due
        })
        .await;
        for program in [&mut collector, &mut analyzer] {
            if passed.is_err() || !program.is_running() {
                println!("it has ended:\n{}", program.stderr());
                return ExitCode::FAILURE;
            }
        }
        let kilobytes = (collector.memory_kb(), analyzer.memory_kb());
        memory.push(kilobytes);
        println!(
            "{minute} min: {} event minutes, collector {} kB, analyzer {} kB",
            world.now().since(first),
            kilobytes.0,
            kilobytes.1
        );
    }
    let (exit, _) = analyzer.stop("TERM").await;
    let log = world
        .directory()
        .join("logs/trading_recommendations_btcfdusd.log");
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines = log.lines().count();
    let advice = log
        .lines()
        .filter(|line| !line.contains(r#""status":"abstain""#))
        .count();
    println!(
        "analyzer: {lines} lines, {advice} of them advice, the last one: {}",
        log.lines().last().unwrap_or_default()
    );
    if exit != Some(0) || advice * 2 < lines {
        println!("{exit:?}: {}", analyzer.stderr());
        return ExitCode::FAILURE;
    }
    world.clock.set_speed(1.0);
    let recorded = world.assert_whole(world.now().previous(), WHOLE_LIMIT).await;
    let trades: u64 = recorded
        .window
        .iter()
        .chain(recorded.files.values())
        .map(|minute| minute.trade_count)
        .sum();
    let incomplete_files = recorded.files.values().filter(|minute| !minute.complete).count();
    println!("memory of collector and analyzer in kB, once a minute: {memory:?}");
    println!(
        "{} minutes in redis and {} files, {trades} trades, {incomplete_files} incomplete files, 0 differences",
        recorded.window.len(),
        recorded.files.len()
    );
    println!("status: {}", world.status().await);
    if incomplete_files == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

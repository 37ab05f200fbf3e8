//! `cargo xtask soak`: days of a market in minutes, without faults; memory is watched, and in the end every
//! minute in Redis and in storage is compared with what the exchange knows.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::DateTime;
use clap::Parser;
use end_to_end_tests::{World, WorldOptions};
use market_sim::wait::eventually;

/// Longest wait for the window to be whole at the end.
const WHOLE_LIMIT: Duration = Duration::from_secs(120);

/// Runs the collector through days of a market and compares what it recorded with what the exchange knows.
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
    let mut collector = world.collector();
    let (start, first) = (Instant::now(), world.now());
    let mut memory = Vec::new();
    for minute in 1..=arguments.minutes {
        let due = Duration::from_secs(60 * minute);
        let passed = eventually("a wall minute", Duration::from_secs(90), async || {
            start.elapsed() >= due
        })
        .await;
        if passed.is_err() || !collector.is_running() {
            println!("the collector has ended:\n{}", collector.stderr());
            return ExitCode::FAILURE;
        }
        memory.push(collector.memory_kb());
        println!(
            "{minute} min: {} event minutes, collector {} kB",
            world.now().since(first),
            memory.last().copied().unwrap_or(0)
        );
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
    println!("memory in kB, once a minute: {memory:?}");
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

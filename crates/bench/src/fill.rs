//! The window of two days from the exchange's history, and a second with twenty thousand trades.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use end_to_end_tests::{World, WorldOptions};
use market_sim::wait::eventually;
use serde_json::Value;

use crate::cpu;
use crate::share::Share;
use crate::table::Row;

const MINUTE: Duration = Duration::from_secs(60);

/// Longest wait for a whole window.
const LIMIT: Duration = Duration::from_secs(900);

/// Minutes of the window.
const MINUTES: u32 = 2880;

/// Fewest minutes of a part: some of them have to be there at the start.
const LEAST: u32 = 20;

/// Request weight a minute; two days of the usual market weigh about three times as much.
const WEIGHT: u32 = 2400;

/// Trades of the burst.
const BURST: u32 = 20_000;

/// How long after its end a minute may be published.
const IN_TIME: Duration = Duration::from_secs(5);

/// Two days of the usual market.
pub(crate) async fn warm_start(share: Share) -> Result<Vec<Row>> {
    let minutes = share.of(MINUTES, LEAST);
    let world = World::start(WorldOptions {
        seed: 10,
        rate: 467.0,
        speed: 1.0,
        window: usize::try_from(minutes)?,
        backfill: minutes,
        depth_interval: 60,
        weight_per_minute: WEIGHT,
        ..WorldOptions::default()
    })
    .await;
    let (program, begun) = (world.collector(), Instant::now());
    let weight = || world.exchange.stats().weight();
    // Weight spent by the end of each whole minute.
    let mut by_minute = Vec::new();
    let is_whole = async || {
        if begun.elapsed() >= MINUTE * (u32::try_from(by_minute.len()).unwrap_or(u32::MAX) + 1) {
            by_minute.push(weight());
        }
        let status: Value = serde_json::from_str(&world.status().await).unwrap_or_default();
        status["trade_window_count"].as_u64() >= Some(u64::from(minutes - 2))
            && status["incomplete_minutes"].as_u64() == Some(0)
    };
    eventually("the window is whole", LIMIT, is_whole).await?;
    let elapsed = begun.elapsed();
    let taken = cpu::of_process(program.id())?;
    let memory = program.peak_kb();
    let recorded = world.recorded().await.map_err(|found| anyhow!("{found:?}"))?;
    let differences = recorded.differences(&world.truth());
    let trades: u64 = recorded.window.iter().map(|minute| minute.trade_count).sum();
    let used = used(&by_minute).unwrap_or_else(|| weight() as f64 / f64::from(WEIGHT));
    let per_million = taken.as_secs_f64() * 1e6 / trades as f64;
    let work = format!(
        "warm start: {} minutes, {trades} trades, {} differences, {:.0} s, budget {WEIGHT} a minute",
        recorded.window.len(),
        differences.len(),
        elapsed.as_secs_f64()
    );
    let megabytes = memory as f64 / 1024.0;
    Ok(vec![
        Row::alone(
            &format!("{work}: budget used in its whole minutes"),
            format!("{:.0} %", used * 100.0),
            "≥ 95 %",
            used >= 0.95 && differences.is_empty(),
        ),
        Row::alone(
            "the same: CPU per million trades",
            format!("{per_million:.2} CPU s"),
            "≤ 2 CPU s",
            per_million <= 2.0,
        ),
        Row::alone(
            "the same: memory of the collector at its peak",
            format!("{megabytes:.1} MB resident"),
            "≤ 20 MB",
            megabytes <= 20.0,
        ),
    ])
}

/// The part of the budget that was used in whole minutes, of the weight spent by the end of each; None without one.
fn used(by_minute: &[u64]) -> Option<f64> {
    let spent = by_minute.last()?;
    Some(*spent as f64 / (f64::from(WEIGHT) * by_minute.len() as f64))
}

/// Twenty thousand trades in one second of an otherwise usual market, in real time.
pub(crate) async fn burst(share: Share) -> Result<Vec<Row>> {
    let (trades, speed) = (share.of(BURST, 1), share.speed());
    let pace = if speed > 1.0 {
        format!("{speed} times as fast as real time")
    } else {
        "in real time".to_owned()
    };
    let world = World::start(WorldOptions {
        seed: 11,
        rate: 467.0,
        speed,
        window: 60,
        backfill: 2,
        depth_interval: 60,
        ..WorldOptions::default()
    })
    .await;
    let mut program = world.collector();
    let minute = world.exchange.burst(trades)?;
    world.clock.wait_until(minute.end_ms()).await;
    let ended = Instant::now();
    let is_there = async || {
        world.recorded().await.is_ok_and(|recorded| {
            recorded
                .window
                .iter()
                .any(|recorded| recorded.minute == minute && recorded.complete)
        })
    };
    eventually("the minute is published", Duration::from_secs(60), is_there).await?;
    let late = ended.elapsed();
    let recorded = world.recorded().await.map_err(|found| anyhow!("{found:?}"))?;
    let differences = recorded.differences(&world.truth());
    let status: Value = serde_json::from_str(&world.status().await).unwrap_or_default();
    program.stop("TERM").await;
    Ok(vec![Row::alone(
        &format!("burst of {trades} trades in a second, {pace}"),
        format!(
            "published {:.1} s after its minute, {} differences, {} gaps",
            late.as_secs_f64(),
            differences.len(),
            status["counters"]["gaps"]
        ),
        "nothing lost, within 5 s",
        differences.is_empty() && late <= IN_TIME,
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_the_last_minute_counts_only_when_it_is_whole() {
        assert_eq!(used(&[]), None);
        let used = used(&[2400, 4320]).unwrap();
        assert!((used - 0.9).abs() < 1e-9, "{used}");
    }
}

//! Trade frames: socket, parser, id chain, minute.

use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::wait::{eventually, eventually_some};
use serde_json::Value;
use strategy_core::time::Minute;

use crate::cores;
use crate::cpu;
use crate::share::Share;
use crate::table::{Row, Spread};

/// Longest wait for anything that should come at once.
const LIMIT: Duration = Duration::from_secs(30);

/// Event seconds per second while frames are counted.
const SPEED: f64 = 60.0;

/// Median of the trades per event minute; at [`SPEED`] as many a second.
const RATE: u32 = 60_000;

/// How long frames are counted.
const SPAN: Duration = Duration::from_secs(8);

async fn world(share: Share) -> World {
    World::start(WorldOptions {
        seed: 7,
        rate: share.of(RATE, 1).into(),
        rare_events: false,
        speed: 1.0,
        window: 60,
        backfill: 0,
        depth_interval: 3600,
        ..WorldOptions::default()
    })
    .await
}

/// Lets the market run fast for a while, and then stand still. Returns how many frames that were.
async fn rush(world: &World, share: Share) -> u64 {
    let before = world.exchange.stats().rows_sent();
    world.clock.set_speed(SPEED);
    tokio::time::sleep(share.of_time(SPAN)).await;
    world.clock.pause();
    // What is due is sent by then; nothing else tells when.
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.exchange.stats().rows_sent() - before
}

/// Processor seconds of the collector per million frames.
async fn collector(share: Share) -> Result<f64> {
    let world = world(share).await;
    let program = world.collector();
    // With nothing left to ask REST for, which would be measured too.
    eventually("recording without a gap", LIMIT, async || {
        let status: Value = serde_json::from_str(&world.status().await).unwrap_or_default();
        let recording =
            status["websocket_connected"] == true && status["degraded"] == Value::Array(Vec::new());
        recording && status["last_trade_id"].is_u64() && world.exchange.stats().rows_sent() > 100
    })
    .await?;
    cores::apart(program.id(), of_collector(&world, program.id(), share)).await
}

async fn of_collector(world: &World, program: u32, share: Share) -> Result<f64> {
    let before = cpu::of_process(program)?;
    let frames = rush(world, share).await;
    let newest = newest_id(world).context("a market without trades")?;
    eventually("all trades are counted", LIMIT, async || {
        let status: Value = serde_json::from_str(&world.status().await).unwrap_or_default();
        status["last_trade_id"].as_u64() == Some(newest)
    })
    .await?;
    let taken = cpu::of_process(program)?.saturating_sub(before);
    Ok(taken.as_secs_f64() * 1e6 / frames as f64)
}

/// The newest id the stream has sent.
fn newest_id(world: &World) -> Option<u64> {
    let now = world.clock.now_ms();
    let minute = Minute::containing(now).ok()?;
    let rows = |minute: Minute| world.exchange.market().block(minute).rows.clone();
    let sent = rows(minute).into_iter().rev().find(|row| row.event_ms <= now);
    sent.or_else(|| rows(minute.previous()).pop()).map(|row| row.id)
}

/// The same of the bare program.
async fn floor(share: Share) -> Result<f64> {
    let world = world(share).await;
    let url = format!("{}/ws/btcfdusd@aggTrade", world.exchange.ws_url());
    let program = Program::start("floor", &world.directory(), &["frames", &url]);
    eventually("connected", LIMIT, async || {
        program.stdout().contains("connected")
    })
    .await?;
    cores::apart(program.id(), of_floor(&world, &program, share)).await
}

async fn of_floor(world: &World, program: &Program, share: Share) -> Result<f64> {
    let before = cpu::of_process(program.id())?;
    rush(world, share).await;
    world.exchange.faults().send_text("end");
    let frames = eventually_some("all frames are counted", LIMIT, async || {
        let text = program.stdout();
        let done = text.lines().find_map(|line| line.strip_prefix("done "))?;
        done.split(' ').next()?.parse::<u64>().ok()
    })
    .await?;
    let taken = cpu::of_process(program.id())?.saturating_sub(before);
    Ok(taken.as_secs_f64() * 1e6 / frames as f64)
}

/// Measures both in turn.
pub(crate) async fn measure(runs: usize, share: Share) -> Result<Vec<Row>> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(collector(share).await?);
        bare.push(floor(share).await?);
    }
    let (ours, floor) = (Spread::of(ours), Spread::of(bare));
    let ratio = ours.median / floor.median;
    Ok(vec![Row {
        work: format!("trade frames, per million, {} a second", share.of(RATE, 1)),
        ours: ours.text("CPU s"),
        floor: floor.text("CPU s"),
        ratio: format!("{ratio:.2}"),
        goal: "≤ 1.6, ≤ 1.0 CPU s".to_owned(),
        met: ratio <= 1.6 && ours.median <= 1.0,
    }])
}

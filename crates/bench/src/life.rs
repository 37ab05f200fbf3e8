//! From the start to the first book in Redis, and from a signal to the end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::wait::eventually;

use crate::share::Share;
use crate::table::{Row, Spread, ms};

/// Longest wait for anything that should come at once.
const LIMIT: Duration = Duration::from_secs(30);

/// The list of the books.
const DEPTH: &str = "depth_snapshot_5000";

/// Trades a second of a busy market.
const BUSY: u32 = 20_000;

/// How often a program is stopped.
const STOPS: u32 = 50;

/// Starts at one exchange: more would spend so much of its weight a minute that they had to wait.
const STARTS: u32 = 10;

/// Minutes that are missing otherwise.
const FEW: u32 = 2;

/// Minutes of the usual market that are missing when a collector begins, far more than it fetches while it is at work.
const MISSING: u32 = 2880;

/// Median of the trades per minute of the usual market.
const USUAL: f64 = 467.0;

/// How long a program is at work before it is stopped.
const AT_WORK: Duration = Duration::from_secs(1);

/// A market of so many trades a minute and so many minutes a minute, of which so many are missing.
async fn world(rate: f64, speed: f64, missing: u32) -> World {
    World::start(WorldOptions {
        seed: 9,
        rate,
        rare_events: false,
        speed,
        window: 60.max(missing as usize),
        backfill: missing,
        ..WorldOptions::default()
    })
    .await
}

async fn length(world: &World, key: &str) -> usize {
    let mut connection = world.connection().await;
    let length: Result<usize, _> = redis::cmd("LLEN").arg(key).query_async(&mut connection).await;
    length.unwrap_or_default()
}

/// Time until a list in Redis has an element.
async fn first_element(world: &World, key: &str, start: impl FnOnce() -> Program) -> Result<(Program, f64)> {
    let mut connection = world.connection().await;
    let _: () = redis::cmd("DEL").arg(key).query_async(&mut connection).await?;
    let begun = Instant::now();
    let program = start();
    loop {
        let length: usize = redis::cmd("LLEN").arg(key).query_async(&mut connection).await?;
        if length > 0 {
            return Ok((program, ms(begun.elapsed())));
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "no element of {key}:\n{}",
            program.stderr()
        );
    }
}

/// Measures starts in turn.
pub(crate) async fn starts(runs: usize) -> Result<Vec<Row>> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let world = world(100.0, 1.0, FEW).await;
        let (mut program, time) = first_element(&world, DEPTH, || world.collector()).await?;
        ours.push(time);
        program.stop("TERM").await;
        let (rest, port) = (world.exchange.rest_url(), world.redis.port().to_string());
        let arguments = ["depth", &rest, &port, "220000", "1"];
        let directory = world.directory();
        let (_, time) = first_element(&world, "floor", || {
            Program::start("floor", &directory, &arguments)
        })
        .await?;
        bare.push(time);
    }
    let (ours, floor) = (Spread::of(ours), Spread::of(bare));
    let more = ours.median - floor.median;
    Ok(vec![Row {
        work: "start of the collector to its first book in Redis".to_owned(),
        ours: ours.text("ms"),
        floor: floor.text("ms"),
        ratio: format!("+{more:.0} ms"),
        goal: "≤ 100 ms over the floor".to_owned(),
        met: more <= 100.0,
    }])
}

/// Times from SIGTERM to the end of programs that have been at work.
async fn stops_of(
    world: &World,
    start: impl Fn() -> Program,
    key: &str,
    (stops, share): (u32, Share),
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..stops {
        let mut connection = world.connection().await;
        let _: () = redis::cmd("DEL").arg(key).query_async(&mut connection).await?;
        let mut program = start();
        eventually("it works", LIMIT, async || length(world, key).await > 0).await?;
        tokio::time::sleep(share.of_time(AT_WORK)).await;
        let begun = Instant::now();
        program.signal("TERM");
        while program.is_running() {
            ensure!(begun.elapsed() < LIMIT, "it does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(ms(begun.elapsed()));
    }
    Ok(times)
}

/// The same of collectors; each market as in [`world`].
async fn stops_of_collectors(market: (f64, f64, u32), share: Share) -> Result<Vec<f64>> {
    let (mut times, count) = (Vec::new(), share.of(STOPS, 1));
    while times.len() < count as usize {
        let world = world(market.0, market.1, market.2).await;
        let some = STARTS.min(count);
        times.extend(stops_of(&world, || world.collector(), DEPTH, (some, share)).await?);
    }
    Ok(times)
}

fn row(work: &str, times: Vec<f64>, limit: f64) -> Row {
    // Of fifty the 99th percentile is the highest.
    let spread = Spread::of(times);
    let met = spread.highest <= limit;
    Row::alone(work, spread.text("ms"), &format!("p99 ≤ {limit} ms"), met)
}

/// Measures stops.
pub(crate) async fn stops(share: Share) -> Result<Vec<Row>> {
    let collector = stops_of_collectors((1.0, 1.0, FEW), share).await?;
    let trades = share.of(BUSY, 1);
    // At sixty minutes a minute as many a second as a minute has.
    let busy = (trades.into(), 60.0, FEW);
    let under_load = stops_of_collectors(busy, share).await?;
    let filling = stops_of_collectors((USUAL, 1.0, MISSING), share).await?;
    let world = world(busy.0, busy.1, busy.2).await;
    let mut collector_of_data = world.collector();
    let lines = "trading_recommendations";
    eventually("books", LIMIT, async || length(&world, DEPTH).await > 0).await?;
    let count = (share.of(STOPS, 1), share);
    let analyzer = stops_of(&world, || world.analyzer(), lines, count).await?;
    collector_of_data.stop("TERM").await;
    Ok(vec![
        row("collector, SIGTERM to its end, idle", collector, 150.0),
        row(
            &format!("collector, SIGTERM to its end, {trades} trades a second"),
            under_load,
            500.0,
        ),
        row("collector, SIGTERM to its end, two days missing", filling, 500.0),
        row("analyzer, SIGTERM to its end", analyzer, 150.0),
    ])
}

//! Books: the exchange's answer, checked, in Redis; and what the trade path feels of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::exchange::{Endpoint, ExchangeConfig};
use market_sim::wait::eventually;

use crate::cpu;
use crate::share::Share;
use crate::table::{Row, Spread, ms};

/// Longest wait for anything that should come at once.
const LIMIT: Duration = Duration::from_secs(30);

/// Books of one measurement, which takes as many seconds.
const BOOKS: u32 = 8;

/// The same of a part: one book may fall just outside.
const LEAST: u32 = 2;

/// How often the exchange pings while the trade path is watched.
const PING: Duration = Duration::from_millis(2);

async fn world(interval: u64, ping: Duration) -> World {
    World::start(WorldOptions {
        seed: 8,
        rate: 1.0,
        rare_events: false,
        speed: 1.0,
        window: 60,
        backfill: 1,
        depth_interval: interval,
        exchange: ExchangeConfig {
            weight_limit: 10_000_000,
            ping_interval: ping,
            // Answers to pings count as messages.
            messages_per_second: 10_000,
            ..ExchangeConfig::default()
        },
        ..WorldOptions::default()
    })
    .await
}

/// Bytes of the newest book in Redis.
async fn stored(world: &World) -> Option<usize> {
    let book: Option<String> = redis::cmd("LINDEX")
        .arg("depth_snapshot_5000")
        .arg(0)
        .query_async(&mut world.connection().await)
        .await
        .ok()?;
    book.map(|book| book.len())
}

/// Processor time of the collector in `seconds` with a book every so many seconds, how many books that were, and bytes of a book.
async fn collector(interval: u64, seconds: u32) -> Result<(f64, u64, usize)> {
    let world = world(interval, Duration::from_secs(20)).await;
    let program = world.collector();
    eventually("the first book", LIMIT, async || stored(&world).await.is_some()).await?;
    let books = || world.exchange.stats().requests(Endpoint::Depth);
    let before = (cpu::of_process(program.id())?, books());
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    let taken = cpu::of_process(program.id())?.saturating_sub(before.0);
    let bytes = stored(&world).await.context("no book")?;
    Ok((ms(taken), books() - before.1, bytes))
}

/// The longest time the trade path took to answer a ping in `seconds`, in milliseconds, with a book a second: one of the
/// collector's own, or one that the bare program fetches beside it, which keeps exchange and Redis as busy.
async fn longest_pause(own: bool, bytes: usize, seconds: u32) -> Result<f64> {
    let world = world(if own { 1 } else { 3600 }, PING).await;
    let _program = world.collector();
    let answered = || world.exchange.stats().pongs_received() > 100;
    eventually("pings are answered", LIMIT, async || answered()).await?;
    eventually("the first book", LIMIT, async || stored(&world).await.is_some()).await?;
    let _beside = if own {
        None
    } else {
        Some(bare(&world, bytes, seconds).await?)
    };
    drop(world.exchange.stats().take_pong_times());
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    let times = world.exchange.stats().take_pong_times();
    Ok(times.into_iter().map(ms).fold(0.0, f64::max))
}

/// The bare program, with one book more than `seconds`, of which it has had the first.
async fn bare(world: &World, bytes: usize, seconds: u32) -> Result<Program> {
    let (rest, port) = (world.exchange.rest_url(), world.redis.port().to_string());
    let books = seconds + 1;
    let arguments = ["depth", &rest, &port, &bytes.to_string(), &books.to_string()];
    let program = Program::start("floor", &world.directory(), &arguments);
    eventually("the first book", LIMIT, async || {
        program.stdout().contains("read")
    })
    .await?;
    Ok(program)
}

/// Processor time of the bare program per book.
async fn floor(bytes: usize, seconds: u32) -> Result<f64> {
    let world = world(3600, Duration::from_secs(20)).await;
    let program = bare(&world, bytes, seconds).await?;
    let before = cpu::of_process(program.id())?;
    eventually("all books", LIMIT, async || program.stdout().contains("done")).await?;
    let taken = cpu::of_process(program.id())?.saturating_sub(before);
    Ok(ms(taken) / f64::from(seconds))
}

/// Measures both in turn.
pub(crate) async fn measure(runs: usize, share: Share) -> Result<Vec<Row>> {
    let seconds = share.of(BOOKS, LEAST);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let (mut worst_own, mut worst_beside) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (idle, _, _) = collector(3600, seconds).await?;
        let (busy, books, bytes) = collector(1, seconds).await?;
        ensure!(books > 0, "no book came in {seconds} s");
        worst_own.push(longest_pause(true, bytes, seconds).await?);
        worst_beside.push(longest_pause(false, bytes, seconds).await?);
        ours.push((busy - idle) / books as f64);
        bare.push(floor(bytes, seconds).await?);
    }
    let (ours, floor) = (Spread::of(ours), Spread::of(bare));
    let (own, beside) = (Spread::of(worst_own), Spread::of(worst_beside));
    let ratio = ours.median / floor.median;
    let pause = own.median - beside.median;
    Ok(vec![
        Row {
            work: "a book of 5000 + 5000 levels".to_owned(),
            ours: ours.text("CPU ms"),
            floor: floor.text("CPU ms"),
            ratio: format!("{ratio:.2}"),
            goal: "≤ 2.0, ≤ 3 ms".to_owned(),
            met: ratio <= 2.0 && ours.median <= 3.0,
        },
        Row {
            work: "longest pause of the trade path, a book a second (floor: the bare program fetches it)"
                .to_owned(),
            ours: own.text("ms"),
            floor: beside.text("ms"),
            ratio: String::new(),
            goal: "≤ 2 ms more".to_owned(),
            met: pause <= 2.0,
        },
    ])
}

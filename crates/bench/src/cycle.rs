//! The analyzer: its first cycle, the following ones, and how both grow with the window.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end_tests::Program;
use market_sim::wait::{eventually, eventually_some};
use strategy_core::time::{Clock as _, Minute, SystemClock};

use crate::cpu;
use crate::share::Share;
use crate::stage::Stage;
use crate::table::{Row, Spread, ms};

/// Longest wait for anything that should come at once.
const LIMIT: Duration = Duration::from_secs(60);

/// Steady cycles that are measured in one run; the interval is two seconds.
const CYCLES: u32 = 6;

const KEYS: [&str; 2] = ["depth_snapshot_5000", "trades_window"];

/// Minutes and price levels of the window that is usual.
const USUAL: (u32, i64) = (2880, 60);

/// Minutes of the smallest window, which is as large in a part.
const LEAST: u32 = 180;

/// A window up to some minutes ago, so that there are minutes left to add.
async fn stage((minutes, levels): (u32, i64)) -> Result<Stage> {
    let minutes = usize::try_from(minutes)?;
    let now = SystemClock.now();
    let newest = Minute::of(now)?.offset(-20);
    Stage::filled(minutes, levels, newest, now).await
}

/// Processor time and time of a program from its start to its end.
async fn whole_run(stage: &Stage, name: &str, arguments: &[&str]) -> Result<(f64, f64)> {
    let before = cpu::of_ended_children()?;
    let begun = Instant::now();
    let mut program = Program::start(name, stage.path(), arguments);
    let (status, _) = program.wait().await;
    let elapsed = ms(begun.elapsed());
    ensure!(status.success(), "{name}: {}", program.stderr());
    Ok((ms(cpu::of_ended_children()?.saturating_sub(before)), elapsed))
}

/// The first cycle: everything is read and analysed once.
pub(crate) async fn first(runs: usize, share: Share) -> Result<Vec<Row>> {
    let minutes = share.of(USUAL.0, LEAST);
    let stage = stage((minutes, USUAL.1)).await?;
    let (port, count) = (stage.redis.port().to_string(), minutes.to_string());
    let (mut ours, mut bare, mut elapsed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let (taken, whole) = whole_run(&stage, "analyzer", &["--config", "config.yaml", "--once"]).await?;
        ours.push(taken);
        elapsed.push(whole);
        let (taken, _) = whole_run(&stage, "floor", &["lists", &port, &count, KEYS[0], KEYS[1]]).await?;
        bare.push(taken);
    }
    let (ours, floor, elapsed) = (Spread::of(ours), Spread::of(bare), Spread::of(elapsed));
    let ratio = ours.median / floor.median;
    Ok(vec![Row {
        work: format!(
            "analyzer, first cycle, start and end of the program included ({} elapsed)",
            elapsed.text("ms")
        ),
        ours: ours.text("CPU ms"),
        floor: floor.text("CPU ms"),
        ratio: format!("{ratio:.2}"),
        goal: "≤ 3, ≤ 250 ms".to_owned(),
        met: ratio <= 3.0 && elapsed.median <= 250.0,
    }])
}

/// What steady cycles take.
#[derive(Debug, Clone, Copy)]
struct Steady {
    /// Processor time of one cycle, in milliseconds.
    cpu: f64,
    /// Bytes Redis sent for one cycle.
    bytes: f64,
    /// Resident memory afterwards, in megabytes.
    memory: f64,
}

/// Lets the analyzer run and adds a book and a minute for each of its cycles.
async fn steady_of(window: (u32, i64), cycles: u32) -> Result<Steady> {
    let mut stage = stage(window).await?;
    let program = Program::start("analyzer", stage.path(), &["--config", "config.yaml"]);
    let lines = || {
        let log = std::fs::read_to_string(stage_log(&stage)).unwrap_or_default();
        u32::try_from(log.lines().count()).unwrap_or(u32::MAX)
    };
    let first = eventually_some("the first lines", LIMIT, async || {
        Some(lines()).filter(|lines| *lines >= 2)
    })
    .await?;
    let path = stage_log(&stage);
    let count = || std::fs::read_to_string(&path).map_or(0, |log| log.lines().count());
    let mut newest = Minute::of(SystemClock.now())?.offset(-20);
    let (cpu, bytes) = (cpu::of_process(program.id())?, stage.bytes_sent().await?);
    for cycle in 1..=cycles {
        newest = newest.next();
        stage.put(vec![newest]).await?;
        stage.push(SystemClock.now()).await?;
        let wanted = usize::try_from(first + cycle)?;
        eventually("the next cycle", LIMIT, async || count() >= wanted).await?;
    }
    let cycles = f64::from(cycles);
    let taken = cpu::of_process(program.id())?.saturating_sub(cpu);
    let sent = stage.bytes_sent().await?.saturating_sub(bytes);
    Ok(Steady {
        cpu: ms(taken) / cycles,
        bytes: sent as f64 / cycles,
        memory: program.memory_kb() as f64 / 1024.0,
    })
}

fn stage_log(stage: &Stage) -> std::path::PathBuf {
    stage
        .path()
        .join("logs")
        .join("trading_recommendations_btcfdusd.log")
}

/// Processor time of the bare program for one book and one minute.
async fn steady_floor(cycles: u32) -> Result<f64> {
    let stage = stage((LEAST, 60)).await?;
    let port = stage.redis.port().to_string();
    let count = cycles.to_string();
    let arguments = ["heads", &port, &count, KEYS[0], KEYS[1]];
    let program = Program::start("floor", stage.path(), &arguments);
    eventually("connected", LIMIT, async || {
        program.stdout().contains("connected")
    })
    .await?;
    let before = cpu::of_process(program.id())?;
    eventually("done", LIMIT, async || program.stdout().contains("done")).await?;
    let taken = cpu::of_process(program.id())?.saturating_sub(before);
    Ok(ms(taken) / f64::from(cycles))
}

/// The following cycles, in windows of several sizes.
pub(crate) async fn steady(runs: usize, share: Share) -> Result<Vec<Row>> {
    let windows = [(LEAST, 60), USUAL, (10_080, 60), (2880, 300)]
        .map(|(minutes, levels)| (share.of(minutes, LEAST), levels));
    let cycles = share.of(CYCLES, 1);
    let mut found: Vec<Vec<Steady>> = vec![Vec::new(); windows.len()];
    let mut bare = Vec::new();
    for _ in 0..runs {
        for (window, found) in windows.iter().zip(&mut found) {
            found.push(steady_of(*window, cycles).await?);
        }
        bare.push(steady_floor(cycles).await?);
    }
    let of = |index: usize, figure: fn(&Steady) -> f64| Spread::of(found[index].iter().map(figure).collect());
    let floor = Spread::of(bare);
    let usual = of(1, |steady| steady.cpu);
    let mut rows = vec![Row {
        work: "analyzer, steady cycle".to_owned(),
        ours: usual.text("CPU ms"),
        floor: floor.text("CPU ms"),
        ratio: format!("{:.1}", usual.median / floor.median),
        goal: "≤ 6 CPU ms".to_owned(),
        met: usual.median <= 6.0,
    }];
    let base = (
        of(0, |steady| steady.cpu).median,
        of(0, |steady| steady.bytes).median,
    );
    for (index, (minutes, levels)) in windows.into_iter().enumerate() {
        let (cpu, bytes, memory) = (
            of(index, |steady| steady.cpu),
            of(index, |steady| steady.bytes),
            of(index, |steady| steady.memory),
        );
        let growth = cpu.median / base.0;
        let flat = bytes.median / base.1;
        let fits = index != 1 || memory.median <= 50.0;
        rows.push(Row {
            work: format!("steady cycle, {minutes} minutes of {levels} levels"),
            ours: format!(
                "{}, {:.0} kB read, {:.1} MB resident",
                cpu.text("CPU ms"),
                bytes.median / 1024.0,
                memory.median
            ),
            floor: String::new(),
            ratio: format!("{growth:.2}"),
            goal: "CPU within 20 % of the smallest, bytes the same; ≤ 50 MB at 2880 × 60".to_owned(),
            met: growth <= 1.2 && (0.9..1.1).contains(&flat) && fits,
        });
    }
    Ok(rows)
}

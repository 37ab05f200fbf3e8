//! The analyzer: its first cycle, the following ones, and how both grow with the window.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end_tests::Program;
use market_sim::wait::eventually;
use strategy_core::time::{Clock as _, Minute, SystemClock};

use crate::cpu;
use crate::share::Share;
use crate::stage::Stage;
use crate::table::{Row, Spread, ms};

/// Longest wait for anything that should come at once.
const LIMIT: Duration = Duration::from_secs(60);

/// Steady cycles of each window that are measured at least: medians of seven differ by a tenth from run to run. The interval is two
/// seconds.
const CYCLES: u32 = 21;

/// How long a cycle may go on behind its line.
const AFTERWARDS: Duration = Duration::from_millis(100);

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

/// An analyzer at work on a window of its own.
struct Running {
    stage: Stage,
    program: Program,
    newest: Minute,
    /// What each cycle took, in milliseconds of processor time.
    cpu: Vec<f64>,
    /// Bytes Redis sent for each.
    bytes: Vec<f64>,
}

impl Running {
    /// Starts it and waits for its first cycles.
    async fn start(window: (u32, i64)) -> Result<Self> {
        let stage = stage(window).await?;
        let program = Program::start("analyzer", stage.path(), &["--config", "config.yaml"]);
        let running = Self {
            newest: Minute::of(SystemClock.now())?.offset(-20),
            stage,
            program,
            cpu: Vec::new(),
            bytes: Vec::new(),
        };
        eventually("the first lines", LIMIT, async || running.lines() >= 2).await?;
        Ok(running)
    }

    fn lines(&self) -> usize {
        std::fs::read_to_string(stage_log(&self.stage)).map_or(0, |log| log.lines().count())
    }

    /// Adds a book and a minute and waits for the cycle that reads them.
    async fn cycle(&mut self) -> Result<()> {
        // Right behind a cycle, so that the next one has both.
        self.next_line().await?;
        let before = (
            cpu::of_process(self.program.id())?,
            self.stage.bytes_sent().await?,
        );
        self.newest = self.newest.next();
        self.stage.put(vec![self.newest]).await?;
        self.stage.push(SystemClock.now()).await?;
        self.next_line().await?;
        let taken = cpu::of_process(self.program.id())?.saturating_sub(before.0);
        let sent = self.stage.bytes_sent().await?.saturating_sub(before.1);
        self.cpu.push(ms(taken));
        self.bytes.push(sent as f64);
        Ok(())
    }

    /// Waits until the cycle is over whose line comes next.
    async fn next_line(&self) -> Result<()> {
        let wanted = self.lines() + 1;
        eventually("the next cycle", LIMIT, async || self.lines() >= wanted).await?;
        // What a cycle does after its line belongs to it.
        tokio::time::sleep(AFTERWARDS).await;
        Ok(())
    }
}

fn stage_log(stage: &Stage) -> std::path::PathBuf {
    stage
        .path()
        .join("logs")
        .join("trading_recommendations_btcfdusd.log")
}

/// Processor time of the bare program for one book and one minute.
async fn steady_floor(count: u32) -> Result<f64> {
    let stage = stage((LEAST, 60)).await?;
    let (port, times) = (stage.redis.port().to_string(), count.to_string());
    let arguments = ["heads", &port, &times, KEYS[0], KEYS[1]];
    let program = Program::start("floor", stage.path(), &arguments);
    eventually("connected", LIMIT, async || {
        program.stdout().contains("connected")
    })
    .await?;
    let before = cpu::of_process(program.id())?;
    eventually("done", LIMIT, async || program.stdout().contains("done")).await?;
    let taken = cpu::of_process(program.id())?.saturating_sub(before);
    Ok(ms(taken) / f64::from(count))
}

/// The following cycles, in windows of several sizes that take turns.
pub(crate) async fn steady(runs: usize, share: Share) -> Result<Vec<Row>> {
    let windows = [(LEAST, 60), USUAL, (10_080, 60), (2880, 300)]
        .map(|(minutes, levels)| (share.of(minutes, LEAST), levels));
    let cycles = share.of(u32::try_from(runs)?.max(CYCLES), 1);
    let mut running = Vec::new();
    for window in windows {
        running.push(Running::start(window).await?);
    }
    for _ in 0..cycles {
        for one in &mut running {
            one.cycle().await?;
        }
    }
    let floor = steady_floor(cycles).await?;
    let cpu = |index: usize| Spread::of(running[index].cpu.clone());
    let bytes = |index: usize| Spread::of(running[index].bytes.clone()).median;
    let usual = cpu(1);
    let mut rows = vec![Row {
        work: "analyzer, steady cycle".to_owned(),
        ours: usual.text("CPU ms"),
        floor: format!("{floor:.2} CPU ms"),
        ratio: format!("{:.1}", usual.median / floor),
        goal: "≤ 6 CPU ms".to_owned(),
        met: usual.median <= 6.0,
    }];
    for (index, (minutes, levels)) in windows.into_iter().enumerate() {
        let program = &running[index].program;
        let [memory, peak] = [program.memory_kb(), program.peak_kb()].map(|kb| kb as f64 / 1024.0);
        let growth = cpu(index).median / cpu(0).median;
        // A minute with more levels has more bytes, whatever the window.
        let flat = if levels == windows[0].1 {
            bytes(index) / bytes(0)
        } else {
            1.0
        };
        let fits = index != 1 || peak <= 50.0;
        rows.push(Row {
            work: format!("steady cycle, {minutes} minutes of {levels} levels"),
            ours: format!(
                "{}, {:.0} kB read, {memory:.1} MB resident, {peak:.1} MB at its peak",
                cpu(index).text("CPU ms"),
                bytes(index) / 1024.0,
            ),
            floor: String::new(),
            ratio: format!("{growth:.2}"),
            goal: "CPU within 20 % of the smallest, bytes the same; ≤ 50 MB at 2880 × 60".to_owned(),
            met: growth <= 1.2 && (0.9..1.1).contains(&flat) && fits,
        });
    }
    Ok(rows)
}

//! One chaos run, from its seed to what was found.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use market_sim::wait::eventually;
use tokio_util::sync::CancellationToken;

use crate::chaos::crew::Crew;
use crate::chaos::director::Director;
use crate::chaos::judge::{Judge, Judgement};
use crate::chaos::keep::copy_tree;
use crate::chaos::plan::Plan;
use crate::chaos::reader::{Circumstances, Reader, Seen};
use crate::{Difference, Recorded, World};

/// Longest wait for the window to be whole after the last fault.
const WHOLE_LIMIT: Duration = Duration::from_secs(90);

/// More configuration than the world's own: everything is logged.
const LOGGING: &str = "logging: { level: \"DEBUG\" }";

/// What one run has shown.
#[derive(Debug)]
pub struct Outcome {
    /// What was to happen.
    pub plan: Plan,
    /// What is not as it should be.
    pub differences: Vec<Difference>,
    /// Trades in the minutes that were compared at the end.
    pub trades: u64,
    /// Minutes that were compared at the end, in the window and in storage.
    pub minutes: u64,
    /// Files that say they are not complete: nobody can mend a minute after it has left the window.
    pub incomplete_files: u64,
    /// Looks at the window during the run.
    pub looks: u64,
    /// Versions of complete minutes that were compared during the run.
    pub versions: u64,
    /// Among them, versions that still lacked trades whose time steps back.
    pub early: u64,
    /// Collectors that ended because another one owned the keys.
    pub leases_lost: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Wall time from the last fault until the window was whole.
    pub healed_after: Duration,
    /// Wall time of the run.
    pub took: Duration,
    /// Where logs, files and the window of a failed run are kept.
    pub kept: Option<PathBuf>,
}

/// Runs one seed. What a failing run leaves behind is copied to a directory below `keep`.
pub async fn run_seed(seed: u64, keep: &Path) -> Outcome {
    let started = Instant::now();
    let plan = Plan::new(seed);
    let mut world = World::start(plan.options.clone()).await;
    world.write_config("config.yaml", LOGGING);
    let judge = Judge::new(Arc::clone(world.exchange.market()), plan.options.max_levels);
    let circumstances = Arc::new(Circumstances::default());
    let reader = Reader::new(
        world.redis.url(),
        judge.clone(),
        plan.options.window,
        Arc::clone(&circumstances),
    );
    let mut crew = Crew::new(world.directory());
    let done = CancellationToken::new();
    let played = async {
        Director::new(&mut world, &mut crew, circumstances)
            .run(&plan.steps)
            .await;
        let healing = Instant::now();
        let mut differences = Vec::new();
        if let Err(difference) = wait_until_whole(&world, &mut crew).await {
            differences.push(difference);
        }
        let healed_after = healing.elapsed();
        crew.stop_all().await;
        done.cancel();
        (world, crew, differences, healed_after)
    };
    let ((world, crew, mut differences, healed_after), watched) =
        tokio::join!(played, reader.run(done.clone()));
    differences.extend(crew.differences);
    let mut outcome = Outcome {
        differences,
        trades: 0,
        minutes: 0,
        incomplete_files: 0,
        looks: watched.looks,
        versions: watched.compared,
        early: watched.early,
        leases_lost: crew.leases_lost,
        faults: count(&plan),
        healed_after,
        took: started.elapsed(),
        kept: None,
        plan,
    };
    outcome.differences.extend(compare_books(&world).await);
    match world.recorded().await {
        Ok(recorded) => outcome.compare(&recorded, &judge, watched),
        Err(difference) => {
            outcome.differences.push(difference);
            outcome.differences.extend(watched.differences);
        }
    }
    if !outcome.differences.is_empty() {
        outcome.kept = keep_world(&world, &outcome, keep).await;
    }
    outcome.took = started.elapsed();
    outcome
}

impl Outcome {
    fn compare(&mut self, recorded: &Recorded, judge: &Judge, seen: Seen) {
        self.differences.extend(seen.differences);
        let mut found = recorded.gaps();
        let places = [
            ("window", recorded.window.iter().collect::<Vec<_>>()),
            ("storage", recorded.files.values().collect()),
        ];
        for (place, minutes) in places {
            for minute in minutes {
                if !minute.complete {
                    self.incomplete_files += u64::from(place == "storage");
                    continue;
                }
                self.minutes += 1;
                self.trades += minute.trade_count;
                match judge.judge(minute) {
                    Judgement::Right => {}
                    Judgement::Early => found.push(Difference(format!(
                        "{place}: {} lacks a trade whose time steps back",
                        minute.minute
                    ))),
                    Judgement::Wrong(what) => found.push(Difference(format!("{place}: {what}"))),
                }
            }
        }
        let kept = |minute| {
            recorded.files.contains_key(minute) || recorded.window.iter().any(|kept| kept.minute == *minute)
        };
        for minute in seen.minutes.iter().filter(|minute| !kept(minute)) {
            found.push(Difference(format!(
                "{minute} was in the window and is neither there nor in storage"
            )));
        }
        self.differences.extend(found);
    }
}

/// Books must be readable, and never an older one before a newer one.
async fn compare_books(world: &World) -> Option<Difference> {
    let books: Vec<String> = redis::cmd("LRANGE")
        .arg(("depth_snapshot_5000", 0, -1))
        .query_async(&mut world.connection().await)
        .await
        .unwrap_or_default();
    let decoded: Result<Vec<_>, _> = books.iter().map(strategy_core::store::decode_depth).collect();
    match decoded {
        Err(error) => Some(Difference(format!("a book cannot be read: {error}"))),
        Ok(books) => {
            let ids: Vec<u64> = books
                .iter()
                .map(strategy_core::model::DepthSnapshot::last_update_id)
                .collect();
            (!ids.is_sorted_by(|newer, older| newer >= older))
                .then(|| Difference(format!("an older book follows a newer one: {ids:?}")))
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        if self.differences.is_empty() {
            return write!(
                formatter,
                "seed {}: ok in {seconds:.1} s, {} minutes, {} trades, {} amended, whole after {:.1} s",
                self.plan.seed,
                self.minutes,
                self.trades,
                self.early,
                self.healed_after.as_secs_f64(),
            );
        }
        writeln!(
            formatter,
            "seed {}: {} differences in {seconds:.1} s\n{}",
            self.plan.seed,
            self.differences.len(),
            self.plan
        )?;
        for difference in &self.differences {
            writeln!(formatter, "  {difference}")?;
        }
        match &self.kept {
            Some(kept) => write!(formatter, "  kept in {}", kept.display()),
            None => write!(formatter, "  nothing could be kept"),
        }
    }
}

/// Waits until the window has its size, its newest minute is new, and nothing in it is incomplete.
async fn wait_until_whole(world: &World, crew: &mut Crew) -> Result<(), Difference> {
    let newest = world.now().offset(2);
    let size = world.options.window.min(world.options.backfill as usize);
    let mut last = None;
    let whole = eventually("the window is whole", WHOLE_LIMIT, async || {
        crew.ensure().await;
        last = Some(world.recorded().await);
        let Some(Ok(recorded)) = &last else { return false };
        // The open minute may stand in front, as an earlier run left it.
        recorded.window.iter().skip(1).all(|minute| minute.complete)
            && recorded.newest() >= Some(newest)
            && (size.saturating_sub(2)..=world.options.window).contains(&recorded.window.len())
    })
    .await;
    whole.map_err(|_| match last {
        Some(Ok(recorded)) => {
            let incomplete = recorded.window.iter().filter(|minute| !minute.complete);
            let incomplete: Vec<String> = incomplete.map(|minute| minute.minute.to_string()).collect();
            Difference(format!(
                "not whole {WHOLE_LIMIT:?} after the last fault: {} of {size} minutes, newest {:?}, now {}, incomplete {incomplete:?}",
                recorded.window.len(),
                recorded.newest(),
                world.now(),
            ))
        }
        Some(Err(difference)) => difference,
        None => Difference("the window was never read".to_owned()),
    })
}

fn count(plan: &Plan) -> BTreeMap<&'static str, u64> {
    let mut faults = BTreeMap::new();
    for kind in plan.steps.iter().filter_map(|step| step.act.kind()) {
        *faults.entry(kind).or_default() += 1;
    }
    faults
}

/// Number of the next directory of kept worlds, so that one seed may be kept several times.
static KEPT: AtomicU64 = AtomicU64::new(0);

async fn keep_world(world: &World, outcome: &Outcome, keep: &Path) -> Option<PathBuf> {
    let number = KEPT.fetch_add(1, Ordering::Relaxed);
    let target = keep.join(format!(
        "seed-{}-{}-{number}",
        outcome.plan.seed,
        std::process::id()
    ));
    copy_tree(&world.directory(), &target).ok()?;
    let window: Vec<String> = redis::cmd("LRANGE")
        .arg("trades_window")
        .arg(0)
        .arg(-1)
        .query_async(&mut world.connection().await)
        .await
        .unwrap_or_default();
    let mut report = format!("{}\n", outcome.plan);
    for difference in &outcome.differences {
        writeln!(report, "{difference}").ok()?;
    }
    fs::write(target.join("report.txt"), report).ok()?;
    fs::write(target.join("window.jsonl"), window.join("\n")).ok()?;
    Some(target)
}

//! `analyzer`: finds the prices that matter, asks the model, and writes one recommendation a minute.
//!
//! ```text
//! schedule ── cycle ── feed (Redis) ── analysis ── adviser ── journal (file)
//!               │                                    │  └──── recommendations (Redis)
//!               └── analysis result (Redis)          ├── rules
//! status (Redis, systemd) ── board                   └── llm: conversation, deepseek
//! ```
//!
//! Reading order: [`cycle`] is the program in one page; [`adviser`] says who advises; [`llm`] is the
//! conversation. [`run`] and [`run_once`] wire and spawn, nothing else does.

pub mod adviser;
pub mod agree;
pub mod archive;
pub mod arguments;
pub mod cycle;
mod error;
pub mod explain;
pub mod feed;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub mod journal;
pub mod llm;
mod metrics;
pub mod purse;
pub mod recommendation;
pub mod redis_use;
#[cfg(test)]
mod sample;
pub mod schedule;
pub mod silence;
pub mod standing;
pub mod status;
pub mod tick;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::analysis::Params;
use strategy_core::config::Config;
use strategy_core::lifecycle::Lifecycle;
use strategy_core::num::Quantity;
use strategy_core::program::host_name;
use strategy_core::pulse::Pulse;
use strategy_core::store::{LeaseToken, Store, StoreOptions};
use strategy_core::telemetry::LogFile;
use strategy_core::time::{Clock, SystemClock};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use crate::error::AnalyzerError;

use crate::adviser::{Absent, Adviser};
use crate::archive::Archive;
use crate::cycle::{Cycle, CycleError};
use crate::feed::Feed;
use crate::journal::Journal;
use crate::llm::conversation::Settings;
use crate::llm::models::ModelList;
use crate::llm::recording::Recording;
use crate::purse::Purse;
use crate::recommendation::day_spending;
use crate::schedule::Schedule;
use crate::silence::Silence;
use crate::standing::Standing;
use crate::status::{Board, Duty};

/// Longest time a cycle waits for Redis before it goes on without data.
const LONGEST_LOAD: Duration = Duration::from_secs(20);

/// What a cycle may take besides its waiting for Redis and for the model: analysis, writing, a slow machine.
const SLACK: Duration = Duration::from_secs(60);

/// Commands to Redis that may run into their limit one after the other.
const COMMANDS: u32 = 3;

/// Time between two tries to write lines the recommendation log refused.
const JOURNAL_RETRY: Duration = Duration::from_secs(5);

/// How long the first cycle waits to learn whether another analyzer writes.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// How often a standby gives a sign of life.
const STANDBY_LOOK: Duration = Duration::from_secs(10);

/// How long a single cycle that is over still waits for the vendor's list of models.
const LIST_GRACE: Duration = Duration::from_secs(1);

/// Builds the analyzer's parts and spawns its tasks on the life cycle. Nothing is waited for.
///
/// `replay` is a file of the archive whose recorded model answers instead of the real one; `log` is how the log
/// file is doing.
///
/// # Errors
/// [`AnalyzerError`] when a part cannot be built at all.
pub fn run(
    config: &Config,
    replay: Option<Recording>,
    log: LogFile,
    lifecycle: &Lifecycle,
) -> Result<(), AnalyzerError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let list = model_list(config, replay.as_ref())?;
    let options = config.redis.store_options();
    let mut cycle = build(config, &options, replay, Arc::clone(&clock))?;
    cycle.board.log = log;
    let store = Store::new(&options).map_err(AnalyzerError::Store)?;
    let (stop, pulse) = (lifecycle.stop(), Pulse::default());
    let redis = SLACK + (options.connect_timeout + options.socket_timeout) * COMMANDS;
    if let Some(list) = list {
        lifecycle.spawn_critical("model list", list.run(stop.clone()));
    }
    if let Some(listen) = config.metrics.analyzer {
        let figures = metrics::serve(listen, cycle.board.clone(), options.meter, stop.clone());
        lifecycle.spawn_critical("metrics", figures);
    }
    let place = format!("{}@{}", config.binance.symbol, host_name());
    let (standing, turn) = watch::channel(Standing::Unknown);
    let duty = Duty {
        pulse: pulse.clone(),
        limit: redis,
        token: LeaseToken::new(&place, std::process::id(), rand::random()),
        standing,
    };
    let written = status::run(cycle.board.clone(), store, clock, duty, stop.clone());
    lifecycle.spawn_critical("status", written);
    let interval = config.analyzer.analysis.interval;
    let limit = cycle.load_limit + config.analyzer.deepseek.timeout + redis;
    let steps = Steps {
        pulse,
        turn,
        interval,
        limit,
    };
    lifecycle.spawn_critical("cycles", run_cycles(cycle, steps, stop.clone()));
    Ok(())
}

/// Spawns one cycle that stops the program when it is done; a fault unless it wrote a line.
///
/// # Errors
/// [`AnalyzerError`] when a part cannot be built at all.
pub fn run_once(
    config: &Config,
    replay: Option<Recording>,
    lifecycle: &Lifecycle,
) -> Result<(), AnalyzerError> {
    let list = model_list(config, replay.as_ref())?;
    let options = config.redis.store_options();
    let mut cycle = build(config, &options, replay, Arc::new(SystemClock))?;
    // It may run beside an analyzer, whose lines are not its own to move.
    cycle.log_before = None;
    let control = lifecycle.clone();
    lifecycle.spawn_critical("cycle", async move {
        let stop = control.stop();
        let checking = stop.child_token();
        let checked = async {
            if let Some(list) = list {
                list.check(&checking).await;
            }
            checking.cancel();
        };
        let ran = async {
            let outcome = cycle.run(stop).await;
            // A vendor that answers the one and not the other is not waited for.
            let _cut_off = tokio::time::timeout(LIST_GRACE, checking.cancelled()).await;
            checking.cancel();
            outcome
        };
        let (outcome, ()) = tokio::join!(ran, checked);
        cycle.close().await;
        let outcome = outcome.map_err(AnalyzerError::Once);
        if outcome.is_ok() {
            control.request_stop();
        }
        outcome.map(|_| ())
    });
    Ok(())
}

/// The question whether the vendor knows the model; none where no model is asked.
fn model_list(config: &Config, replay: Option<&Recording>) -> Result<Option<ModelList>, AnalyzerError> {
    let model = &config.analyzer.deepseek;
    match (model.enabled, model.api_key.get(), replay) {
        (true, Some(key), None) => {
            let list = ModelList::new(model, key.clone()).map_err(AnalyzerError::Model)?;
            Ok(Some(list))
        }
        _ => Ok(None),
    }
}

/// Puts the parts of a cycle together; nothing is connected to.
///
/// # Errors
/// [`AnalyzerError`] when a part cannot be built at all.
pub fn build(
    config: &Config,
    options: &StoreOptions,
    replay: Option<Recording>,
    clock: Arc<dyn Clock>,
) -> Result<Cycle, AnalyzerError> {
    let (model, symbol) = (&config.analyzer.deepseek, &config.binance.symbol);
    let interval = config.analyzer.analysis.interval;
    let journal = Journal::beside(&config.logging.file_path, symbol);
    let log_before = journal.tail();
    let now = clock.now();
    let mut purse = Purse::beside(&config.logging.file_path, symbol, now);
    for today in log_before.iter().filter_map(|line| day_spending(line)) {
        purse.absorb(today, now);
    }
    let mut adviser = Adviser::new(model, purse).map_err(AnalyzerError::Model)?;
    let is_replay = replay.is_some();
    if let Some(recording) = replay {
        let recording = recording.only(symbol).map_err(AnalyzerError::Replay)?;
        tracing::info!(
            conversations = recording.len(),
            "a recording answers in place of the model: no calls, no cost"
        );
        adviser.replay(recording, Settings::from(model));
    }
    match adviser.absent() {
        None if is_replay => {}
        None => tracing::info!(
            llm.model = model.model,
            base_url = model.base_url,
            spent_today_usd = %adviser.today(now).spending.cost_usd.normalize(),
            "the model advises"
        ),
        Some(Absent::NoKey) => {
            tracing::info!("no key for the model: the rules advise; set DEEPSEEK_API_KEY to ask the model");
        }
        Some(Absent::Disabled) => {
            tracing::info!("the model is switched off by analyzer.deepseek.enabled: the rules advise");
        }
    }
    let board = Board::new(symbol.clone(), Arc::clone(&clock));
    board.model(adviser.status(now));
    // What the model does not need of a cycle, at least a second.
    let spare = interval.saturating_sub(model.timeout).max(Duration::from_secs(1));
    Ok(Cycle {
        symbol: symbol.clone(),
        language: model.language,
        clock,
        store: Store::new(options).map_err(AnalyzerError::Store)?,
        feed: Feed::new(symbol.clone(), params(config)?),
        adviser,
        journal,
        archive: Archive::beside(&config.logging.file_path, model.archive),
        board,
        silence: Silence::new(now, interval),
        load_limit: spare.min(LONGEST_LOAD),
        unsent: VecDeque::new(),
        log_before: Some(log_before),
    })
}

/// The settings of the analysis.
fn params(config: &Config) -> Result<Params, AnalyzerError> {
    let analysis = &config.analyzer.analysis;
    let depth = &config.data_collector.depth_snapshot;
    let seconds = depth.update_interval.as_secs_f64().ceil().max(1.0);
    Ok(Params {
        bucket_width: config.data_collector.order_flow.price_precision,
        min_order_volume: Quantity::new(analysis.min_order_volume_threshold)
            .map_err(AnalyzerError::Threshold)?,
        min_strength: analysis.support_resistance_threshold,
        flow_window_minutes: analysis.flow_window_minutes,
        profile_window_minutes: analysis.profile_window_minutes,
        depth_window: depth.window_size,
        depth_interval_seconds: Duration::from_secs_f64(seconds)
            .as_secs()
            .try_into()
            .unwrap_or(u32::MAX),
        depth_limit: usize::from(depth.limit),
        ..Params::default()
    })
}

/// When cycles run, and how they are listened to: a cycle that is over is the sign of life.
struct Steps {
    pulse: Pulse,
    /// Whether this analyzer writes.
    turn: watch::Receiver<Standing>,
    interval: Duration,
    /// Longest time a cycle takes.
    limit: Duration,
}

/// Runs a cycle whenever one is due, until the program stops.
async fn run_cycles(mut cycle: Cycle, mut steps: Steps, stop: CancellationToken) -> Result<(), Infallible> {
    let schedule = Schedule::new(Instant::now(), steps.interval);
    steps.pulse.beat("cycles", steps.limit);
    loop {
        let waited = wait_for_turn(&mut steps, &stop).await;
        if stop.is_cancelled() {
            break;
        }
        if waited {
            cycle.take_over();
        }
        match cycle.run(&stop).await {
            // A log that refuses is reported once, where it is noticed, and the line is kept.
            Ok(_) | Err(CycleError::Journal(_)) => {}
            Err(error) => tracing::error!(error = &error as &dyn Error, "the cycle wrote no line"),
        }
        let now = Instant::now();
        let due = schedule.next_due(now);
        let wait = due.saturating_duration_since(now);
        steps.pulse.beat("cycles", wait + steps.limit);
        wait_until(&mut cycle, due, &stop).await;
    }
    cycle.close().await;
    Ok(())
}

/// Waits as long as another analyzer writes the lines; true if one did.
async fn wait_for_turn(steps: &mut Steps, stop: &CancellationToken) -> bool {
    let known = async {
        let known = steps.turn.wait_for(|standing| *standing != Standing::Unknown);
        known.await.is_ok()
    };
    // Without an answer of Redis nothing is known of another, and a line says so.
    let _in_time = stop
        .run_until_cancelled(tokio::time::timeout(FIRST_WORD, known))
        .await;
    let mut waited = false;
    while *steps.turn.borrow_and_update() == Standing::Standby {
        waited = true;
        steps.pulse.beat("cycles", STANDBY_LOOK + steps.limit);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            changed = steps.turn.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(STANDBY_LOOK) => {}
        }
    }
    waited
}

async fn wait_until(cycle: &mut Cycle, due: Instant, stop: &CancellationToken) {
    loop {
        let wake = due.min(Instant::now() + JOURNAL_RETRY);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(wake) => {}
        }
        if Instant::now() >= due {
            return;
        }
        cycle.retry_journal();
    }
}

//! `data-collector`: records the order book and every trade of one Binance spot market into Redis.
//!
//! ```text
//!  stream ─ socket ─ parse ─┐                        ┌─ questions ─ rest ─ budget ─ exchange
//!                           recorder (chain, minutes) ┘
//!                           │ whole or partial minutes
//!  rest ─ backfill ─────────┴── outbox ── persist ── window (Redis) ── storage/ (files)
//!  rest ─ depth ───────────────────────────────────── books (Redis)
//!  lease: who owns the keys      status: what is going on      market: is it open
//! ```
//!
//! Pure, and therefore where everything is decided: `chain`, `minutes`, `recorder`, `session`, `backfill`,
//! `recent`, `clock`, `binance::parse`, `binance::budget`. The tasks move bytes and wait. [`run`] spawns, `term` wires.

pub mod arguments;
mod aside;
mod backfill;
mod batch;
mod binance;
mod chain;
mod clock;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod health;
#[cfg(feature = "measuring")]
pub mod measure;
mod metrics;
mod minutes;
mod outbox;
mod postponed;
mod progress;
mod recent;
mod recorder;
mod session;
mod shared;
mod signs;
mod tasks;

use std::sync::Arc;

use strategy_core::config::Config;
use strategy_core::lifecycle::Lifecycle;
use strategy_core::program::host_name;
use strategy_core::pulse::Pulse;
use strategy_core::store::LeaseToken;
use strategy_core::telemetry::LogFile;
use strategy_core::time::SystemClock;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use crate::error::CollectorError;

use crate::binance::rest::RestClient;
use crate::binance::transport::TransportOptions;
use crate::metrics::Current;
use crate::shared::{Settings, Shared};
use crate::signs::Signs;

/// File in `storage/` that remembers an order of the exchange to wait.
const HOLD_FILE: &str = ".rest_hold";

/// Spawns the collector on the life cycle. Nothing is waited for. `log` is how the log file is doing.
///
/// # Errors
/// [`CollectorError`] when a part cannot be built at all.
pub fn run(config: &Config, log: LogFile, lifecycle: &Lifecycle) -> Result<(), CollectorError> {
    let plan = Plan::new(config, log)?;
    let stop = lifecycle.stop();
    let current = Current::default();
    if let Some(listen) = config.metrics.collector {
        lifecycle.spawn_critical("metrics", metrics::serve(listen, current.clone(), stop.clone()));
    }
    lifecycle.spawn_critical("collector", terms(plan, current, stop.clone()));
    Ok(())
}

/// What every term of ownership begins with.
struct Plan {
    settings: Settings,
    rest: Arc<RestClient>,
    signs: Signs,
    log: LogFile,
    pulse: Pulse,
    started: Instant,
}

impl Plan {
    fn new(config: &Config, log: LogFile) -> Result<Self, CollectorError> {
        let (settings, started) = (settings(config), Instant::now());
        let rest = RestClient::new(
            settings.symbol.clone(),
            TransportOptions {
                base: config.binance.rest_api_base.clone(),
                weight_per_minute: config.binance.rate_limit_requests_per_minute,
                timeout: config.binance.timeout,
                hold_file: settings.storage_dir.join(HOLD_FILE),
                started,
                clock: Arc::new(SystemClock),
            },
        );
        let pulse = Pulse::default();
        Ok(Self {
            signs: Signs::new(pulse.clone(), &settings.store, config.binance.timeout),
            log,
            pulse,
            settings,
            rest: Arc::new(rest.map_err(CollectorError::Http)?),
            started,
        })
    }

    fn shared(&self, stop: CancellationToken) -> Arc<Shared> {
        let (settings, rest) = (self.settings.clone(), Arc::clone(&self.rest));
        // A standby of another market must see that it will never have a use for these keys.
        let place = format!("{}@{}", settings.symbol, host_name());
        let token = LeaseToken::new(&place, std::process::id(), rand::random());
        let mut shared = Shared::new(
            settings,
            Arc::new(SystemClock),
            rest,
            token,
            self.signs.clone(),
            stop,
            self.started,
        );
        shared.log = self.log.clone();
        Arc::new(shared)
    }
}

/// Waits for the keys and records while they are ours, again and again: who loses them to another collector
/// becomes its standby.
async fn terms(plan: Plan, current: Current, stop: CancellationToken) -> Result<(), CollectorError> {
    while !stop.is_cancelled() {
        let shared = plan.shared(stop.child_token());
        current.set(&shared);
        match term(shared).await {
            Err(CollectorError::LeaseLost { holder }) if !stop.is_cancelled() => {
                tracing::warn!(
                    holder,
                    "another collector took over the keys: waiting as its standby"
                );
                plan.pulse.forget_all();
            }
            ended => return ended,
        }
    }
    Ok(())
}

/// One term: all tasks, until the program stops or one of them ends. A task that ends before it was asked
/// to, fails or panics ends the term with its fault.
async fn term(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut tasks = JoinSet::new();
    tasks.spawn(tasks::lease::run(Arc::clone(&shared)));
    tasks.spawn(tasks::persist::run(Arc::clone(&shared)));
    tasks.spawn(tasks::depth::run(Arc::clone(&shared)));
    let (intake, others) = (Arc::clone(&shared), Handle::current());
    tasks.spawn_blocking(move || tasks::trades::run(intake, others));
    tasks.spawn(tasks::backfill::run(Arc::clone(&shared)));
    tasks.spawn(tasks::market::run(Arc::clone(&shared)));
    tasks.spawn(tasks::limits::run(Arc::clone(&shared)));
    tasks.spawn(tasks::status::run(Arc::clone(&shared)));
    let mut fault = None;
    while let Some(joined) = tasks.join_next().await {
        let asked = shared.stop.is_cancelled();
        let outcome = match joined {
            Ok(Ok(())) if asked => continue,
            Ok(Ok(())) => CollectorError::TaskEnded,
            Ok(Err(error)) => error,
            Err(error) => CollectorError::TaskPanicked(error),
        };
        tracing::debug!(error = &outcome as &dyn std::error::Error, "a task has ended");
        // Only the first fault is the cause; later ones are its consequences.
        fault.get_or_insert(outcome);
        shared.stop.cancel();
    }
    fault.map_or(Ok(()), Err)
}

fn settings(config: &Config) -> Settings {
    let (depth, flow) = (
        &config.data_collector.depth_snapshot,
        &config.data_collector.order_flow,
    );
    let symbol = config.binance.symbol.clone();
    Settings {
        stream_url: format!("{}/ws/{}@aggTrade", config.binance.websocket_base, symbol.lower()),
        symbol,
        store: config.redis.store_options(),
        storage_dir: config.redis.storage_dir.clone(),
        depth_limit: depth.limit,
        depth_interval: depth.update_interval,
        depth_window: depth.window_size,
        window_minutes: usize::try_from(flow.window_size_minutes).unwrap_or(usize::MAX),
        bucket_width: flow.price_precision,
        max_levels: flow.max_price_levels,
        backfill_minutes: flow.backfill_minutes,
        retention_days: config.data_collector.storage_retention_days,
    }
}

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
//! `recent`, `clock`, `binance::parse`, `binance::budget`. The tasks move bytes and wait. [`run`] wires and spawns.

mod backfill;
mod binance;
mod chain;
mod clock;
mod error;
mod health;
mod minutes;
mod outbox;
mod recent;
mod recorder;
mod session;
mod shared;
mod tasks;

use std::path::PathBuf;
use std::sync::Arc;

use strategy_core::config::Config;
use strategy_core::lifecycle::Lifecycle;
use strategy_core::store::LeaseToken;
use strategy_core::time::SystemClock;
use tokio::time::Instant;

pub use crate::error::CollectorError;

use crate::binance::rest::{RestClient, RestOptions};
use crate::shared::{Settings, Shared};

/// File in `storage/` that remembers an order of the exchange to wait.
const HOLD_FILE: &str = ".rest_hold";

/// Builds the collector's parts and spawns its tasks on the life cycle. Nothing is waited for.
///
/// # Errors
/// [`CollectorError`] when a part cannot be built at all.
pub fn run(config: &Config, lifecycle: &Lifecycle) -> Result<(), CollectorError> {
    let settings = settings(config);
    let (clock, started) = (Arc::new(SystemClock), Instant::now());
    let rest = RestClient::new(RestOptions {
        base: config.binance.rest_api_base.clone(),
        symbol: settings.symbol.clone(),
        weight_per_minute: config.binance.rate_limit_requests_per_minute,
        timeout: config.binance.timeout,
        hold_file: settings.storage_dir.join(HOLD_FILE),
        started,
        clock: Arc::<SystemClock>::clone(&clock),
    })
    .map_err(CollectorError::Http)?;
    let token = LeaseToken::new(&host_name(), std::process::id(), rand::random());
    let stop = lifecycle.stop().clone();
    let shared = Arc::new(Shared::new(settings, clock, rest, token, stop, started));

    lifecycle.spawn_critical("lease", tasks::lease::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("persist", tasks::persist::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("depth", tasks::depth::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("trades", tasks::trades::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("backfill", tasks::backfill::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("market", tasks::market::run(Arc::clone(&shared)));
    lifecycle.spawn_critical("status", tasks::status::run(shared));
    Ok(())
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
    }
}

/// Name of this machine, for the lease; empty where it cannot be read.
fn host_name() -> String {
    let path = PathBuf::from("/proc/sys/kernel/hostname");
    std::fs::read_to_string(path)
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

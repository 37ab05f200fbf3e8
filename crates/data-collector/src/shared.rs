//! What the tasks share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strategy_core::num::BucketWidth;
use strategy_core::store::{LeaseToken, StoreError, StoreOptions, WindowImage};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::LogFile;
use strategy_core::time::{Clock, Minute};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::binance::rest::RestClient;
use crate::clock::Uptime;
use crate::health::{Health, Part};
use crate::outbox::Outbox;
use crate::recorder::Reach;
use crate::signs::Signs;

/// Settings the tasks need.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) symbol: Symbol,
    pub(crate) store: StoreOptions,
    pub(crate) storage_dir: std::path::PathBuf,
    pub(crate) stream_url: String,
    pub(crate) depth_limit: u16,
    pub(crate) depth_interval: Duration,
    pub(crate) depth_window: usize,
    pub(crate) window_minutes: usize,
    pub(crate) bucket_width: BucketWidth,
    pub(crate) max_levels: usize,
    pub(crate) backfill_minutes: u32,
    /// Days after which a file is removed; 0 is never.
    pub(crate) retention_days: u32,
}

/// What the tasks share. Each task writes its own part only.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rest: Arc<RestClient>,
    pub(crate) health: Health,
    pub(crate) outbox: Outbox,
    /// Minutes that left the window and whose file says that it is not complete, of the last week.
    pub(crate) incomplete_files: Mutex<BTreeSet<Minute>>,
    pub(crate) token: LeaseToken,
    pub(crate) signs: Signs,
    /// How the log file is doing.
    pub(crate) log: LogFile,
    /// The window as the persisting task knows it; `None` until it was loaded for the first time.
    pub(crate) window: watch::Sender<Option<Arc<WindowImage>>>,
    /// True from the moment the lease was taken for the first time.
    pub(crate) owned: watch::Sender<bool>,
    /// Asked to stop.
    pub(crate) stop: CancellationToken,
    /// No more minutes will be put into the outbox.
    pub(crate) intake_done: CancellationToken,
    /// Everything that could be saved is saved.
    pub(crate) saved: CancellationToken,
    started: Instant,
    reach: Mutex<Option<Reach>>,
    /// The last failure of Redis was that it is not there.
    redis_was_away: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        rest: Arc<RestClient>,
        token: LeaseToken,
        signs: Signs,
        stop: CancellationToken,
        started: Instant,
    ) -> Self {
        Self {
            health: Health::new(Arc::clone(&clock)),
            settings,
            clock,
            rest,
            outbox: Outbox::default(),
            incomplete_files: Mutex::default(),
            token,
            signs,
            log: LogFile::default(),
            window: watch::Sender::new(None),
            owned: watch::Sender::new(false),
            stop,
            intake_done: CancellationToken::new(),
            saved: CancellationToken::new(),
            started,
            reach: Mutex::new(None),
            redis_was_away: AtomicBool::new(true),
        }
    }

    /// Time since the start, by a clock that never jumps.
    pub(crate) fn uptime(&self) -> Uptime {
        self.started.elapsed()
    }

    /// How far the trade task is; `None` until it has begun.
    pub(crate) fn reach(&self) -> Option<Reach> {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how far the trade task is.
    pub(crate) fn set_reach(&self, reach: Reach) {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = Some(reach);
    }

    /// The minutes whose file is not complete.
    pub(crate) fn incomplete_files(&self) -> MutexGuard<'_, BTreeSet<Minute>> {
        self.incomplete_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the window was loaded; `None` when the program stops before.
    pub(crate) async fn loaded_window(&self) -> Option<Arc<WindowImage>> {
        let mut window = self.window.subscribe();
        let loaded = self
            .stop
            .run_until_cancelled(window.wait_for(Option::is_some))
            .await?;
        // The sender lives as long as `self`.
        loaded.ok().and_then(|image| image.clone())
    }

    /// Waits until the keys are ours; false when the program stops before.
    pub(crate) async fn owned(&self) -> bool {
        let mut owned = self.owned.subscribe();
        let waited = self
            .stop
            .run_until_cancelled(owned.wait_for(|owned| *owned))
            .await;
        matches!(waited, Some(Ok(_)))
    }

    /// Notes that Redis failed; said in the log once until it answers again, and when it is no longer away but refuses, or
    /// the other way round.
    pub(crate) fn redis_failed(&self, error: &StoreError) {
        let chain = strategy_core::telemetry::error_chain(error);
        let away = matches!(error, StoreError::Unreachable { .. });
        let was_away = self.redis_was_away.swap(away, Ordering::Relaxed);
        if !self.health.degrade(Part::Redis, format!("redis: {chain}")) && was_away == away {
            return;
        }
        if away {
            tracing::warn!(error = chain, "redis is not there: waiting for it");
        } else {
            tracing::warn!(error = chain, "redis refuses: trying again until it does not");
        }
    }

    /// Notes that Redis answers.
    pub(crate) fn redis_answers(&self) {
        if self.health.recover(Part::Redis) {
            tracing::info!("redis answers again");
        }
    }

    /// Waits for a while; false when the program stops meanwhile.
    pub(crate) async fn pause(&self, wait: Duration) -> bool {
        self.stop
            .run_until_cancelled(tokio::time::sleep(wait))
            .await
            .is_some()
    }
}

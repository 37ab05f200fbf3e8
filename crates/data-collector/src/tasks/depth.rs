//! The order book: one snapshot at the start and then one every interval.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::store::{DepthPush, Store, encode_depth};
use tokio::time::{Instant, timeout};

use crate::aside::aside;
use crate::binance::books::BookPlan;
use crate::binance::error::RestError;
use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::signs::Task;

/// First and longest wait before a failed request is repeated within the same interval.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Most requests for one book: each weighs 250.
const ATTEMPTS: u32 = 4;

/// Books with lower update ids than before that go on for this long are no stale answers: the exchange
/// numbers its books anew.
const RENUMBERED_AFTER: Duration = Duration::from_secs(300);

/// Longest time for storing what is waiting when the program stops.
const LAST_STORE_LIMIT: Duration = Duration::from_millis(1500);

/// A book on its way to Redis.
struct Waiting {
    last_update_id: u64,
    document: String,
}

/// Runs until the program stops.
///
/// # Errors
/// [`CollectorError::Store`] when the settings of Redis cannot be used.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut task = DepthTask {
        store: Store::new(&shared.settings.store).map_err(CollectorError::Store)?,
        waiting: VecDeque::new(),
        newest_id: None,
        lower: None,
        plan: plan(&shared),
        shared: Arc::clone(&shared),
    };
    // Not before it is known that the keys are this market's.
    if shared.loaded_window().await.is_some() {
        match shared.stop.run_until_cancelled(task.work()).await {
            Some(never) => match never {},
            None => task.last_store().await,
        }
    }
    Ok(())
}

/// The books that are taken: those that are configured, if the request budget carries them.
fn plan(shared: &Shared) -> BookPlan {
    let settings = &shared.settings;
    let plan = shared
        .rest
        .transport()
        .plan_books(settings.depth_limit, settings.depth_interval);
    if let Some(shortfall) = &plan.shortfall {
        tracing::warn!(
            reason = shortfall,
            "the request budget does not carry the configured books"
        );
        shared.health.degrade(Part::DepthBudget, shortfall.clone());
    }
    plan
}

struct DepthTask {
    shared: Arc<Shared>,
    plan: BookPlan,
    store: Store,
    /// Books that Redis did not take yet, oldest first, at most the window.
    waiting: VecDeque<Waiting>,
    newest_id: Option<u64>,
    /// Since when books come with lower ids than before, and the last of these ids.
    lower: Option<(Uptime, u64)>,
}

impl DepthTask {
    /// # Cancel safety
    /// A book that was fetched is in `waiting` until Redis has it; storing it twice does no harm.
    async fn work(&mut self) -> Infallible {
        let interval = self.plan.interval;
        let mut due = Instant::now();
        loop {
            let deadline = due + interval;
            let mut backoff = strategy_core::backoff::Backoff::new(RETRY.0, RETRY.1);
            while !self.fetch().await {
                let wait = backoff.next_delay(rand::random());
                self.shared.signs.sign(Task::Books, wait);
                if Instant::now() + wait >= deadline || backoff.attempts() >= ATTEMPTS {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
            // While Redis is away the books wait here and are tried again until the next one is due.
            while !self.store_waiting().await && Instant::now() + RETRY.0 < deadline {
                self.shared.signs.sign(Task::Books, RETRY.0);
                tokio::time::sleep(RETRY.0).await;
            }
            // Counted from the start, so that the interval does not drift; what was missed is not made up.
            due = deadline;
            while due + interval <= Instant::now() {
                due += interval;
            }
            let wait = due.saturating_duration_since(Instant::now());
            self.shared.signs.sign(Task::Books, wait);
            tokio::time::sleep_until(due).await;
        }
    }

    /// Fetches one book. False if it should be tried again.
    async fn fetch(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let snapshot = match shared.rest.depth(self.plan.limit).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                if matches!(error, RestError::Unusable { .. }) {
                    self.shared.health.count("depth_rejected");
                }
                let chain = strategy_core::telemetry::error_chain(&error);
                if self.shared.health.degrade(Part::Depth, format!("depth: {chain}")) {
                    tracing::warn!(error = chain, "no order book");
                }
                return error.is_permanent();
            }
        };
        let id = snapshot.last_update_id();
        match self.newest_id.filter(|newest| id < *newest) {
            Some(newest) => {
                self.note_lower(id);
                if !self.is_renumbered() {
                    self.reject_older(id, newest);
                    return false;
                }
            }
            None => self.lower = None,
        }
        let levels = snapshot.bids().len() + snapshot.asks().len();
        match aside(move || encode_depth(&snapshot)).await {
            Ok(document) => {
                self.newest_id = Some(id);
                self.waiting.push_back(Waiting {
                    last_update_id: id,
                    document,
                });
                while self.waiting.len() > settings.depth_window {
                    self.waiting.pop_front();
                }
                tracing::debug!(depth.update_id = id, depth.levels = levels, "order book fetched");
                true
            }
            Err(error) => {
                self.shared.health.count("depth_rejected");
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an order book could not be written as json"
                );
                false
            }
        }
    }

    /// Notes a book with a lower id than before.
    fn note_lower(&mut self, id: u64) {
        let since = match self.lower {
            Some((since, last)) if id >= last => since,
            _ => self.shared.uptime(),
        };
        self.lower = Some((since, id));
    }

    /// True if books with lower ids have come, in order, for so long that their numbers must be new ones.
    fn is_renumbered(&self) -> bool {
        self.lower
            .is_some_and(|(since, _)| self.shared.uptime() >= since + RENUMBERED_AFTER)
    }

    fn reject_older(&self, id: u64, newest: u64) {
        self.shared.health.count("depth_rejected");
        let reason = format!("depth: the exchange answers an older book (update {id} after {newest})");
        if self.shared.health.degrade(Part::Depth, reason) {
            tracing::warn!(
                depth.update_id = id,
                newest,
                "an order book older than the last one was rejected"
            );
        }
    }

    /// Stores what is waiting, oldest first. False if Redis does not take it.
    async fn store_waiting(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        while let Some(book) = self.waiting.front() {
            let (symbol, window) = (settings.symbol.as_str(), settings.depth_window);
            let (id, renumbered) = (book.last_update_id, self.is_renumbered());
            let pushed = self
                .store
                .push_depth(&self.shared.token, symbol, id, &book.document, window, renumbered)
                .await;
            match pushed {
                Ok(DepthPush::Stored { count }) => {
                    self.shared.health.count("depth_snapshots");
                    self.shared.health.update(|state| state.depth_count = count);
                    if self.shared.health.recover(Part::Depth) {
                        tracing::info!("order books are stored again");
                    }
                    if renumbered {
                        tracing::warn!(depth.update_id = id, "the exchange numbers its books anew");
                        self.lower = None;
                    }
                }
                Ok(DepthPush::OlderThan { newest }) => {
                    // Left by an earlier run: from now on it counts as what was before.
                    self.newest_id = Some(newest);
                    self.note_lower(id);
                    self.reject_older(id, newest);
                }
                Err(error) => {
                    shared.redis_failed(&error);
                    return false;
                }
            }
            self.waiting.pop_front();
        }
        true
    }

    async fn last_store(&mut self) {
        if !self.waiting.is_empty() && timeout(LAST_STORE_LIMIT, self.store_waiting()).await != Ok(true) {
            tracing::warn!(
                books = self.waiting.len(),
                "order books could not be stored before the end"
            );
        }
    }
}

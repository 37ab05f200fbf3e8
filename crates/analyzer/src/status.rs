//! What the analyzer says about itself: in Redis for the `status` command, and to systemd.
//!
//! Tasks note facts on the [`Board`]; one task writes them every few seconds, with a connection of its own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use strategy_core::lifecycle::{notify_ready, notify_status};
use strategy_core::store::{AnalyzerStatus, Store};
use strategy_core::symbol::Symbol;
use strategy_core::time::{Clock, format_time};
use tokio_util::sync::CancellationToken;

/// Time between two writes; the layout promises five seconds at most.
const PERIOD: Duration = Duration::from_secs(4);

/// Longest time for the last write, when the program stops.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// Facts about the running program, shared by its tasks.
#[derive(Debug, Clone)]
pub struct Board {
    symbol: Symbol,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Debug, Default)]
struct Facts {
    last_analysis: Option<DateTime<Utc>>,
    last_recommendation: Option<DateTime<Utc>>,
    troubles: BTreeMap<&'static str, String>,
    counters: BTreeMap<String, u64>,
}

impl Board {
    /// A board without facts.
    pub fn new(symbol: Symbol) -> Self {
        Self {
            symbol,
            facts: Arc::default(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Every change is complete at once, so a panic elsewhere leaves nothing half done.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An analysis was stored.
    pub fn analysed(&self, at: DateTime<Utc>) {
        self.facts().last_analysis = Some(at);
    }

    /// A recommendation was written.
    pub fn recommended(&self, at: DateTime<Utc>) {
        self.facts().last_recommendation = Some(at);
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, more: u64) {
        *self.facts().counters.entry(name.to_owned()).or_default() += more;
    }

    /// Notes what is wrong with one part, or that nothing is. True if that is a change.
    pub fn trouble(&self, part: &'static str, trouble: Option<String>) -> bool {
        let mut facts = self.facts();
        let before = facts.troubles.contains_key(part);
        let now = trouble.is_some();
        match trouble {
            Some(words) => facts.troubles.insert(part, words),
            None => facts.troubles.remove(part),
        };
        before != now
    }

    /// The status at this time.
    pub fn status(&self, is_running: bool, redis_connected: bool, now: DateTime<Utc>) -> AnalyzerStatus {
        let facts = self.facts();
        AnalyzerStatus {
            is_running,
            symbol: self.symbol.as_str().to_owned(),
            redis_connected,
            last_analysis: facts.last_analysis.map(format_time),
            last_recommendation: facts.last_recommendation.map(format_time),
            last_update: now,
            degraded: facts.troubles.values().cloned().collect(),
            counters: facts.counters.clone(),
        }
    }
}

/// Writes the status until the program stops, and once more then.
///
/// # Errors
/// None; Redis may come and go.
pub async fn run(
    board: Board,
    mut store: Store,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut connected = None;
    loop {
        let status = board.status(true, true, clock.now());
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            outcome = store.put_analyzer_status(&status) => outcome,
        };
        if connected != Some(outcome.is_ok()) {
            match &outcome {
                Ok(()) => {
                    tracing::info!("redis answers");
                    notify_ready();
                }
                Err(error) => tracing::warn!(
                    error = error as &dyn Error,
                    "redis does not answer; trying again until it does"
                ),
            }
            connected = Some(outcome.is_ok());
        }
        notify_status(&words(&status, outcome.is_ok()));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
    let last = board.status(false, true, clock.now());
    // Late or failed, the key expires by itself.
    let _written = tokio::time::timeout(LAST_WRITE, store.put_analyzer_status(&last)).await;
    Ok(())
}

/// The status in one line, for systemd.
fn words(status: &AnalyzerStatus, redis_connected: bool) -> String {
    if !redis_connected {
        return "waiting for redis".to_owned();
    }
    let last = status.last_recommendation.as_deref().unwrap_or("none yet");
    if status.degraded.is_empty() {
        format!("well, last recommendation {last}")
    } else {
        format!("{}, last recommendation {last}", status.degraded.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_holds_facts_and_names_changes_once() {
        let board = Board::new(Symbol::new("BTCFDUSD").unwrap());
        assert!(board.trouble("journal", Some("no space".to_owned())));
        assert!(!board.trouble("journal", Some("still no space".to_owned())));
        board.count("cycles", 1);
        board.count("cycles", 2);
        board.recommended(DateTime::from_timestamp(1_763_792_045, 0).unwrap());
        let status = board.status(true, true, DateTime::UNIX_EPOCH);
        assert_eq!(status.degraded, ["still no space"]);
        assert_eq!(status.counters["cycles"], 3);
        assert_eq!(
            words(&status, true),
            "still no space, last recommendation 2025-11-22T06:14:05+00:00"
        );
        assert!(board.trouble("journal", None));
        assert!(!board.trouble("journal", None));
        assert_eq!(
            words(&board.status(true, true, DateTime::UNIX_EPOCH), false),
            "waiting for redis"
        );
    }
}

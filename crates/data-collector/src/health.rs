//! What is going on, for the status key: shared by all tasks, written by each for its own part.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strategy_core::store::Backfill;

use crate::recorder::RecorderCounts;

/// A part of the program that can be unwell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Stream,
    Trades,
    History,
    Rest,
    /// Fewer or smaller books than configured.
    DepthBudget,
    Depth,
    Redis,
    Storage,
    Market,
}

/// The state of the program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) websocket_connected: bool,
    pub(crate) depth_count: u64,
    pub(crate) window_count: u64,
    pub(crate) incomplete_minutes: u64,
    pub(crate) last_trade_id: Option<u64>,
    pub(crate) backfill: Backfill,
    pub(crate) recorder: RecorderCounts,
    pub(crate) counters: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<Part, String>,
}

impl Snapshot {
    /// What is wrong, in words.
    pub(crate) fn reasons(&self) -> Vec<String> {
        self.reasons.values().cloned().collect()
    }
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Health {
    state: Mutex<Snapshot>,
}

impl Health {
    /// A copy of the state.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Changes the state.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
    }

    /// Counts one event.
    pub(crate) fn count(&self, name: &'static str) {
        *self.lock().counters.entry(name).or_default() += 1;
    }

    /// Says that a part is unwell, or why it still is. Returns true if it was well before.
    pub(crate) fn degrade(&self, part: Part, reason: String) -> bool {
        self.lock().reasons.insert(part, reason).is_none()
    }

    /// Says that a part is well. Returns true if it was not before.
    pub(crate) fn recover(&self, part: Part) -> bool {
        self.lock().reasons.remove(&part).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // Every change is a single assignment, so a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

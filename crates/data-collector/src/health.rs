//! What is going on, for the status key: shared by all tasks, written by each for its own part.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use strategy_core::archive::Usage;
use strategy_core::degraded::Reason;
use strategy_core::store::{Backfill, ServerState};
use strategy_core::time::Clock;

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
    /// The memory of the server is nearly full.
    RedisMemory,
    Storage,
    /// The window is not loaded yet, for longer than that takes.
    Window,
    /// Files could not be looked at for minutes to heal.
    Files,
    /// Old files could not be removed, or the files not be counted.
    Retention,
    Market,
    Metrics,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::Stream,
        Self::Trades,
        Self::History,
        Self::Rest,
        Self::DepthBudget,
        Self::Depth,
        Self::Redis,
        Self::RedisMemory,
        Self::Storage,
        Self::Window,
        Self::Files,
        Self::Retention,
        Self::Market,
        Self::Metrics,
    ];

    /// Its name among the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Trades => "trades",
            Self::History => "history",
            Self::Rest => "rest",
            Self::DepthBudget => "depth_budget",
            Self::Depth => "depth",
            Self::Redis => "redis",
            Self::RedisMemory => "redis_memory",
            Self::Storage => "storage",
            Self::Window => "window",
            Self::Files => "files",
            Self::Retention => "retention",
            Self::Market => "market",
            Self::Metrics => "metrics",
        }
    }
}

/// What is read before the window is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reading {
    #[default]
    Storage,
    Redis,
}

impl Reading {
    /// For a person.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Storage => "reading storage",
            Self::Redis => "reading redis",
        }
    }
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
    /// Of use until the window is loaded.
    pub(crate) reading: Reading,
    /// The server, as it was last asked.
    pub(crate) server: Option<ServerState>,
    /// The files, as they were last counted.
    pub(crate) files: Option<Usage>,
    reasons: BTreeMap<Part, Reason>,
}

impl Snapshot {
    /// What is wrong and since when, in words.
    pub(crate) fn reasons(&self, now: DateTime<Utc>) -> Vec<String> {
        self.reasons.values().map(|reason| reason.text(now)).collect()
    }

    /// True if this part is unwell.
    pub(crate) fn is_unwell(&self, part: Part) -> bool {
        self.reasons.contains_key(&part)
    }
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Health {
    clock: Arc<dyn Clock>,
    state: Mutex<Snapshot>,
    frames: AtomicU64,
    /// When the last frame came, as Unix milliseconds; 0 before the first.
    last_frame_ms: AtomicU64,
}

impl Health {
    /// All well, nothing known.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            frames: AtomicU64::new(0),
            last_frame_ms: AtomicU64::new(0),
        }
    }

    /// Counts frames of the stream that have just come; cheap, as there may be thousands a second.
    pub(crate) fn frames_came(&self, count: u64) {
        self.frames.fetch_add(count, Ordering::Relaxed);
        let now = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        self.last_frame_ms.store(now, Ordering::Relaxed);
    }

    /// Frames so far, and when the last came, as Unix milliseconds.
    pub(crate) fn frames(&self) -> (u64, Option<u64>) {
        let last = self.last_frame_ms.load(Ordering::Relaxed);
        (self.frames.load(Ordering::Relaxed), (last > 0).then_some(last))
    }

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
        let now = self.clock.now();
        match self.lock().reasons.entry(part) {
            Entry::Vacant(place) => {
                place.insert(Reason::new(reason, now));
                true
            }
            Entry::Occupied(mut known) => {
                known.get_mut().rephrase(reason);
                false
            }
        }
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

//! Everything that may go wrong, switched on from outside while the exchange runs.
//!
//! [`Faults`] is a handle: clones control the same exchange. A fault is queued and used up by the request
//! or the row it meets; [`Faults::clear`] takes back what has not been used.

mod chaos;
mod rest;
mod ws;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

pub use self::chaos::run_chaos;
pub use self::rest::{DepthEdit, RestFault};
use self::ws::WsState;
pub(crate) use self::ws::{AnswerFate, RowFate};
pub use self::ws::{StreamMode, WsCommand};
use crate::exchange::Endpoint;

/// Commands a slow connection may fall behind by.
const COMMANDS: usize = 256;

/// Control over the faults of one exchange.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rest: Mutex<HashMap<Endpoint, VecDeque<(RestFault, u32)>>>,
    /// Ids whose row REST shows without a price.
    broken_rows: Mutex<BTreeSet<u64>>,
    ws: Mutex<WsState>,
    foreign_weight: AtomicU64,
    commands: broadcast::Sender<WsCommand>,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(Inner {
            rest: Mutex::default(),
            broken_rows: Mutex::default(),
            ws: Mutex::default(),
            foreign_weight: AtomicU64::new(0),
            commands: broadcast::Sender::new(COMMANDS),
        }))
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next `times` requests of an endpoint meet this fault, after those queued before.
    pub fn rest(&self, endpoint: Endpoint, fault: RestFault, times: u32) {
        let mut queues = lock(&self.0.rest);
        queues.entry(endpoint).or_default().push_back((fault, times));
    }

    /// Every request of an endpoint meets this fault until [`Faults::clear`].
    pub fn rest_always(&self, endpoint: Endpoint, fault: RestFault) {
        self.rest(endpoint, fault, u32::MAX);
    }

    /// Every request of every endpoint meets this fault until [`Faults::clear`].
    pub fn rest_outage(&self, fault: &RestFault) {
        for endpoint in Endpoint::ALL {
            self.rest_always(endpoint, fault.clone());
        }
    }

    /// REST shows the row of this id without a price until [`Faults::clear`].
    pub fn break_row(&self, id: u64) {
        lock(&self.0.broken_rows).insert(id);
    }

    /// True for an id of [`Faults::break_row`].
    pub(crate) fn is_broken_row(&self, id: u64) -> bool {
        lock(&self.0.broken_rows).contains(&id)
    }

    /// Other programs behind the same address spend so much request weight now.
    pub fn spend_elsewhere(&self, weight: u64) {
        self.0.foreign_weight.fetch_add(weight, Ordering::Relaxed);
    }

    /// Weight spent elsewhere since this was last asked.
    pub(crate) fn take_foreign_weight(&self) -> u64 {
        self.0.foreign_weight.swap(0, Ordering::Relaxed)
    }

    /// Takes back the faults of REST.
    pub fn clear_rest(&self) {
        lock(&self.0.rest).clear();
        lock(&self.0.broken_rows).clear();
    }

    /// Takes back every fault, those of the stream included.
    pub fn clear(&self) {
        self.clear_rest();
        *lock(&self.0.ws) = WsState::default();
        self.command(WsCommand::Wake);
    }

    /// The fault the next request of an endpoint meets.
    pub(crate) fn take_rest(&self, endpoint: Endpoint) -> Option<RestFault> {
        let mut queues = lock(&self.0.rest);
        let queue = queues.get_mut(&endpoint)?;
        let (fault, times) = queue.front_mut()?;
        let taken = fault.clone();
        if *times != u32::MAX {
            *times -= 1;
        }
        if *times == 0 {
            queue.pop_front();
        }
        Some(taken)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

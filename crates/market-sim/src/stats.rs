//! Counters that tests read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::exchange::Endpoint;

/// Counters of a server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    requests: [AtomicU64; Endpoint::ALL.len()],
    weight: AtomicU64,
    limited: AtomicU64,
    connects: AtomicU64,
    refused: AtomicU64,
    open: AtomicU64,
    frames_sent: AtomicU64,
    rows_sent: AtomicU64,
    pings_sent: AtomicU64,
    pongs_received: AtomicU64,
    client_messages: AtomicU64,
    model_calls: AtomicU64,
    tokens: AtomicU64,
    model_answers: AtomicU64,
    model_refusals: AtomicU64,
    cached_tokens: AtomicU64,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    pong_times: Mutex<Vec<Duration>>,
}

/// Most times between ping and pong that are kept.
const PONG_TIMES: usize = 100_000;

impl Stats {
    /// Times between pings and their pongs since this was asked last; where pings overlapped, of the oldest.
    pub fn take_pong_times(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.pong_times.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn note_pong_time(&self, time: Duration) {
        let mut times = self.0.pong_times.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() < PONG_TIMES {
            times.push(time);
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident, $add:ident;)*) => {
        impl Stats {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> u64 {
                    self.0.$name.load(Ordering::Relaxed)
                }

                pub(crate) fn $add(&self, count: u64) {
                    self.0.$name.fetch_add(count, Ordering::Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Request weight spent so far, refused requests included.
    weight, add_weight;
    /// Requests answered with 429 or 418 because of the weight.
    limited, add_limited;
    /// WebSocket connection attempts.
    connects, add_connect;
    /// Attempts that were answered with an HTTP error.
    refused, add_refused;
    /// Text and binary frames sent on WebSocket connections.
    frames_sent, add_frames;
    /// Trade rows sent, repetitions included.
    rows_sent, add_rows;
    /// Pings sent.
    pings_sent, add_ping;
    /// Pongs received.
    pongs_received, add_pong;
    /// Messages received on WebSocket connections, pings and pongs included.
    client_messages, add_client_message;
    /// Requests for a completion.
    model_calls, add_model_call;
    /// Tokens of all completions, prompts included, also of those that were cut off on their way.
    tokens, add_tokens;
    /// Completions that were sent whole, with their usage in them.
    model_answers, add_model_answer;
    /// Requests for a completion that were refused with a status from 400 to 499: they cost nothing.
    model_refusals, add_model_refusal;
    /// Tokens of those completions that were sent and in the cache.
    cached_tokens, add_cached_tokens;
    /// Tokens of those completions that were sent and not in the cache.
    input_tokens, add_input_tokens;
    /// Tokens of those completions that were received.
    output_tokens, add_output_tokens;
}

impl Stats {
    /// Requests of an endpoint, refused ones included.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.0.requests[endpoint as usize].load(Ordering::Relaxed)
    }

    /// Requests of all endpoints.
    pub fn total_requests(&self) -> u64 {
        Endpoint::ALL
            .iter()
            .map(|endpoint| self.requests(*endpoint))
            .sum()
    }

    /// WebSocket connections that are open now.
    pub fn open_connections(&self) -> u64 {
        self.0.open.load(Ordering::Relaxed)
    }

    pub(crate) fn add_request(&self, endpoint: Endpoint) {
        self.0.requests[endpoint as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn open_guard(&self) -> OpenGuard {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        OpenGuard(self.clone())
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct OpenGuard(Stats);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Entrances for benchmarks: what the paths of trades and books decide, without sockets and without Redis.

use std::time::Duration;

use chrono::DateTime;
use strategy_core::num::BucketWidth;
use strategy_core::store::encode_depth;
use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};

use crate::binance::parse::{StreamEvent, parse_depth, parse_frame, parse_rows};
use crate::recorder::{Anchor, Effect, Recorder};

/// From frames to minutes.
#[derive(Debug)]
pub struct TradePath {
    symbol: Symbol,
    recorder: Recorder,
    effects: Vec<Effect>,
    started: ExchangeMs,
}

impl TradePath {
    /// Begins in a minute, with the id that its first trade will have.
    pub fn new(symbol: Symbol, first: Minute, next_id: u64) -> Self {
        let anchor = Anchor {
            time: first.start_ms(),
            first,
            next_id: Some(next_id),
            newest: None,
            known_last: None,
        };
        Self {
            recorder: Recorder::new(anchor, BucketWidth::ONE, 1000, Duration::ZERO, true),
            effects: Vec::new(),
            started: first.start_ms(),
            symbol,
        }
    }

    /// Takes one frame of the stream. False if it is no trade of this market.
    pub fn take(&mut self, frame: &str) -> bool {
        let Ok(StreamEvent::Row { row, sent_at }) = parse_frame(frame, &self.symbol) else {
            return false;
        };
        let uptime = self.uptime(sent_at);
        self.recorder.on_row(row, sent_at, uptime, &mut self.effects);
        true
    }

    /// Lets time pass. Returns how many minutes were finished.
    pub fn tick(&mut self, now: ExchangeMs) -> usize {
        let uptime = self.uptime(now);
        self.recorder.on_tick(uptime, &mut self.effects);
        self.effects.drain(..).count()
    }

    fn uptime(&self, at: ExchangeMs) -> Duration {
        Duration::from_millis(u64::try_from(at - self.started).unwrap_or(0))
    }
}

/// From a REST answer to the element for Redis; `None` for a book that is refused.
pub fn book(body: &str, symbol: &Symbol) -> Option<String> {
    let snapshot = parse_depth(body, symbol, DateTime::UNIX_EPOCH).ok()?;
    encode_depth(&snapshot).ok()
}

/// Rows of a page; `None` for one that is refused.
pub fn page(body: &str) -> Option<usize> {
    parse_rows(body, 1000).ok().map(|rows| rows.len())
}

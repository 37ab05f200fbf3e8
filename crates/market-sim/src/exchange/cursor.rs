//! A place on the tape: which row a connection gets next, and when.

use strategy_core::time::{ExchangeMs, Minute};

use crate::market::Market;
use crate::trade::SimTrade;

/// Most rows handed out at once.
const BATCH: usize = 500;

/// The place of one subscription. It starts at the present: there is no replay.
#[derive(Debug)]
pub(super) struct Cursor {
    minute: Minute,
    index: usize,
}

impl Cursor {
    /// Rows published after `now`.
    pub(super) fn after(market: &dyn Market, now: ExchangeMs) -> Self {
        let minute = Minute::containing(now).unwrap_or(market.first_minute());
        let index = market
            .block(minute)
            .rows
            .partition_point(|row| row.event_ms <= now);
        Self { minute, index }
    }

    /// When to look again: the time of the next row, or the end of the present minute.
    pub(super) fn due(&self, market: &dyn Market) -> ExchangeMs {
        let block = market.block(self.minute);
        block
            .rows
            .get(self.index)
            .map_or(self.minute.end_ms(), |row| row.event_ms)
    }

    /// The rows published up to `now` that have not been handed out, a limited number at once.
    pub(super) fn take(&mut self, market: &dyn Market, now: ExchangeMs) -> Vec<SimTrade> {
        let mut rows = Vec::new();
        loop {
            let block = market.block(self.minute);
            let published = block.rows[self.index.min(block.rows.len())..]
                .iter()
                .take_while(|row| row.event_ms <= now)
                .take(BATCH - rows.len());
            let before = rows.len();
            rows.extend(published.copied());
            self.index += rows.len() - before;
            let exhausted = self.index >= block.rows.len() && self.minute.end_ms() <= now;
            if !exhausted || rows.len() >= BATCH {
                return rows;
            }
            self.minute = self.minute.next();
            self.index = 0;
        }
    }
}

//! Which rows an `aggTrades` request gets.

use strategy_core::time::{ExchangeMs, Minute};

use crate::market::{MAX_STEP_BACK_MS, Market};
use crate::rng::{Purpose, mix};
use crate::trade::SimTrade;

/// How much later a row appears in REST than its neighbours.
const RAGGED: Purpose = 60;

/// The rows that are published so far.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    market: &'a dyn Market,
    /// Rows published later do not exist yet.
    head_ms: ExchangeMs,
    head: Minute,
    /// Each row is published later by up to this many milliseconds.
    ragged_ms: i64,
}

impl<'a> Pages<'a> {
    pub(super) fn new(market: &'a dyn Market, head_ms: ExchangeMs, ragged_ms: i64) -> Self {
        let head = Minute::containing(head_ms).unwrap_or(market.first_minute());
        Self {
            market,
            head_ms,
            head,
            ragged_ms,
        }
    }

    fn is_published(&self, row: &SimTrade) -> bool {
        let late = match self.ragged_ms {
            0 => 0,
            // The same delay for a row in every answer, and unlike its neighbours'.
            ragged => i64::try_from(mix(row.id, RAGGED, 0) % ragged.unsigned_abs()).unwrap_or(0),
        };
        row.event_ms.saturating_add(late) <= self.head_ms
    }

    /// Rows with an id of at least `id`, ascending.
    pub(super) fn since_id(&self, id: u64, limit: usize) -> Vec<SimTrade> {
        match self.market.minute_of_id(id, self.head) {
            Some(minute) => self.forward(minute, limit, i64::MAX, |row| row.id >= id),
            None => Vec::new(),
        }
    }

    /// The oldest rows with `start <= T <= end`, in the order of ids.
    pub(super) fn since_time(
        &self,
        start: ExchangeMs,
        end: Option<ExchangeMs>,
        limit: usize,
    ) -> Vec<SimTrade> {
        let first = self.market.first_minute();
        let minute = Minute::containing(start).map_or(first, |minute| minute.max(first));
        let end = end.unwrap_or(i64::MAX);
        self.forward(minute, limit, end, |row| (start..=end).contains(&row.time_ms))
    }

    /// The newest rows with `T <= end`, in the order of ids.
    pub(super) fn newest(&self, end: Option<ExchangeMs>, limit: usize) -> Vec<SimTrade> {
        let end = end.unwrap_or(i64::MAX);
        let mut minute = match Minute::containing(end) {
            Ok(minute) => minute.next().min(self.head),
            Err(_) => self.head,
        };
        let mut rows = Vec::new();
        while minute >= self.market.first_minute() && rows.len() < limit {
            let block = self.market.block(minute);
            let wanted = block
                .rows
                .iter()
                .rev()
                .filter(|row| self.is_published(row) && row.time_ms <= end);
            rows.extend(wanted.take(limit - rows.len()).copied());
            minute = minute.previous();
        }
        rows.reverse();
        rows
    }

    /// Rows from a minute on. Nothing published a second after `end` can have a trade time before it.
    fn forward(
        &self,
        from: Minute,
        limit: usize,
        end: ExchangeMs,
        wanted: impl Fn(&SimTrade) -> bool,
    ) -> Vec<SimTrade> {
        let mut minute = from;
        let mut rows = Vec::new();
        let last_start = end.saturating_add(MAX_STEP_BACK_MS).min(self.head_ms);
        while minute.start_ms() <= last_start && rows.len() < limit {
            let block = self.market.block(minute);
            let published = block.rows.iter().filter(|row| self.is_published(row));
            rows.extend(
                published
                    .filter(|row| wanted(row))
                    .take(limit - rows.len())
                    .copied(),
            );
            minute = minute.next();
        }
        rows
    }
}

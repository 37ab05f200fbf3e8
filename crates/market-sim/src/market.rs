//! What a market must be able to say, generated or recorded.
//!
//! The exchange, the truth and the stream ask only through [`Market`]. Everything is addressed by minute,
//! so any part of the tape can be looked at without producing the rest.

use std::fmt;
use std::sync::Arc;

use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};

use crate::book::Book;
use crate::trade::SimTrade;

/// How far the trade time may step back inside the chain of ids, in milliseconds.
pub const MAX_STEP_BACK_MS: i64 = 1000;

/// The rows of consecutive ids that are published during one minute.
///
/// The trade time of a row lies in the minute or up to [`MAX_STEP_BACK_MS`] before it; the publication
/// time (`event_ms`) of every row lies in the minute or on its end and never falls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The minute.
    pub minute: Minute,
    /// First id of the block; also that of the next block when this one is empty.
    pub first_id: u64,
    /// How many ids the block uses up.
    pub id_count: u64,
    /// Rows by id, dead ones included.
    pub rows: Vec<SimTrade>,
    /// Ids the exchange does not have, ascending.
    pub absent: Vec<u64>,
}

/// A burst was asked for in a minute that is already fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trades of {0} are already fixed")]
pub struct AlreadyFixed(pub Minute);

/// A market that knows its whole past and future.
pub trait Market: fmt::Debug + Send + Sync + 'static {
    /// Its name.
    fn symbol(&self) -> &Symbol;

    /// The first minute the exchange still has.
    fn first_minute(&self) -> Minute;

    /// The rows published during a minute; empty before the first minute.
    fn block(&self, minute: Minute) -> Arc<Block>;

    /// The minute whose block has this id, looking no further than `last`. An id older than everything
    /// belongs to the first minute.
    fn minute_of_id(&self, id: u64, last: Minute) -> Option<Minute>;

    /// The order book at an instant.
    fn book(&self, at: ExchangeMs) -> Arc<Book>;

    /// Adds trades to a minute that nobody has looked at yet.
    ///
    /// # Errors
    /// [`AlreadyFixed`] when the minute is no longer open to change.
    fn add_burst(&self, minute: Minute, rows: u32) -> Result<(), AlreadyFixed>;

    /// The rows whose **trade time** lies in the minute, by id.
    fn trades_of(&self, minute: Minute) -> Vec<SimTrade> {
        let range = minute.start_ms()..minute.end_ms();
        let (own, next) = (self.block(minute), self.block(minute.next()));
        own.rows
            .iter()
            .chain(&next.rows)
            .filter(|row| range.contains(&row.time_ms))
            .copied()
            .collect()
    }
}

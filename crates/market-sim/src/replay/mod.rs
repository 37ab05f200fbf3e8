//! A recorded market in place of the generated one: real trades and a real book at the event clock's time.

mod recording;

use std::sync::Arc;

use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};

pub use self::recording::{Recording, RecordingError};
use crate::amount::ONE;
use crate::book::{Book, BookLevel};
use crate::market::{AlreadyFixed, Block, Market};
use crate::trade::SimTrade;

/// Units of 1e-8 in a hundred of quote currency, the step by which a book is moved to the trades.
const HUNDRED: u64 = 100 * ONE;

/// How a recording is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayConfig {
    /// Event time at which the first recorded row is published.
    pub begin: ExchangeMs,
    /// Plays the recording again and again, ids and times going on; before `begin` too.
    pub repeat: bool,
    /// Minutes before `begin` the exchange has, filled by repetition.
    pub history_minutes: u32,
    /// Moves the book by a multiple of 100 to where the trades are.
    pub align_book: bool,
}

/// A replayed market.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    config: ReplayConfig,
    first_minute: Minute,
    /// Length of one repetition, milliseconds.
    period_ms: i64,
    /// Aggregate and raw ids one repetition uses up.
    ids: i64,
    raw_ids: i64,
}

impl Replay {
    /// A market of a recording.
    ///
    /// # Errors
    /// [`RecordingError::NoTrades`] for a recording without trades, [`RecordingError::Begin`] for a time
    /// that no minute has.
    pub fn new(mut recording: Recording, config: ReplayConfig) -> Result<Self, RecordingError> {
        let begin = Minute::containing(config.begin)?;
        let (Some(first), Some(last)) = (recording.rows.first(), recording.rows.last()) else {
            return Err(RecordingError::NoTrades);
        };
        let (period_ms, ids, raw_ids, price) = (
            last.event_ms - first.event_ms + 1,
            i64::try_from(last.id - first.id + 1).unwrap_or(i64::MAX),
            last.last_raw - first.first_raw + 1,
            last.price_e8,
        );
        if config.align_book {
            align(&mut recording, price);
        }
        let first_minute = begin.offset(-i64::from(config.history_minutes));
        Ok(Self {
            recording,
            config,
            first_minute,
            period_ms,
            ids,
            raw_ids,
        })
    }

    /// Number of the first row published at `at` or later, counted from the first recorded one; negative
    /// in the repetitions before it.
    fn position(&self, at: ExchangeMs) -> i64 {
        let rows = &self.recording.rows;
        let elapsed = at - self.config.begin;
        let cycle = elapsed.div_euclid(self.period_ms);
        let within = elapsed.rem_euclid(self.period_ms) + rows[0].event_ms;
        let index = rows.partition_point(|row| row.event_ms < within);
        let count = self.row_count();
        let position = cycle * count + i64::try_from(index).unwrap_or(0);
        if self.config.repeat {
            position
        } else {
            position.clamp(0, count)
        }
    }

    fn row_count(&self) -> i64 {
        i64::try_from(self.recording.rows.len()).unwrap_or(i64::MAX)
    }

    /// The row of a number.
    fn row(&self, position: i64) -> SimTrade {
        let cycle = position.div_euclid(self.row_count());
        let index = usize::try_from(position.rem_euclid(self.row_count())).unwrap_or(0);
        let mut row = self.recording.rows[index];
        let shift = self.config.begin - self.recording.rows[0].event_ms + cycle * self.period_ms;
        row.time_ms += shift;
        row.event_ms += shift;
        row.id = row.id.saturating_add_signed(cycle * self.ids);
        if !row.is_dead() {
            row.first_raw += cycle * self.raw_ids;
            row.last_raw += cycle * self.raw_ids;
        }
        row
    }

    fn first_id_from(&self, at: ExchangeMs) -> u64 {
        let position = self.position(at);
        if !self.config.repeat && position == self.row_count() {
            return self.row(position - 1).id + 1;
        }
        self.row(position).id
    }
}

impl Market for Replay {
    fn symbol(&self) -> &Symbol {
        &self.recording.symbol
    }

    fn first_minute(&self) -> Minute {
        self.first_minute
    }

    fn block(&self, minute: Minute) -> Arc<Block> {
        let (from, to) = (
            minute.start_ms().max(self.first_minute.start_ms()),
            minute.end_ms(),
        );
        let rows: Vec<SimTrade> = (self.position(from)..self.position(to))
            .map(|position| self.row(position))
            .collect();
        let first_id = self.first_id_from(from);
        let end_id = self.first_id_from(to.max(from));
        let mut absent = Vec::new();
        let mut expected = first_id;
        for row in &rows {
            absent.extend(expected..row.id);
            expected = row.id + 1;
        }
        absent.extend(expected..end_id);
        Arc::new(Block {
            minute,
            first_id,
            id_count: end_id - first_id,
            rows,
            absent,
        })
    }

    fn minute_of_id(&self, id: u64, last: Minute) -> Option<Minute> {
        let first = self.first_minute;
        // The lowest minute whose successor begins above the id.
        let (mut low, mut high) = (first.number(), last.number() + 1);
        while low < high {
            let middle = i64::midpoint(low, high);
            let end = first.offset(middle - first.number()).end_ms();
            if self.first_id_from(end) > id {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        (low <= last.number()).then(|| first.offset(low - first.number()))
    }

    /// What was recorded cannot be changed.
    fn add_burst(&self, minute: Minute, _rows: u32) -> Result<(), AlreadyFixed> {
        Err(AlreadyFixed(minute))
    }

    fn book(&self, at: ExchangeMs) -> Arc<Book> {
        let tenths = u64::try_from((at - self.first_minute.start_ms()).div_euclid(100)).unwrap_or(0);
        Arc::new(Book {
            at,
            last_update_id: self.recording.last_update_id + tenths,
            bids: self.recording.bids.clone(),
            asks: self.recording.asks.clone(),
        })
    }
}

/// Moves the book by a multiple of 100, so that round prices stay round.
fn align(recording: &mut Recording, price: u64) {
    let Some(bid) = recording.bids.first().map(|level| level.price_e8) else {
        return;
    };
    let steps = bid.abs_diff(price) / HUNDRED * HUNDRED;
    let moved = |level: &mut BookLevel| {
        level.price_e8 = if price > bid {
            level.price_e8 + steps
        } else {
            level.price_e8.saturating_sub(steps)
        };
    };
    recording.bids.iter_mut().for_each(moved);
    recording.asks.iter_mut().for_each(moved);
    recording.bids.retain(|level| level.price_e8 > 0);
}

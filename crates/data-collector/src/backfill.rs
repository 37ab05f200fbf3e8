//! Which minutes of the window are asked for next, and what a chunk of history is made of. Pure.

use std::collections::{BTreeMap, BTreeSet};

use strategy_core::config::HEALED_DAYS;
use strategy_core::model::{AggTrade, IdRange, MinuteFootprint};
use strategy_core::num::{BucketWidth, NumError};
use strategy_core::store::WindowImage;
use strategy_core::time::{ExchangeMs, MINUTE_MS, Minute};

use crate::binance::parse::TradeRow;
use crate::chain::gaps;

/// A chunk is read until a trade this much later than its end was seen, because trade times may step back.
const LOOKAHEAD_MS: i64 = MINUTE_MS;

/// First and longest chunk in minutes. The first is short, so that the newest minutes are there at once.
pub(crate) const CHUNK_MINUTES: (i64, i64) = (5, 60);

/// How far behind the present files are healed: a week.
pub(crate) const HEAL_MINUTES: i64 = HEALED_DAYS as i64 * 24 * 60;

/// Minutes from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) first: Minute,
    pub(crate) last: Minute,
}

/// What is lacking, in the window and in the files of the minutes that left it.
#[derive(Debug)]
pub(crate) struct Lacking<'a> {
    pub(crate) window: &'a WindowImage,
    /// Minutes whose file is not complete.
    pub(crate) files: &'a BTreeSet<Minute>,
    /// Oldest minute of the window that is to be filled.
    pub(crate) horizon: Minute,
    /// First minute that is not history yet.
    pub(crate) until: Minute,
    /// Minutes in a full window.
    pub(crate) size: usize,
}

impl Lacking<'_> {
    /// True for a minute that is to be filled.
    pub(crate) fn lacks(&self, minute: Minute) -> bool {
        if self.is_filed(minute) {
            return self.files.contains(&minute);
        }
        let complete = self.window.state(minute).is_some_and(|state| state.complete);
        (self.horizon..self.until).contains(&minute) && !complete
    }

    /// How many minutes of the window are lacking, of those that `counts` holds for.
    pub(crate) fn in_window(&self, counts: impl Fn(Minute) -> bool) -> u64 {
        let mut lacking = 0;
        let mut minute = self.horizon;
        while minute < self.until {
            lacking += u64::from(!self.is_filed(minute) && self.lacks(minute) && counts(minute));
            minute = minute.next();
        }
        lacking
    }

    /// The newest run of lacking minutes, at most `length` of them, of those that `may` holds for. The window
    /// comes before the files.
    pub(crate) fn next_chunk(&self, length: i64, may: impl Fn(Minute) -> bool) -> Option<Chunk> {
        let wanted = |minute: &Minute| self.lacks(*minute) && may(*minute);
        let mut in_window = None;
        let mut minute = self.until;
        // The first minute there can be is its own predecessor.
        while minute > self.horizon && in_window.is_none() {
            minute = minute.previous();
            in_window = Some(minute).filter(wanted);
        }
        // Not minute by minute: the files may lie far back.
        let healed = self.until.offset(-HEAL_MINUTES)..self.until;
        let in_files = || self.files.range(healed).rev().copied().find(wanted);
        let last = in_window.or_else(in_files)?;
        let mut first = last;
        let filed = self.is_filed(last);
        while last.since(first) + 1 < length
            && first.previous() < first
            && self.is_filed(first.previous()) == filed
            && wanted(&first.previous())
        {
            first = first.previous();
        }
        Some(Chunk { first, last })
    }

    /// True for a minute that has left the window. A window that is not full takes older minutes still.
    fn is_filed(&self, minute: Minute) -> bool {
        let oldest = self.window.oldest().filter(|_| self.window.len() >= self.size);
        oldest.is_some_and(|oldest| minute < oldest)
    }
}

/// What the collector must do next for a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Ask for the rows from this id on.
    Ask {
        /// First id.
        from: u64,
    },
    /// Every trade of the chunk is in it.
    Done,
}

/// Collects the trades of a chunk from pages that follow each other by id.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    chunk: Chunk,
    width: BucketWidth,
    minutes: BTreeMap<Minute, MinuteFootprint>,
    next_id: u64,
    /// Highest id that is known to exist: a page that ends before it is not the last one.
    head: u64,
    /// Ids the last page had no trade for.
    doubted: Vec<IdRange>,
    /// Holes behind the last trade: they belong to the minute of the next one.
    holes: Vec<IdRange>,
    /// Minute of the last trade of the chunk.
    reached: Minute,
    /// A row that cannot be read lies between the last trade and the next.
    spoil_next: bool,
    trades: u64,
}

impl ChunkReader {
    /// Begins with the first row at or after the start of the chunk, as the exchange has given it; `None` there
    /// means that it has none. `head` is the newest trade known before it was asked.
    ///
    /// Returns `None` if the two contradict each other: there must be a trade and none is shown, or the first one
    /// has a higher id and an earlier time than the newest, because the ids began anew in between.
    pub(crate) fn begin(
        chunk: Chunk,
        first: Option<TradeRow>,
        head: (u64, ExchangeMs),
        width: BucketWidth,
    ) -> Option<(Self, Progress)> {
        let contradicts = match first {
            None => head.1 >= chunk.first.start_ms(),
            Some(TradeRow::Trade(trade)) => trade.id > head.0 && trade.traded_at < head.1,
            Some(TradeRow::Dead { .. } | TradeRow::Unreadable { .. }) => false,
        };
        if contradicts {
            return None;
        }
        let mut minutes = BTreeMap::new();
        let mut minute = chunk.first;
        while minute <= chunk.last {
            minutes.insert(minute, MinuteFootprint::empty(minute, true));
            minute = minute.next();
        }
        let next_id = first.map_or(0, |row| row.id());
        let reader = Self {
            chunk,
            width,
            minutes,
            next_id,
            head: head.0,
            doubted: Vec::new(),
            holes: Vec::new(),
            reached: chunk.first,
            spoil_next: false,
            trades: 0,
        };
        let progress = first.map_or(Progress::Done, |row| Progress::Ask { from: row.id() });
        Some((reader, progress))
    }

    /// Takes the page that was asked for.
    ///
    /// Only a trade well behind the chunk, or the id that was the highest when the chunk was begun, ends it:
    /// a short or empty page proves nothing. Ids that are absent, and rows that cannot be read, are asked for
    /// once more; the minutes around a row that still cannot be read are incomplete.
    ///
    /// # Errors
    /// [`NumError`] when a sum cannot be kept exactly.
    pub(crate) fn on_page(&mut self, rows: &[TradeRow]) -> Result<Progress, NumError> {
        let asked = self.next_id;
        let doubted = std::mem::replace(&mut self.doubted, gaps(asked, rows).collect());
        let twice = |first, last| doubted.iter().any(|gap| gap.first <= first && last <= gap.last);
        for row in rows.iter().filter(|row| row.id() >= asked) {
            let id = row.id();
            if id > self.next_id {
                let hole = IdRange {
                    first: self.next_id,
                    last: id - 1,
                };
                if !twice(hole.first, hole.last) {
                    return Ok(Progress::Ask { from: self.next_id });
                }
                self.holes.push(hole);
                self.next_id = id;
            }
            match row {
                TradeRow::Unreadable { .. } if !twice(id, id) => {
                    return Ok(Progress::Ask { from: self.next_id });
                }
                TradeRow::Unreadable { .. } => {
                    self.spoil(self.reached);
                    self.spoil_next = true;
                }
                TradeRow::Trade(trade) if trade.traded_at >= self.chunk.last.end_ms() + LOOKAHEAD_MS => {
                    self.end(self.chunk.last.max(self.reached));
                    return Ok(Progress::Done);
                }
                TradeRow::Trade(trade) => self.add(trade)?,
                TradeRow::Dead { .. } => {}
            }
            self.next_id = id + 1;
        }
        if self.next_id <= self.head {
            return Ok(Progress::Ask { from: self.next_id });
        }
        self.end(self.chunk.last.max(self.reached));
        Ok(Progress::Done)
    }

    fn add(&mut self, trade: &AggTrade) -> Result<(), NumError> {
        // The parser admits only times that have a minute.
        let Ok(minute) = Minute::containing(trade.traded_at) else {
            return Ok(());
        };
        if minute > self.reached {
            // What was found since the last trade may belong to any minute up to this one.
            self.end(minute);
            self.reached = minute;
        }
        let Some(footprint) = self.minutes.get_mut(&minute) else {
            return Ok(());
        };
        footprint.permanent_holes.append(&mut self.holes);
        footprint.add(trade, self.width)?;
        self.spoil_next = false;
        self.trades += 1;
        Ok(())
    }

    /// Reading has come to `minute`, or has ended there.
    fn end(&mut self, minute: Minute) {
        if let Some(footprint) = self.minutes.get_mut(&minute) {
            footprint.permanent_holes.append(&mut self.holes);
        }
        if std::mem::take(&mut self.spoil_next) {
            let mut lacking = self.reached;
            while lacking <= minute {
                self.spoil(lacking);
                lacking = lacking.next();
            }
        }
    }

    fn spoil(&mut self, minute: Minute) {
        if let Some(footprint) = self.minutes.get_mut(&minute) {
            footprint.complete = false;
        }
    }

    /// Trades counted so far.
    pub(crate) fn trades(&self) -> u64 {
        self.trades
    }

    /// The minutes of the chunk, newest first.
    pub(crate) fn into_minutes(self) -> impl Iterator<Item = MinuteFootprint> {
        self.minutes.into_values().rev()
    }
}

#[cfg(test)]
mod tests;

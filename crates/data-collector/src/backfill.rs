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
mod tests {
    use super::*;
    use strategy_core::model::{AggTrade, Aggressor};
    use strategy_core::num::{Price, Quantity};

    fn minute(number: i64) -> Minute {
        Minute::from_number(29_000_000 + number).unwrap()
    }

    fn window(minutes: &[(i64, bool)]) -> WindowImage {
        let batch = minutes
            .iter()
            .map(|(number, complete)| {
                (
                    minute(*number),
                    MinuteFootprint::empty(minute(*number), *complete),
                )
            })
            .collect();
        WindowImage::default().plan(batch, 1000).after
    }

    fn row(id: u64, at: Minute, offset_ms: i64) -> TradeRow {
        TradeRow::Trade(AggTrade {
            id,
            price: Price::parse("100.5").unwrap(),
            quantity: Quantity::parse("0.1").unwrap(),
            traded_at: at.start_ms() + offset_ms,
            aggressor: Aggressor::Buyer,
        })
    }

    /// The next chunk of at most five minutes, and how many minutes the window lacks.
    fn lacking(window: &WindowImage, size: usize, files: &[i64]) -> (Option<(i64, i64)>, u64) {
        let files = files.iter().map(|number| minute(*number)).collect();
        let lacking = Lacking {
            window,
            files: &files,
            horizon: minute(0),
            until: minute(20),
            size,
        };
        let number = |minute: Minute| minute.number() - 29_000_000;
        let put_off = minute(3);
        let chunk = lacking.next_chunk(5, |minute| minute != put_off);
        let chunk = chunk.map(|chunk| (number(chunk.first), number(chunk.last)));
        (chunk, lacking.in_window(|_| true))
    }

    #[test]
    fn the_newest_missing_minutes_come_first() {
        assert_eq!(lacking(&WindowImage::default(), 100, &[]), (Some((15, 19)), 20));
        assert_eq!(
            lacking(&window(&[(18, true), (19, true)]), 100, &[]),
            (Some((13, 17)), 18)
        );
        assert_eq!(
            lacking(&window(&[(17, true), (19, true)]), 100, &[]),
            (Some((18, 18)), 18)
        );
        let whole: Vec<(i64, bool)> = (0..20).map(|number| (number, true)).collect();
        assert_eq!(lacking(&window(&whole), 20, &[]), (None, 0));
        // A minute that may not be asked for divides two chunks.
        assert_eq!(lacking(&window(&whole[4..]), 100, &[]), (Some((0, 2)), 4));
    }

    #[test]
    fn at_the_beginning_of_time_there_is_nothing_to_ask_for() {
        let (window, files) = (WindowImage::default(), BTreeSet::new());
        for until in [Minute::EPOCH, Minute::EPOCH.next()] {
            let lacking = Lacking {
                window: &window,
                files: &files,
                horizon: Minute::EPOCH.offset(-17),
                until,
                size: 18,
            };
            let chunk = lacking.next_chunk(60, |_| true);
            assert_eq!(chunk.is_some(), until > lacking.horizon, "{chunk:?}");
        }
    }

    #[test]
    fn files_come_after_the_window_and_only_when_it_is_full() {
        let full: Vec<(i64, bool)> = (10..20).map(|number| (number, number != 12)).collect();
        assert_eq!(lacking(&window(&full), 10, &[5, 6, -9]), (Some((12, 12)), 1));
        let full: Vec<(i64, bool)> = (10..20).map(|number| (number, true)).collect();
        assert_eq!(lacking(&window(&full), 10, &[5, 6, -9]), (Some((5, 6)), 0));
        assert_eq!(lacking(&window(&full), 10, &[-9]), (Some((-9, -9)), 0));
        assert_eq!(lacking(&window(&full), 10, &[3]), (None, 0));
        // Older than a week.
        assert_eq!(lacking(&window(&full), 10, &[-11_000]), (None, 0));
        assert_eq!(lacking(&window(&full), 100, &[-9]), (Some((5, 9)), 10));
    }

    /// A reader of a chunk whose first row has number 10.
    fn reader(chunk: Chunk, head: u64) -> (ChunkReader, Progress) {
        let first = Some(row(10, chunk.first, 0));
        ChunkReader::begin(chunk, first, (head, chunk.first.start_ms()), BucketWidth::ONE).unwrap()
    }

    #[test]
    fn answers_that_contradict_each_other_begin_nothing() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(2),
        };
        let begins = |first: Option<TradeRow>, head: (u64, ExchangeMs)| {
            ChunkReader::begin(chunk, first, head, BucketWidth::ONE).is_some()
        };
        let at = |number: i64| minute(number).start_ms();
        // Nothing since then, but the newest trade is younger.
        assert!(begins(None, (50, at(0))) && !begins(None, (50, at(1))));
        // The ids began anew after this stretch.
        assert!(!begins(Some(row(900, minute(1), 0)), (50, at(5))));
        // Traded after the newest that was known.
        assert!(begins(Some(row(51, minute(6), 0)), (50, at(5))));
        assert!(begins(Some(row(10, minute(1), 0)), (50, at(5))));
    }

    #[test]
    fn a_chunk_takes_exactly_its_own_trades() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(2),
        };
        let (mut reader, progress) = reader(chunk, 1000);
        assert_eq!(progress, Progress::Ask { from: 10 });
        let page = [
            row(10, minute(1), 0),
            row(11, minute(3), 5),
            TradeRow::Dead { id: 12 },
        ];
        assert_eq!(reader.on_page(&page), Ok(Progress::Ask { from: 13 }));
        // A trade whose time steps back still belongs to the chunk; the one a minute later ends it.
        let page = [
            row(13, minute(2), 59_999),
            row(14, minute(4), 0),
            row(15, minute(2), 0),
        ];
        assert_eq!(reader.on_page(&page), Ok(Progress::Done));
        let counts: Vec<(Minute, u64, bool)> = reader
            .into_minutes()
            .map(|minute| (minute.minute, minute.trade_count, minute.complete))
            .collect();
        assert_eq!(counts, [(minute(2), 1, true), (minute(1), 1, true)]);
    }

    #[test]
    fn missing_ids_are_asked_for_twice_before_they_count_as_missing() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(1),
        };
        let (mut reader, _) = reader(chunk, 13);
        let page = [row(10, minute(1), 0), row(13, minute(1), 5)];
        assert_eq!(reader.on_page(&page), Ok(Progress::Ask { from: 11 }));
        assert_eq!(reader.on_page(&page[1..]), Ok(Progress::Done));
        let filled = reader.into_minutes().next().unwrap();
        assert_eq!((filled.trade_count, filled.complete), (2, true));
        assert_eq!(filled.permanent_holes, [IdRange { first: 11, last: 12 }]);
    }

    #[test]
    fn a_hole_is_noted_once_whatever_stands_behind_it() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(2),
        };
        let (mut reader, _) = reader(chunk, 30);
        // Missing: 11 before a dead row, 14 to 15 across the minutes, 17 at the end of the chunk.
        let page = [
            row(10, minute(1), 0),
            TradeRow::Dead { id: 12 },
            row(13, minute(1), 5),
            row(16, minute(2), 5),
            row(18, minute(4), 5),
        ];
        assert_eq!(reader.on_page(&page), Ok(Progress::Ask { from: 11 }));
        assert_eq!(reader.on_page(&page[1..]), Ok(Progress::Done));
        let holes: Vec<Vec<IdRange>> = reader
            .into_minutes()
            .map(|minute| minute.permanent_holes)
            .collect();
        let hole = |first, last| IdRange { first, last };
        assert_eq!(holes, [vec![hole(14, 15), hole(17, 17)], vec![hole(11, 11)]]);
    }

    #[test]
    fn a_row_that_cannot_be_read_leaves_its_minute_incomplete_and_no_other() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(5),
        };
        let complete = |page: &[TradeRow]| {
            let (mut reader, _) = reader(chunk, 1000);
            let asked_again = reader.on_page(page).unwrap();
            assert!(
                matches!(asked_again, Progress::Ask { .. }),
                "one answer is no proof"
            );
            assert_eq!(reader.on_page(page), Ok(Progress::Done));
            let mut complete: Vec<bool> = reader.into_minutes().map(|minute| minute.complete).collect();
            complete.reverse();
            complete
        };
        let end = row(20, minute(7), 0);
        let unreadable = TradeRow::Unreadable { id: 11 };
        let within = [row(10, minute(2), 0), unreadable, row(12, minute(2), 5), end];
        assert_eq!(complete(&within), [true, false, true, true, true]);
        // Between two minutes with trades it may belong to either, or to one in between.
        let across = [row(10, minute(2), 0), unreadable, row(12, minute(4), 5), end];
        assert_eq!(complete(&across), [true, false, false, false, true]);
        assert_eq!(
            complete(&[row(10, minute(4), 0), unreadable, end]),
            [true, true, true, false, false]
        );
        let first = [TradeRow::Unreadable { id: 10 }, row(11, minute(1), 0), end];
        assert_eq!(complete(&first), [false, true, true, true, true]);
        // Behind the chunk it is the business of the minutes there.
        let behind = [
            row(10, minute(5), 0),
            row(11, minute(6), 5),
            TradeRow::Unreadable { id: 12 },
            end,
        ];
        assert_eq!(complete(&behind), [true; 5]);
    }

    #[test]
    fn a_short_or_empty_page_ends_nothing() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(1),
        };
        let (mut reader, _) = reader(chunk, 11);
        assert_eq!(
            reader.on_page(&[row(10, minute(1), 0)]),
            Ok(Progress::Ask { from: 11 })
        );
        assert_eq!(reader.on_page(&[]), Ok(Progress::Ask { from: 11 }));
        assert_eq!(reader.on_page(&[row(11, minute(1), 9)]), Ok(Progress::Done));
    }

    #[test]
    fn a_market_without_trades_since_then_has_empty_minutes() {
        let chunk = Chunk {
            first: minute(1),
            last: minute(3),
        };
        let begun = ChunkReader::begin(chunk, None, (5, minute(0).start_ms()), BucketWidth::ONE);
        let (reader, progress) = begun.unwrap();
        assert_eq!(progress, Progress::Done);
        assert!(
            reader
                .into_minutes()
                .all(|minute| minute.complete && minute.trade_count == 0)
        );
    }
}

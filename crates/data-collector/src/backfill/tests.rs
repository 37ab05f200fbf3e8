//! Which minutes are asked for next, and what a chunk of history makes of the answers.

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

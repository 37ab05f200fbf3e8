//! The recorder against a small exchange that answers its questions truthfully.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use strategy_core::model::Aggressor;
use strategy_core::num::{Price, Quantity};

use super::*;

mod gaps;

/// Rows of a page of the small exchange.
const PAGE: usize = 7;

/// First minute of the tapes.
fn minute(number: i64) -> Minute {
    Minute::from_number(29_000_000 + number).unwrap()
}

fn trade(id: u64, traded_at: ExchangeMs) -> TradeRow {
    TradeRow::Trade(AggTrade {
        id,
        price: Price::new(Decimal::new(10_000_000 + i64::try_from(id % 700).unwrap(), 2)).unwrap(),
        quantity: Quantity::new(Decimal::new(i64::try_from(id % 13).unwrap() + 1, 5)).unwrap(),
        traded_at,
        aggressor: Aggressor::from_buyer_is_maker(id.is_multiple_of(3)),
    })
}

/// An exchange with a known tape, and the window that results from the recorder's effects.
struct Bench {
    tape: Vec<TradeRow>,
    recorder: Recorder,
    window: BTreeMap<Minute, MinuteFootprint>,
    invalid: Vec<Minute>,
    uptime: Uptime,
    /// Event time at uptime zero.
    start: ExchangeMs,
    /// REST has each row later by up to so many milliseconds, one more and the next less.
    ragged: i64,
    /// Ids whose row REST shows without a price.
    broken: Vec<u64>,
}

impl Bench {
    fn new(tape: Vec<TradeRow>, first: Minute) -> Self {
        let next_id = tape.first().map(TradeRow::id);
        let anchor = Anchor {
            time: first.start_ms(),
            first,
            next_id,
            newest: None,
            known_last: None,
        };
        let recorder = Recorder::new(anchor, BucketWidth::ONE, 1000, Uptime::ZERO, true);
        Self {
            tape,
            recorder,
            window: BTreeMap::new(),
            invalid: Vec::new(),
            uptime: Uptime::ZERO,
            start: first.start_ms(),
            ragged: 0,
            broken: Vec::new(),
        }
    }

    fn now(&self) -> ExchangeMs {
        self.start + i64::try_from(self.uptime.as_millis()).unwrap()
    }

    /// The rows the exchange has published by now, in the order of their ids whatever their times.
    fn published(&self) -> impl Iterator<Item = &TradeRow> {
        let now = self.now();
        self.tape.iter().take_while(move |row| at(row) <= now)
    }

    /// The rows as REST has them by now.
    fn shown(&self) -> impl Iterator<Item = TradeRow> {
        let (now, ragged) = (self.now(), self.ragged);
        let late = move |row: &TradeRow| match ragged {
            0 => 0,
            ragged => i64::try_from(row.id().wrapping_mul(7919) % 1000).unwrap() * ragged / 1000,
        };
        self.published()
            .filter(move |row| at(row) + late(row) <= now)
            .map(|row| match row.id() {
                id if self.broken.contains(&id) => TradeRow::Unreadable { id },
                _ => *row,
            })
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(footprint) => {
                    let known = self
                        .window
                        .get(&footprint.minute)
                        .is_some_and(|known| known.complete);
                    if footprint.complete || !known {
                        self.window.insert(footprint.minute, footprint);
                    }
                }
                Effect::Invalidate(minute) => self.invalid.push(minute),
            }
        }
    }

    fn stream(&mut self, row: TradeRow) {
        let mut effects = Vec::new();
        let now = self.now();
        self.recorder.on_row(row, now, self.uptime, &mut effects);
        self.take(effects);
    }

    /// Lets time pass in steps of a tenth of a second, answering questions if `rest` works.
    fn pass(&mut self, span: Duration, rest: bool) {
        let end = self.uptime + span;
        while self.uptime < end {
            self.uptime += Duration::from_millis(100);
            let mut effects = Vec::new();
            self.recorder.on_tick(self.uptime, &mut effects);
            if let Some(question) = self.recorder.question(self.uptime) {
                match (question, rest) {
                    (question, false) => self.recorder.on_no_answer(question, self.uptime),
                    (Question::Page { from, settled }, true) => {
                        let rows = self.shown().filter(|row| row.id() >= from).take(PAGE).collect();
                        self.recorder
                            .on_page(from, settled, rows, self.uptime, &mut effects);
                    }
                    (Question::Newest, true) => {
                        let newest = self.shown().last().map(|row| (row.id(), at(&row)));
                        let now = self.now();
                        self.recorder.on_newest(now, newest, self.uptime, &mut effects);
                    }
                }
            }
            self.take(effects);
        }
    }

    /// What the window must hold for a minute.
    fn truth(&self, minute: Minute) -> MinuteFootprint {
        let mut footprint = MinuteFootprint::empty(minute, true);
        for row in &self.tape {
            if let TradeRow::Trade(trade) = row
                && Minute::containing(trade.traded_at) == Ok(minute)
            {
                footprint.add(trade, BucketWidth::ONE).unwrap();
            }
        }
        footprint
    }

    fn assert_whole(&self, minutes: std::ops::Range<i64>) {
        for number in minutes {
            let mut recorded = self
                .window
                .get(&minute(number))
                .cloned()
                .expect("every minute is published");
            recorded.permanent_holes.clear();
            assert_eq!(recorded, self.truth(minute(number)));
        }
        assert_eq!(self.invalid, []);
    }
}

/// Trade time of a row; a dead row is as old as the tape.
fn at(row: &TradeRow) -> ExchangeMs {
    match row {
        TradeRow::Trade(trade) => trade.traded_at,
        TradeRow::Dead { .. } | TradeRow::Unreadable { .. } => 0,
    }
}

#[test]
fn a_busy_minute_is_published_by_the_first_trade_a_second_past_its_end() {
    let start = minute(0).start_ms();
    let tape = vec![
        trade(1, start + 10),
        trade(2, start + 60_010),
        trade(3, start + 61_000),
    ];
    let mut bench = Bench::new(tape, minute(0));
    bench.stream(bench.tape[0]);
    bench.pass(Duration::from_millis(60_100), true);
    bench.stream(bench.tape[1]);
    bench.pass(Duration::from_millis(900), true);
    assert!(bench.window.is_empty());
    bench.stream(bench.tape[2]);
    bench.pass(Duration::from_millis(100), true);
    bench.assert_whole(0..1);
}

#[test]
fn a_quiet_minute_is_published_when_the_exchange_says_that_nothing_is_newer() {
    let mut bench = Bench::new(vec![trade(1, minute(0).start_ms() + 10)], minute(0));
    bench.stream(bench.tape[0]);
    bench.pass(Duration::from_secs(64), true);
    bench.assert_whole(0..1);
    bench.pass(Duration::from_secs(180), true);
    bench.assert_whole(0..4);
    assert!(!bench.recorder.stream_is_mute(bench.uptime));
}

#[test]
fn what_cannot_be_whole_in_time_is_published_as_incomplete_and_again_when_it_is() {
    let start = minute(0).start_ms();
    let tape = vec![trade(1, start + 10), trade(2, start + 20), trade(3, start + 30)];
    let mut bench = Bench::new(tape, minute(0));
    bench.stream(bench.tape[0]);
    bench.uptime = Duration::from_secs(30);
    bench.stream(bench.tape[2]);
    bench.pass(Duration::from_secs(35), false);
    let partial = &bench.window[&minute(0)];
    assert_eq!(
        (partial.complete, partial.trade_count),
        (false, 2),
        "trades behind the gap are shown too"
    );
    bench.pass(Duration::from_secs(10), true);
    bench.assert_whole(0..1);
}

#[test]
fn a_stream_that_lacks_trades_is_mute() {
    let start = minute(0).start_ms();
    let tape = vec![trade(1, start + 10), trade(2, start + 5_000)];
    let mut bench = Bench::new(tape, minute(0));
    bench.stream(bench.tape[0]);
    bench.pass(Duration::from_secs(64), true);
    bench.assert_whole(0..1);
    bench.pass(Duration::from_secs(6), true);
    assert!(bench.recorder.stream_is_mute(bench.uptime));
    bench.recorder.on_connection(false, bench.uptime);
    assert!(!bench.recorder.stream_is_mute(bench.uptime));
}

#[test]
fn what_was_before_the_stream_does_not_make_it_mute() {
    let tape = vec![trade(1, minute(0).start_ms() + 10)];
    let mut bench = Bench::new(tape, minute(0));
    bench.pass(Duration::from_secs(90), true);
    bench.assert_whole(0..1);
    assert!(!bench.recorder.stream_is_mute(bench.uptime));
}

#[test]
fn a_frame_from_the_far_future_moves_no_minute() {
    let start = minute(0).start_ms();
    let mut bench = Bench::new(vec![trade(1, start + 10), trade(2, start + 61_000)], minute(0));
    let mut effects = Vec::new();
    let year = 365 * 86_400_000;
    bench
        .recorder
        .on_row(trade(1, start + year), start + year, Uptime::ZERO, &mut effects);
    assert_eq!(effects, []);
    bench.pass(Duration::from_secs(70), true);
    bench.assert_whole(0..1);
    assert_eq!(bench.recorder.counts().rejected_rows, 1);
}

#[test]
fn the_minute_recording_begins_in_is_history_only_when_it_is_over() {
    let minute = minute(0);
    let at = |seconds: i64| minute.start_ms() + seconds * 1000;
    let uptime = Duration::from_secs(1);
    let anchor = Anchor {
        time: at(10),
        first: minute,
        next_id: None,
        newest: None,
        known_last: None,
    };
    let (mut recorder, mut effects) = (
        Recorder::new(anchor, BucketWidth::ONE, 1000, uptime, true),
        Vec::new(),
    );
    // The minute that is running cannot be whole here, and its end cannot be known to REST.
    recorder.on_row(trade(7, at(11)), at(11), uptime, &mut effects);
    assert!(recorder.history_until(uptime) <= minute);
    recorder.on_row(trade(8, at(61)), at(61), uptime, &mut effects);
    assert!(recorder.history_until(uptime) <= minute);
    let later = uptime + Duration::from_secs(3);
    recorder.on_tick(later, &mut effects);
    assert_eq!(recorder.history_until(later), minute.next());
    // What is known of it is shown meanwhile.
    let Some(Effect::Publish(partial)) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (partial.minute, partial.trade_count, partial.complete),
        (minute, 1, false)
    );
}

#[test]
fn without_rest_the_stream_alone_gives_whole_minutes_after_the_first() {
    let start = minute(0).start_ms();
    let tape: Vec<TradeRow> = (0_u32..40)
        .map(|index| trade(u64::from(100 + index), start + 30_000 + 4_000 * i64::from(index)))
        .collect();
    let mut bench = Bench::new(tape.clone(), minute(0));
    bench.recorder = Recorder::unanchored(BucketWidth::ONE, 1000, Uptime::ZERO, true);
    for row in tape {
        let due = Duration::from_millis(u64::try_from(at(&row) - start).unwrap());
        bench.pass(due.saturating_sub(bench.uptime), false);
        bench.stream(row);
    }
    bench.pass(Duration::from_secs(1), false);
    let first = &bench.window[&minute(0)];
    assert_eq!((first.complete, first.trade_count), (false, 8));
    bench.assert_whole(1..3);
}

#[test]
fn without_an_anchor_and_a_trade_no_minute_is_published() {
    let mut bench = Bench::new(Vec::new(), minute(0));
    bench.recorder = Recorder::unanchored(BucketWidth::ONE, 1000, Uptime::ZERO, true);
    // The exchange tells its time and no trade, as it does when its history cannot be asked.
    bench.pass(Duration::from_secs(90), true);
    assert!(bench.window.is_empty(), "{:?}", bench.window.keys().next());
}

#[test]
fn a_trade_that_cannot_be_true_is_asked_for_again() {
    let start = minute(0).start_ms();
    let mut bench = Bench::new(vec![trade(1, start + 10), trade(2, start + 20)], minute(0));
    bench.stream(bench.tape[0]);
    let TradeRow::Trade(real) = bench.tape[1] else {
        panic!("a trade")
    };
    let price = Price::new(Decimal::new(99_999_999, 0)).unwrap();
    bench.stream(TradeRow::Trade(AggTrade { price, ..real }));
    bench.pass(Duration::from_secs(64), true);
    bench.assert_whole(0..1);
    assert_eq!(bench.recorder.counts().rejected_rows, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the stream loses, doubles and reorders rows, and however often REST is away meanwhile, the
    /// minutes are those of the tape.
    #[test]
    fn any_delivery_gives_the_same_minutes(
        steps in prop::collection::vec((0_i64..8_000, 0_i64..900, 0_u8..20), 20..150),
        deliveries in prop::collection::vec((0_u8..10, 0_usize..4), 150),
        outages in prop::collection::vec(any::<bool>(), 8),
        ragged in 0_i64..3_000,
    ) {
        let start = minute(0).start_ms();
        let (mut clock, mut tape) = (start, Vec::new());
        for (index, (ahead, back, kind)) in steps.iter().enumerate() {
            clock += ahead;
            let id = 100 + index as u64;
            match kind {
                0 => tape.push(TradeRow::Dead { id }),
                1 => {} // The exchange itself does not have this id.
                2 => tape.push(trade(id, (clock - back).max(start))),
                _ => tape.push(trade(id, clock)),
            }
        }
        // The anchor is the first trade of the minute, so a tape begins with one.
        tape.insert(0, trade(99, start));
        let minutes = (clock - start) / 60_000 + 1;
        let mut bench = Bench::new(tape.clone(), minute(0));
        bench.ragged = ragged;
        let mut late: Vec<TradeRow> = Vec::new();
        for (row, (fate, outage)) in tape.iter().zip(deliveries.iter().cycle()) {
            let due = Duration::from_millis(u64::try_from(at(row).max(bench.now()) - start).unwrap());
            let rest = outages[outage % outages.len()];
            if due > bench.uptime {
                bench.pass(due.saturating_sub(bench.uptime), rest);
            }
            match fate {
                0 => {}
                1 => late.push(*row),
                2 => { bench.stream(*row); bench.stream(*row); }
                _ => bench.stream(*row),
            }
            if fate % 3 == 0 && let Some(row) = late.pop() {
                bench.stream(row);
            }
        }
        bench.pass(Duration::from_secs(90), true);
        for number in 0..minutes {
            let recorded = bench.window.get(&minute(number)).cloned();
            if let Some(mut recorded) = recorded.filter(|recorded| recorded.complete) {
                recorded.permanent_holes.clear();
                prop_assert_eq!(recorded, bench.truth(minute(number)));
            } else if !bench.invalid.contains(&minute(number)) {
                // A gap was not filled for longer than it is waited for.
                prop_assert!(bench.recorder.counts().left_to_history > 0);
                prop_assert!(minute(number) < bench.recorder.history_until(bench.uptime));
            }
        }
        prop_assert!(!bench.recorder.has_gap());
    }
}

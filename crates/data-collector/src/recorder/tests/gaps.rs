//! Ids that are missing: waited for, asked for, given up, or left to the history.

use super::*;

#[test]
fn a_trade_that_was_taken_for_missing_and_comes_all_the_same_is_asked_for_again() {
    let start = minute(0).start_ms();
    let mut bench = Bench::new(vec![trade(1, start + 10), trade(3, start + 30)], minute(0));
    bench.stream(bench.tape[0]);
    bench.stream(bench.tape[1]);
    bench.pass(Duration::from_secs(5), true);
    assert!(!bench.recorder.has_gap(), "rest has twice answered without it");
    bench.stream(trade(2, start + 20));
    assert_eq!(bench.invalid, [minute(0)]);
    bench.pass(Duration::from_secs(62), true);
    assert!(!bench.window[&minute(0)].complete);
}

#[test]
fn a_trade_that_rest_shows_after_its_neighbours_is_not_taken_for_missing() {
    let start = minute(0).start_ms();
    // Number 2 appears in REST 2.3 s later than the stream had number 3.
    let tape = vec![trade(1, start + 10), trade(2, start + 20), trade(3, start + 30)];
    let mut bench = Bench::new(tape, minute(0));
    bench.stream(bench.tape[0]);
    bench.stream(bench.tape[2]);
    bench.ragged = 2_700;
    bench.pass(Duration::from_secs(64), true);
    bench.assert_whole(0..1);
    assert_eq!(bench.recorder.counts().hole_ids, 0);
}

#[test]
fn many_missing_ids_cost_no_more_time_than_one() {
    let start = minute(0).start_ms();
    // Every second id does not exist.
    let tape: Vec<TradeRow> = (0..60)
        .map(|index| trade(100 + 2 * index, start + 10 * i64::try_from(index).unwrap()))
        .collect();
    let mut bench = Bench::new(tape.clone(), minute(0));
    bench.uptime = Duration::from_millis(600);
    for row in &tape {
        bench.stream(*row);
    }
    bench.pass(Duration::from_secs(8), true);
    assert!(!bench.recorder.has_gap());
    assert_eq!(bench.recorder.counts().hole_ids, 59);
    bench.pass(Duration::from_secs(60), true);
    bench.assert_whole(0..1);
}

#[test]
fn a_row_that_rest_cannot_show_spoils_its_minute_and_no_other() {
    let start = minute(0).start_ms();
    let tape: Vec<TradeRow> = (0..36_u32)
        .map(|index| trade(u64::from(100 + index), start + 5_000 * i64::from(index)))
        .collect();
    let mut bench = Bench::new(tape.clone(), minute(0));
    bench.broken = vec![115];
    for row in tape {
        let due = Duration::from_millis(u64::try_from(at(&row) - start).unwrap());
        bench.pass(due.saturating_sub(bench.uptime), true);
        if row.id() != 115 {
            bench.stream(row);
        }
    }
    bench.pass(Duration::from_secs(10), true);
    assert!(!bench.window[&minute(1)].complete);
    assert_eq!(bench.window[&minute(1)].trade_count, 11);
    bench.assert_whole(0..1);
    bench.assert_whole(2..3);
    assert_eq!(bench.recorder.counts().unreadable_rows, 1);
}

#[test]
fn a_gap_that_rest_never_fills_does_not_keep_the_later_minutes_back() {
    let start = minute(0).start_ms();
    let tape: Vec<TradeRow> = (0..60_u32)
        .map(|index| trade(u64::from(100 + index), start + 5_000 * i64::from(index)))
        .collect();
    let mut bench = Bench::new(tape.clone(), minute(0));
    for row in tape {
        let due = Duration::from_millis(u64::try_from(at(&row) - start).unwrap());
        bench.pass(due.saturating_sub(bench.uptime), false);
        if row.id() != 105 {
            bench.stream(row);
        }
    }
    bench.pass(Duration::from_secs(3), false);
    let complete: Vec<i64> = bench
        .window
        .values()
        .filter(|minute| minute.complete)
        .map(|minute| minute.minute.number() - 29_000_000)
        .collect();
    // The gap is in minute 0; a minute of patience later recording goes on behind it, within minute 1.
    assert_eq!(complete, [2, 3]);
    bench.assert_whole(2..4);
    for unfinished in [0, 1] {
        let shown = &bench.window[&minute(unfinished)];
        assert!(!shown.complete && shown.trade_count > 0, "{shown:?}");
    }
    assert!(bench.recorder.history_until(bench.uptime) > minute(1));
}

#[test]
fn more_than_can_wait_behind_a_gap_is_left_to_the_history() {
    let start = minute(0).start_ms();
    let count = u32::try_from(crate::chain::AHEAD_LIMIT).unwrap() + 10;
    let mut bench = Bench::new(vec![trade(1, start)], minute(0));
    bench.stream(bench.tape[0]);
    bench.uptime = Duration::from_secs(1);
    for index in 0..count {
        bench.stream(trade(u64::from(3 + index), start + 1_000));
    }
    let last = u64::from(2 + count);
    bench.stream(trade(last + 1, start + 60_500));
    bench.stream(trade(last + 2, start + 121_500));
    bench.pass(Duration::from_secs(121), false);
    let counts: Vec<(u64, bool)> = bench
        .window
        .values()
        .map(|minute| (minute.trade_count, minute.complete))
        .collect();
    assert_eq!(counts[..2], [(u64::from(count), false), (1, true)]);
}

#[test]
fn ids_that_begin_anew_are_noticed() {
    let start = minute(0).start_ms();
    let mut bench = Bench::new(vec![trade(1_000_000, start + 10)], minute(0));
    bench.stream(bench.tape[0]);
    bench.tape = vec![trade(1, start + 61_500)];
    bench.uptime = Duration::from_secs(62);
    bench.stream(bench.tape[0]);
    bench.pass(Duration::from_secs(5), true);
    assert!(bench.recorder.wants_rebase());
}

#[test]
fn too_much_missing_is_left_to_the_history() {
    let start = minute(0).start_ms();
    let mut bench = Bench::new(
        vec![trade(1, start + 10), trade(1 + 2 * REBASE_IDS, start + 20)],
        minute(0),
    );
    bench.stream(bench.tape[0]);
    bench.pass(Duration::from_secs(1), true);
    assert!(bench.recorder.wants_rebase());
}

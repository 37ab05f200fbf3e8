//! Diagonal imbalance: takers of one side at a row against takers of the other side at the next row.

use chrono::{DateTime, Utc};

use crate::analysis::Params;
use crate::analysis::rows::{Flow, Rows};
use crate::analysis::units::{Amount, Grid, amount, number};
use crate::analysis::window::Window;
use crate::model::report::{FlowSide, StackedImbalance};

/// Length of a bar in minutes; bars begin on multiples of it, so that they do not change as time goes on.
pub(crate) const BAR_MINUTES: i64 = 15;
/// One side outweighs the other from this ratio on.
const RATIO: Amount = 3;
/// Rows in a row that make a stack.
const STACK: usize = 3;
/// Most stacks that are published.
const MOST: usize = 20;

/// What the bars of the flow window show.
#[derive(Debug, Default)]
pub(crate) struct Imbalances {
    /// Newest bar first, then lowest price first, at most twenty.
    pub(crate) stacks: Vec<StackedImbalance>,
    /// Bars left out because a minute of theirs is missing or incomplete.
    pub(crate) bars_left_out: u32,
}

impl Imbalances {
    fn add(&mut self, bar: &Bar) {
        let room = MOST - self.stacks.len();
        self.stacks.extend(bar.stacks.iter().take(room).cloned());
        self.bars_left_out += u32::from(bar.left_out);
    }
}

/// What one bar shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bar {
    /// Lowest price first.
    stacks: Vec<StackedImbalance>,
    left_out: bool,
}

/// Stacked imbalances over the newest `flow_window_minutes`.
///
/// A row is bought when taker buys in it are at least three times the taker sells one row below, and at least
/// the larger of `min_order_volume` and the bar's mean volume per row and side; a row is sold when taker
/// sells in it are at least three times the taker buys one row above, with the same minimum. Three or more
/// such rows next to each other are a stack. The bar that is still running counts with the minutes it has.
///
/// Only the running bar is worked out anew each time, the others when one of their minutes changes.
pub(crate) fn find(window: &mut Window, grid: Grid, params: &Params) -> Imbalances {
    let mut found = Imbalances::default();
    let (_, last) = window.bounds();
    let Some(oldest) = window.minutes().next().map(|(minute, _)| minute) else {
        return found;
    };
    let first = (last - i64::from(params.flow_window_minutes.max(1)) + 1).max(oldest);
    // A bar that begins before the first minute is not looked at.
    let first_bar = (first + BAR_MINUTES - 1).div_euclid(BAR_MINUTES);
    let last_bar = last.div_euclid(BAR_MINUTES);
    // The first one is whole, unlike the last one, which may be running.
    window.bars.keep(first_bar - 1, last_bar);
    for number in window.bars.missing(first_bar, last_bar) {
        let bar = bar(window, number, grid, params);
        window.bars.put(number, bar);
    }
    window.bars.all().rev().for_each(|bar| found.add(bar));
    found
}

/// A bar, up to the last minute of the window.
fn bar(window: &Window, number: i64, grid: Grid, params: &Params) -> Bar {
    let start = number * BAR_MINUTES;
    let end = (start + BAR_MINUTES - 1).min(window.bounds().1);
    let mut rows: Vec<(i64, Flow)> = Vec::new();
    let mut whole_minutes = 0;
    for (_, minute) in window.range(start, end) {
        whole_minutes += i64::from(minute.whole);
        rows = joined(&rows, &minute.rows);
    }
    if whole_minutes < end - start + 1 {
        return Bar {
            stacks: Vec::new(),
            left_out: true,
        };
    }
    let at = DateTime::from_timestamp(start * 60, 0).unwrap_or(DateTime::UNIX_EPOCH);
    Bar {
        stacks: stacks(&rows, grid, params, at),
        left_out: false,
    }
}

/// Sums of rows that both come lowest bucket first.
fn joined(one: &[(i64, Flow)], other: &Rows) -> Vec<(i64, Flow)> {
    let mut all = Vec::with_capacity(one.len());
    let mut rest = one.iter().copied().peekable();
    for (bucket, flow) in other.iter() {
        while let Some(lower) = rest.next_if(|(lower, _)| *lower < bucket) {
            all.push(lower);
        }
        let mut sum = rest
            .next_if(|(same, _)| *same == bucket)
            .unwrap_or((bucket, Flow::default()));
        sum.1.add(flow);
        all.push(sum);
    }
    all.extend(rest);
    all
}

fn stacks(
    rows: &[(i64, Flow)],
    grid: Grid,
    params: &Params,
    bar_start: DateTime<Utc>,
) -> Vec<StackedImbalance> {
    let traded: Amount = rows.iter().map(|(_, flow)| flow.total()).sum();
    let mean = traded / (2 * rows.len().max(1)) as Amount;
    let least = mean.max(amount(params.min_order_volume)).max(1);
    let outweighs = |one: Amount, other: Amount| one >= least && one >= other.saturating_mul(RATIO);
    // The flow one row from a row, which stands next to it among the rows, if anything was traded there.
    let at = |index: Option<usize>, bucket: i64| {
        let row = index.and_then(|index| rows.get(index));
        row.filter(|row| row.0 == bucket)
            .map(|row| row.1)
            .unwrap_or_default()
    };
    let compared = |side: FlowSide, index: usize, (bucket, flow): (i64, Flow)| match side {
        FlowSide::Buy => (flow.buy, at(index.checked_sub(1), bucket - 1).sell),
        FlowSide::Sell => (flow.sell, at(index.checked_add(1), bucket + 1).buy),
    };
    let mut found = Vec::new();
    for side in [FlowSide::Buy, FlowSide::Sell] {
        let mut run: Vec<Row> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let bucket = row.0;
            let (volume, opposing) = compared(side, index, *row);
            let dominates = outweighs(volume, opposing);
            let follows = run.last().is_none_or(|last| last.bucket + 1 == bucket);
            if !dominates || !follows {
                found.extend(stack(&run, side, grid, bar_start, least));
                run.clear();
            }
            if dominates {
                run.push(Row {
                    bucket,
                    volume,
                    opposing,
                });
            }
        }
        found.extend(stack(&run, side, grid, bar_start, least));
    }
    found.sort_by_key(|stack| (stack.low, stack.side));
    found
}

/// A row in which one aggressor outweighs the other.
#[derive(Debug, Clone, Copy)]
struct Row {
    bucket: i64,
    volume: Amount,
    opposing: Amount,
}

fn stack(
    run: &[Row],
    side: FlowSide,
    grid: Grid,
    bar_start: DateTime<Utc>,
    least: Amount,
) -> Option<StackedImbalance> {
    let (first, last) = (run.first()?, run.last()?);
    (run.len() >= STACK).then(|| StackedImbalance {
        low: grid.low(first.bucket),
        high: grid.low(last.bucket + 1),
        side,
        rows: u32::try_from(run.len()).unwrap_or(u32::MAX),
        volume: number(run.iter().map(|row| row.volume).sum()),
        opposing_volume: number(run.iter().map(|row| row.opposing).sum()),
        row_minimum: number(least),
        bar_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::window::tests::{minute, window};

    fn check(complete: bool, rows: &[(i64, i64, i64)]) -> (Vec<(String, FlowSide, u32)>, u32) {
        let mut window = window(60, &[minute(30, complete, rows)]);
        let params = Params::default();
        let found = find(&mut window, Grid::new(params.bucket_width), &params);
        let stacks = found
            .stacks
            .iter()
            .map(|stack| {
                (
                    format!("{}..{}", stack.low.get(), stack.high.get()),
                    stack.side,
                    stack.rows,
                )
            })
            .collect();
        (stacks, found.bars_left_out)
    }

    #[test]
    fn three_bought_rows_in_a_row_are_a_stack() {
        // Buys of 30 at 101, 102, 103 against sells of at most 10 one row below.
        let rows = [
            (100, 1, 10),
            (101, 30, 10),
            (102, 30, 10),
            (103, 30, 10),
            (104, 1, 10),
        ];
        assert_eq!(
            check(true, &rows),
            (vec![("101..104".to_owned(), FlowSide::Buy, 3)], 0)
        );
        let rows = [
            (100, 1, 10),
            (101, 30, 11),
            (102, 30, 10),
            (103, 30, 10),
            (104, 1, 10),
        ];
        assert_eq!(
            check(true, &rows),
            (vec![], 0),
            "30 against 11 is less than three to one"
        );
        assert_eq!(
            check(false, &rows),
            (vec![], 1),
            "a bar with missing trades says nothing"
        );
    }

    #[test]
    fn sold_rows_look_one_row_up() {
        let rows = [
            (100, 10, 1),
            (101, 10, 30),
            (102, 10, 30),
            (103, 10, 30),
            (104, 10, 1),
        ];
        assert_eq!(
            check(true, &rows),
            (vec![("101..104".to_owned(), FlowSide::Sell, 3)], 0)
        );
    }
}

//! The market around the newest snapshot: best prices, spread, imbalance, recent movement.

use crate::analysis::book::BucketedBook;
use crate::analysis::rows::Flow;
use crate::analysis::units::{Amount, Grid, amount, number, ratio, round};
use crate::analysis::window::Window;
use crate::model::report::{FlowDelta, MarketContext, Number};
use crate::num::to_f64;

/// Minutes over which the span of a minute is averaged.
const RANGE_MINUTES: i64 = 60;
/// Windows of the cumulative delta, in minutes.
const DELTA_MINUTES: [u32; 3] = [15, 60, 180];

/// Context of a book; empty where there is none.
pub(crate) fn of(book: Option<&BucketedBook>, window: &Window, grid: Grid) -> MarketContext {
    let Some(book) = book else {
        return MarketContext::default();
    };
    let [bid, ask] = book.best;
    let mut context = MarketContext {
        best_bid: bid.map(|level| Number::new(level.price.get())),
        best_ask: ask.map(|level| Number::new(level.price.get())),
        bid_volume_1_0: number(book.bids.near()),
        ask_volume_1_0: number(book.asks.near()),
        ..MarketContext::default()
    };
    let (Some(bid), Some(ask), Some(mid)) = (bid, ask, book.mid()) else {
        return context;
    };
    context.mid = Some(Number::new(mid));
    context.spread = Some(Number::new(ask.price.get() - bid.price.get()));
    let weight = ratio(amount(bid.quantity), amount(bid.quantity) + amount(ask.quantity));
    let (low, high) = (bid.price.to_f64(), ask.price.to_f64());
    context.microprice = Some(round(low + (high - low) * weight, 4));
    let [near, middle, far] =
        [0, 1, 2].map(|band: usize| imbalance(book.bids.bands[band], book.asks.bands[band]));
    context.imbalance_0_1 = near;
    context.imbalance_0_5 = middle;
    context.imbalance_1_0 = far;
    context.minute_range_percent = minute_range(window, grid, to_f64(mid));
    context
}

fn imbalance(bids: Amount, asks: Amount) -> Option<f64> {
    (bids + asks > 0).then(|| round((bids - asks) as f64 / (bids + asks) as f64, 4))
}

/// Mean span of the traded minutes of the last hour, in percent of mid.
fn minute_range(window: &Window, grid: Grid, mid: f64) -> Option<f64> {
    let (_, last) = window.bounds();
    let spans: Vec<i64> = window
        .range(last - RANGE_MINUTES + 1, last)
        .filter_map(|(_, minute)| minute.rows.range())
        .map(|(low, high)| high - low)
        .collect();
    let mean = spans.iter().sum::<i64>() as f64 / spans.len() as f64;
    (!spans.is_empty() && mid > 0.0).then(|| round(mean * grid.width_f64() / mid * 100.0, 4))
}

/// Delta over the newest 15, 60 and 180 minutes.
pub(crate) fn deltas(window: &Window) -> Vec<FlowDelta> {
    let (first, last) = window.bounds();
    DELTA_MINUTES
        .into_iter()
        .map(|minutes| {
            let from = last - i64::from(minutes) + 1;
            let mut sum = Flow::default();
            let mut whole = 0;
            for (_, minute) in window.range(from.max(first), last) {
                sum.add(minute.total);
                whole += i64::from(minute.whole);
            }
            FlowDelta {
                minutes,
                delta: number(sum.delta()),
                volume: number(sum.total()),
                complete: whole == i64::from(minutes),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::book::tests::snapshot;
    use crate::analysis::window::tests::{minute, window};
    use crate::num::BucketWidth;

    #[test]
    fn context_of_a_small_book() {
        let grid = Grid::new(BucketWidth::ONE);
        let snapshot = snapshot(
            1,
            &[("1000.00", "3"), ("996.00", "1"), ("980.00", "50")],
            &[("1000.50", "1"), ("1009.00", "1")],
        );
        let window = window(60, &[minute(1, true, &[(998, 1, 1), (1003, 1, 1)])]);
        let found = of(Some(&BucketedBook::new(&snapshot, grid)), &window, grid);
        assert_eq!(found.mid.unwrap().get().to_string(), "1000.25");
        assert_eq!(found.spread.unwrap().get().to_string(), "0.5");
        assert_eq!(found.microprice, Some(1000.375));
        assert_eq!(found.imbalance_0_1, Some(0.5));
        assert_eq!(found.imbalance_0_5, Some(0.6));
        assert_eq!(found.imbalance_1_0, Some(0.3333));
        assert_eq!(found.minute_range_percent, Some(0.4999));
    }

    #[test]
    fn delta_is_bought_minus_sold_over_each_window() {
        let minutes: Vec<_> = (0..20)
            .map(|number| minute(number, number != 2, &[(100, 3, 1)]))
            .collect();
        let found = deltas(&window(2880, &minutes));
        let shown: Vec<(u32, String, bool)> = found
            .iter()
            .map(|delta| (delta.minutes, delta.delta.get().to_string(), delta.complete))
            .collect();
        assert_eq!(
            shown,
            [
                (15, "0.3".to_owned(), true),
                (60, "0.4".to_owned(), false),
                (180, "0.4".to_owned(), false)
            ]
        );
    }
}

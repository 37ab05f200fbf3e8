//! How many books of what size the request budget carries. Pure.

use std::time::Duration;

use crate::binance::budget::{HISTORY_SHARE, TRADES_SHARE};

/// Weights of a book by the most levels they pay for.
const WEIGHTS: [(u16, u32); 4] = [(100, 5), (500, 25), (1000, 50), (5000, 250)];

/// Request weight of a book of `limit` levels a side.
pub(crate) fn book_weight(limit: u16) -> u32 {
    let fitting = WEIGHTS.iter().find(|(levels, _)| limit <= *levels);
    fitting.map_or(WEIGHTS[3].1, |(_, weight)| *weight)
}

/// The books that are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BookPlan {
    /// Levels a side.
    pub(crate) limit: u16,
    /// From one to the next.
    pub(crate) interval: Duration,
    /// Why it is less than was configured, in words.
    pub(crate) shortfall: Option<String>,
}

impl BookPlan {
    /// What `per_minute` weight carries of books of `limit` levels every `interval`.
    ///
    /// Trades and history keep their shares. A book that does not fit into the rest is replaced by the largest that
    /// does; books that are too many are taken at a multiple of the interval.
    pub(crate) fn new(limit: u16, interval: Duration, per_minute: u32) -> Self {
        let share = per_minute.saturating_sub(TRADES_SHARE + HISTORY_SHARE);
        let affordable = WEIGHTS.iter().rev().find(|(_, weight)| *weight <= share);
        let most = affordable.map_or(WEIGHTS[0].0, |(levels, _)| *levels);
        let mut plan = Self {
            limit: limit.min(most),
            interval,
            shortfall: None,
        };
        let wanted = plan.weight_per_minute();
        plan.interval = interval.saturating_mul(wanted.div_ceil(share.max(1)).max(1));
        let key = "binance.rate_limit_requests_per_minute";
        if plan.limit < limit {
            plan.shortfall = Some(format!(
                "depth: a book of {limit} levels weighs {}, the budget of {per_minute} a minute leaves {share} for \
                 books: books of {} levels are recorded instead; raise {key} to {} or more",
                book_weight(limit),
                plan.limit,
                book_weight(limit) + TRADES_SHARE + HISTORY_SHARE,
            ));
        } else if plan.interval > interval {
            plan.shortfall = Some(format!(
                "depth: books of {limit} levels every {} s weigh {wanted} a minute, the budget of {per_minute} leaves \
                 {share} for books: one is recorded every {} s; raise {key} to {} or more",
                interval.as_secs_f64(),
                plan.interval.as_secs_f64(),
                wanted + TRADES_SHARE + HISTORY_SHARE,
            ));
        }
        plan
    }

    /// Weight of one.
    pub(crate) fn weight(&self) -> u32 {
        book_weight(self.limit)
    }

    /// Most weight of all that fall into one minute.
    pub(crate) fn weight_per_minute(&self) -> u32 {
        let millis = self.interval.as_millis().max(1);
        let books = u32::try_from(60_000_u128.div_ceil(millis)).unwrap_or(u32::MAX);
        self.weight().saturating_mul(books)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(limit: u16, seconds: u64, per_minute: u32) -> (u16, u64, Option<String>) {
        let plan = BookPlan::new(limit, Duration::from_secs(seconds), per_minute);
        (plan.limit, plan.interval.as_secs(), plan.shortfall)
    }

    #[test]
    fn weights_are_those_of_the_exchanges_table() {
        let limits = [5, 100, 101, 500, 501, 1000, 1001, 5000];
        assert_eq!(limits.map(book_weight), [5, 5, 25, 25, 50, 50, 250, 250]);
    }

    #[test]
    fn what_the_budget_carries_is_taken_as_configured() {
        assert_eq!(plan(5000, 60, 300), (5000, 60, None));
        assert_eq!(plan(5000, 60, 1200), (5000, 60, None));
        assert_eq!(plan(1000, 60, 250), (1000, 60, None));
        assert_eq!(plan(100, 1, 350), (100, 1, None));
    }

    #[test]
    fn a_book_that_does_not_fit_is_replaced_by_the_largest_that_does_and_it_is_said() {
        let (limit, seconds, words) = plan(5000, 60, 250);
        assert_eq!((limit, seconds), (1000, 60));
        let words = words.unwrap();
        assert!(
            words.starts_with(
                "depth: a book of 5000 levels weighs 250, the budget of 250 a minute leaves 200"
            ) && words.contains("1000 levels are recorded instead")
                && words.ends_with("to 300 or more"),
            "{words}"
        );
    }

    #[test]
    fn too_many_books_are_taken_at_a_multiple_of_the_interval_and_it_is_said() {
        let (limit, seconds, words) = plan(5000, 10, 1200);
        assert_eq!((limit, seconds), (5000, 20));
        let words = words.unwrap();
        assert!(
            words.contains("every 10 s weigh 1500 a minute, the budget of 1200 leaves 1150")
                && words.contains("one is recorded every 20 s"),
            "{words}"
        );
        let (limit, seconds, words) = plan(5000, 1, 250);
        assert_eq!((limit, seconds, words.is_some()), (1000, 15, true));
    }
}

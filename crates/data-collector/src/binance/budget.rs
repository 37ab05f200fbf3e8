//! When a request may go out: our own budget, the exchange's counter, and its orders to wait. Pure.
//!
//! The exchange counts weight per address and minute (6000 in 2026) and reports the count with every
//! answer. 429 means stop until `Retry-After`; 418 means banned, and every further request makes it
//! longer. Other programs behind the same address spend from the same account.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Uptime;

/// Span over which our own weight is summed.
const WINDOW: Duration = Duration::from_secs(60);

/// Part of the exchange's limit at which the unimportant requests wait.
const SHARE_FOR_HISTORY: f64 = 0.5;

/// Part of the exchange's limit at which every request waits.
const SHARE_FOR_ALL: f64 = 0.8;

/// Weight kept free of history requests, for one book and the trade stream's questions.
const RESERVE: u32 = 300;

/// Wait after 429 without `Retry-After`, after 418 without one, and after 403.
const DEFAULT_WAITS: (Duration, Duration, Duration) = (
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
);

/// Longest order to wait that is believed: a ban lasts at most three days.
const LONGEST_WAIT: Duration = Duration::from_secs(3 * 86_400);

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Trades that are missing now, and books.
    Live,
    /// Filling the window from history.
    History,
}

/// The account.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    per_minute: u32,
    exchange_limit: u32,
    spent: VecDeque<(Uptime, u32)>,
    sum: u32,
    /// The exchange's own count, and when the minute it belongs to is over.
    reported: Option<(u32, Uptime)>,
    /// No request before this.
    held_until: Uptime,
}

impl Budget {
    /// An account of `per_minute` weight; `exchange_limit` is the exchange's own.
    pub(crate) fn new(per_minute: u32, exchange_limit: u32) -> Self {
        Self {
            per_minute,
            exchange_limit,
            spent: VecDeque::new(),
            sum: 0,
            reported: None,
            held_until: Uptime::ZERO,
        }
    }

    /// Learns the exchange's limit, from its `exchangeInfo`.
    pub(crate) fn set_exchange_limit(&mut self, limit: u32) {
        self.exchange_limit = limit.max(1);
    }

    /// Spends `weight` now, or says how long to wait before asking again.
    pub(crate) fn spend(&mut self, weight: u32, urgency: Urgency, uptime: Uptime) -> Result<(), Duration> {
        let held = self.held_for(uptime);
        if !held.is_zero() {
            return Err(held);
        }
        while let Some((at, old)) = self
            .spent
            .front()
            .copied()
            .filter(|(at, _)| uptime >= *at + WINDOW)
        {
            debug_assert!(at <= uptime);
            self.spent.pop_front();
            self.sum -= old;
        }
        if let Some((count, until)) = self.reported
            && uptime < until
        {
            let share = if urgency == Urgency::Live {
                SHARE_FOR_ALL
            } else {
                SHARE_FOR_HISTORY
            };
            if f64::from(count + weight) > f64::from(self.exchange_limit) * share {
                return Err(until.saturating_sub(uptime));
            }
        }
        let available = match urgency {
            Urgency::Live => self.per_minute,
            // With a small budget history still gets a tenth of it.
            Urgency::History => self.per_minute.saturating_sub(RESERVE).max(self.per_minute / 10),
        };
        // A request heavier than the whole account goes out alone.
        if self.sum > 0 && self.sum + weight > available {
            let mut sum = self.sum;
            for (at, old) in &self.spent {
                sum -= old;
                if sum == 0 || sum + weight <= available {
                    return Err((*at + WINDOW)
                        .saturating_sub(uptime)
                        .max(Duration::from_millis(1)));
                }
            }
        }
        self.spent.push_back((uptime, weight));
        self.sum += weight;
        Ok(())
    }

    /// The exchange's own count for the minute that ends in `minute_left`.
    pub(crate) fn on_reported(&mut self, count: u32, uptime: Uptime, minute_left: Duration) {
        self.reported = Some((count, uptime + minute_left.min(WINDOW)));
    }

    /// An answer that orders a wait. Returns how long all requests are held, if they are.
    pub(crate) fn on_status(
        &mut self,
        status: u16,
        retry_after: Option<Duration>,
        uptime: Uptime,
    ) -> Option<Duration> {
        let wait = match status {
            429 => retry_after.unwrap_or(DEFAULT_WAITS.0),
            418 => retry_after.unwrap_or(DEFAULT_WAITS.1),
            403 => retry_after.unwrap_or(DEFAULT_WAITS.2),
            _ => return None,
        };
        self.hold(wait, uptime);
        Some(wait.min(LONGEST_WAIT))
    }

    /// Holds all requests for `wait`.
    pub(crate) fn hold(&mut self, wait: Duration, uptime: Uptime) {
        self.held_until = self.held_until.max(uptime + wait.min(LONGEST_WAIT));
    }

    /// How long all requests are still held; zero if they are not.
    pub(crate) fn held_for(&self, uptime: Uptime) -> Duration {
        self.held_until.saturating_sub(uptime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Uptime {
        Duration::from_secs(seconds)
    }

    #[test]
    fn history_leaves_room_for_what_is_urgent() {
        let mut budget = Budget::new(1200, 6000);
        let mut pages = 0;
        while budget.spend(4, Urgency::History, at(0)).is_ok() {
            pages += 1;
        }
        assert_eq!(pages, (1200 - RESERVE) / 4);
        assert_eq!(budget.spend(250, Urgency::Live, at(1)), Ok(()));
        assert_eq!(budget.spend(4, Urgency::History, at(1)), Err(at(59)));
        assert_eq!(budget.spend(4, Urgency::History, at(60)), Ok(()));
    }

    #[test]
    fn the_smallest_budget_still_takes_a_book() {
        let mut budget = Budget::new(250, 6000);
        assert_eq!(budget.spend(250, Urgency::Live, at(0)), Ok(()));
        assert_eq!(budget.spend(4, Urgency::Live, at(1)), Err(at(59)));
    }

    #[test]
    fn orders_to_wait_are_obeyed() {
        let mut budget = Budget::new(1200, 6000);
        assert_eq!(budget.on_status(429, Some(at(7)), at(0)), Some(at(7)));
        assert_eq!(budget.spend(1, Urgency::Live, at(3)), Err(at(4)));
        assert_eq!(budget.spend(1, Urgency::Live, at(7)), Ok(()));
        assert_eq!(budget.on_status(418, None, at(8)), Some(at(120)));
        assert_eq!(budget.spend(1, Urgency::Live, at(8)), Err(at(120)));
        assert_eq!(budget.on_status(502, None, at(9)), None);
        assert_eq!(
            budget.on_status(418, Some(at(u64::MAX / 4)), at(9)),
            Some(LONGEST_WAIT)
        );
    }

    #[test]
    fn what_others_behind_the_same_address_spend_counts() {
        let mut budget = Budget::new(1200, 6000);
        budget.on_reported(3000, at(0), at(20));
        assert_eq!(budget.spend(4, Urgency::History, at(0)), Err(at(20)));
        assert_eq!(budget.spend(4, Urgency::Live, at(0)), Ok(()));
        assert_eq!(budget.spend(4, Urgency::History, at(20)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_minute_costs_more_than_the_budget(
            requests in prop::collection::vec((0_u64..3000, 1_u32..260, any::<bool>()), 1..300),
            per_minute in 260_u32..2000,
        ) {
            let (mut budget, mut now, mut sent) = (Budget::new(per_minute, 6000), Uptime::ZERO, Vec::new());
            for (wait_ms, weight, live) in requests {
                now += Duration::from_millis(wait_ms);
                let urgency = if live { Urgency::Live } else { Urgency::History };
                match budget.spend(weight, urgency, now) {
                    Ok(()) => sent.push((now, weight)),
                    Err(wait) => prop_assert!(wait > Duration::ZERO && wait <= WINDOW),
                }
            }
            for (start, _) in &sent {
                let sum: u32 = sent.iter().filter(|(at, _)| *at >= *start && *at < *start + WINDOW).map(|(_, w)| w).sum();
                prop_assert!(sum <= per_minute, "{} in one minute", sum);
            }
        }
    }
}

//! When a request may go out: our own budget, the exchange's counter, and its orders to wait. Pure.
//!
//! The exchange counts weight per address and minute (6000 in 2026) and reports the count with every
//! answer. Other programs behind the same address spend from the same account.
//!
//! Three kinds of requests share our budget. Each has a part that the others cannot take, so none can
//! starve: trades [`TRADES_SHARE`], history [`HISTORY_SHARE`], books the rest. Trades may use whatever is
//! free, until a book or a page of history has waited for a minute; history may use what books leave.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::binance::refusal::{Cause, Order};
use crate::clock::Uptime;

/// Span over which our own weight is summed.
const WINDOW: Duration = Duration::from_secs(60);

/// Part of the exchange's limit, in tenths, at which history waits, and at which every request waits.
const TENTHS: (u32, u32) = (5, 8);

/// Weight a minute that is always there for trades: a quiet market takes five, a page of a gap four.
pub(crate) const TRADES_SHARE: u32 = 30;

/// Weight a minute that is always there for history: five pages.
pub(crate) const HISTORY_SHARE: u32 = 20;

/// After 429 the budget is halved; it regains this part of itself with every minute.
const REGAINED: u32 = 10;

/// A request that waited so long takes what trades use beyond their share.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long requests of a kind may wait before the status says so: trades, books, history.
const SAY_AFTER: [(Urgency, Duration); 3] = [
    (Urgency::Live, Duration::from_secs(10)),
    (Urgency::Book, Duration::from_secs(60)),
    (Urgency::History, Duration::from_secs(180)),
];

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Trades that are missing now, and what is asked to know it.
    Live,
    /// Books.
    Book,
    /// Filling the window from history.
    History,
}

/// A request may not go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// When to ask again. For an order of the exchange: its end.
    pub(crate) wait: Duration,
    /// The order, if it is one.
    pub(crate) order: Option<Cause>,
}

/// The account.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    per_minute: u32,
    exchange_limit: u32,
    /// Weight of one book and of the books of a minute.
    book: u32,
    books: u32,
    spent: VecDeque<(Uptime, u32, Urgency)>,
    sums: [u32; 3],
    /// Since when requests of a kind wait.
    waiting: [Option<Uptime>; 3],
    /// The exchange's own count, and when the minute it belongs to is over.
    reported: Option<(u32, Uptime)>,
    /// No request before these.
    held: BTreeMap<Cause, Uptime>,
    /// After 429: from when on the budget grows again, and from what.
    slowed: Option<(Uptime, u32)>,
}

impl Budget {
    /// An account of `per_minute` weight; `exchange_limit` is the exchange's own.
    pub(crate) fn new(per_minute: u32, exchange_limit: u32) -> Self {
        Self {
            per_minute,
            exchange_limit,
            book: 0,
            books: 0,
            spent: VecDeque::new(),
            sums: [0; 3],
            waiting: [None; 3],
            reported: None,
            held: BTreeMap::new(),
            slowed: None,
        }
    }

    /// Learns the exchange's limit, from its `exchangeInfo`.
    pub(crate) fn set_exchange_limit(&mut self, limit: u32) {
        self.exchange_limit = limit.max(1);
    }

    /// Learns the weight of one book and of all books of a minute.
    pub(crate) fn plan_books(&mut self, book: u32, books: u32) {
        (self.book, self.books) = (book, books.max(book));
    }

    /// What may be spent in a minute now.
    fn allowance(&self, uptime: Uptime) -> u32 {
        let full = self.per_minute.min(self.exchange_limit / 10 * TENTHS.1).max(1);
        let Some((since, base)) = self.slowed else {
            return full;
        };
        let minutes = u32::try_from(uptime.saturating_sub(since).as_secs() / 60).unwrap_or(u32::MAX);
        let regained = base.saturating_add((full / REGAINED).max(1).saturating_mul(minutes));
        // One book and the shares of the others must always fit.
        regained.max(self.book + TRADES_SHARE + HISTORY_SHARE).min(full)
    }

    /// Spends `weight` now, or says how long to wait before asking again.
    pub(crate) fn spend(&mut self, weight: u32, urgency: Urgency, uptime: Uptime) -> Result<(), Refused> {
        if let Some((cause, wait)) = self.held(uptime) {
            return Err(Refused {
                wait,
                order: Some(cause),
            });
        }
        self.forget_old(uptime);
        let wait = self
            .reported_wait(weight, urgency, uptime)
            .or_else(|| self.own_wait(weight, urgency, uptime));
        if let Some(wait) = wait {
            self.waiting[urgency as usize].get_or_insert(uptime);
            let wait = wait.max(Duration::from_millis(10));
            return Err(Refused { wait, order: None });
        }
        self.waiting[urgency as usize] = None;
        self.spent.push_back((uptime, weight, urgency));
        self.sums[urgency as usize] += weight;
        Ok(())
    }

    /// Weight a minute that history may spend in the long run, while books and trades take their parts.
    pub(crate) fn history_share(&self, uptime: Uptime) -> u32 {
        let others = self.allowance(uptime).saturating_sub(TRADES_SHARE);
        let share = others.saturating_sub(self.books).max(HISTORY_SHARE);
        share.min(self.exchange_limit / 10 * TENTHS.0).max(1)
    }

    /// Who waited for room does not wait any more.
    pub(crate) fn abandon(&mut self, urgency: Urgency) {
        self.waiting[urgency as usize] = None;
    }

    fn forget_old(&mut self, uptime: Uptime) {
        while let Some((_, old, urgency)) = self
            .spent
            .front()
            .copied()
            .filter(|(at, ..)| uptime >= *at + WINDOW)
        {
            self.spent.pop_front();
            self.sums[urgency as usize] -= old;
        }
    }

    /// The exchange's count forbids it.
    fn reported_wait(&self, weight: u32, urgency: Urgency, uptime: Uptime) -> Option<Duration> {
        let (count, until) = self.reported.filter(|(_, until)| uptime < *until)?;
        let tenths = if urgency == Urgency::History {
            TENTHS.0
        } else {
            TENTHS.1
        };
        let allowed = u64::from(self.exchange_limit) * u64::from(tenths);
        let count = (u64::from(count) + u64::from(weight)) * 10;
        (count > allowed).then(|| until.saturating_sub(uptime))
    }

    /// Our own budget forbids it.
    fn own_wait(&self, weight: u32, urgency: Urgency, uptime: Uptime) -> Option<Duration> {
        let allowance = self.allowance(uptime);
        let [live, book, history] = self.sums;
        // A request heavier than what it may have at all goes out alone.
        let (oldest, ..) = self.spent.front()?;
        let others = allowance.saturating_sub(TRADES_SHARE);
        let books = others.saturating_sub(HISTORY_SHARE);
        let impatient =
            |kind: Urgency| self.waiting[kind as usize].is_some_and(|since| uptime >= since + PATIENCE);
        let within_its_part = match urgency {
            Urgency::Live => {
                let narrow = impatient(Urgency::Book) || impatient(Urgency::History);
                !narrow || live + weight <= TRADES_SHARE
            }
            Urgency::Book => book + weight <= books && book + history + weight <= others,
            Urgency::History => {
                let free = if impatient(Urgency::Book) {
                    0
                } else {
                    others.saturating_sub(self.books)
                };
                history + weight <= free.max(HISTORY_SHARE) && book + history + weight <= others
            }
        };
        let fits = within_its_part && live + book + history + weight <= allowance;
        (!fits).then(|| (*oldest + WINDOW).saturating_sub(uptime))
    }

    /// The exchange's own count for the minute that ends in `minute_left`.
    pub(crate) fn on_reported(&mut self, count: u32, uptime: Uptime, minute_left: Duration) {
        self.reported = Some((count, uptime + minute_left.min(WINDOW)));
    }

    /// Obeys an order. Returns true if it goes beyond what was in force.
    pub(crate) fn hold(&mut self, order: Order, uptime: Uptime) -> bool {
        let until = uptime + order.wait;
        if order.cause == Cause::TooManyRequests && !self.is_held_by(order.cause, uptime) {
            let half = self.allowance(uptime) / 2;
            self.slowed = Some((until, half));
        }
        let held = self.held.entry(order.cause).or_insert(Uptime::ZERO);
        let longer = until > *held;
        *held = until.max(*held);
        longer
    }

    /// The order that is in force longest, and how long.
    pub(crate) fn held(&self, uptime: Uptime) -> Option<(Cause, Duration)> {
        let left = |(cause, until): (&Cause, &Uptime)| (until.saturating_sub(uptime), *cause);
        let (wait, cause) = self.held.iter().map(left).max()?;
        (!wait.is_zero()).then_some((cause, wait))
    }

    /// True while an order of this cause is in force.
    pub(crate) fn is_held_by(&self, cause: Cause, uptime: Uptime) -> bool {
        self.held.get(&cause).is_some_and(|until| uptime < *until)
    }

    /// How long a ban is still in force.
    pub(crate) fn banned_for(&self, uptime: Uptime) -> Duration {
        let until = self.held.get(&Cause::Banned).copied().unwrap_or_default();
        until.saturating_sub(uptime)
    }

    /// What waits longer than it should, in words.
    pub(crate) fn notices(&self, uptime: Uptime) -> Vec<String> {
        let mut notices = Vec::new();
        for (kind, patience) in SAY_AFTER {
            let Some(since) = self.waiting[kind as usize].filter(|since| uptime > *since + patience) else {
                continue;
            };
            let what = match kind {
                Urgency::Live => "trades",
                Urgency::Book => "books",
                Urgency::History => "history",
            };
            let seconds = uptime.saturating_sub(since).as_secs();
            let others = self.reported.filter(|(count, until)| {
                uptime < *until && u64::from(*count) > u64::from(self.sums.iter().sum::<u32>())
            });
            notices.push(match others {
                Some((count, _)) => format!(
                    "rest: requests for {what} wait since {seconds} s: this address has spent {count} of the \
                     exchange's {} this minute, other programs included",
                    self.exchange_limit
                ),
                None => format!(
                    "rest: requests for {what} wait since {seconds} s for room in the budget of {} a minute",
                    self.allowance(uptime)
                ),
            });
        }
        notices
    }
}

#[cfg(test)]
mod tests;

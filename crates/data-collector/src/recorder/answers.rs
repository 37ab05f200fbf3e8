//! What REST is asked, and what its answers mean. Pure.

use std::time::Duration;

use strategy_core::time::ExchangeMs;

use super::settling::REST_TRAILS_BY_MS;
use super::{Effect, Question, REBASE_IDS, RESET_AFTER_MS, Recorder};
use crate::binance::parse::TradeRow;
use crate::chain::{JUMP_LIMIT, Link};
use crate::clock::Uptime;

/// Silence of the trade stream after which REST is asked for the newest id.
const SILENCE: Duration = Duration::from_secs(30);

/// Trades this shortly after the opening of a stream may have been made before it was listening.
const STREAM_START_MS: i64 = 2_000;

/// How far a trade's time may be ahead of the exchange's clock.
const PLAUSIBLE_AHEAD_MS: i64 = 3_600_000;

impl Recorder {
    /// What REST is to be asked now. After a question the answer must be passed in before the next one.
    pub(crate) fn question(&self, uptime: Uptime) -> Option<Question> {
        if self.newest_wanted && self.newest.is_due(uptime) {
            return Some(Question::Newest);
        }
        let reads = self.chain.has_gap() || (!self.connected && !self.chain.is_unstarted());
        if reads && self.page.is_due(uptime) {
            return Some(Question::Page {
                from: self.chain.next(),
                settled: self.clock.now(uptime).map_or(0, |now| self.settling.settled(now)),
            });
        }
        let now = self.clock.now(uptime)?;
        // With a gap the pages settle it.
        let over = self.ledger.open_from().end_ms().saturating_add(REST_TRAILS_BY_MS);
        let quiet = !self.chain.has_gap() && now >= over && self.newest.is_due(uptime);
        let silent = uptime >= self.last_row.max(self.newest.when()) + SILENCE;
        (quiet || silent).then_some(Question::Newest)
    }

    /// The answer to [`Question::Page`], whose fields are `from` and `settled`.
    pub(crate) fn on_page(
        &mut self,
        from: u64,
        settled: u64,
        mut rows: Vec<TradeRow>,
        uptime: Uptime,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(now) = self.clock.now(uptime) {
            let absurd = doubt_future(&mut rows, now);
            if absurd > 0 {
                // The error may be in our clock.
                self.counts.rejected_rows += absurd;
                self.ask_newest(uptime);
            }
        }
        let mut links = std::mem::take(&mut self.links);
        let outcome = self.chain.offer_page(from, settled, &rows, &mut links);
        let repaired = links
            .iter()
            .filter(|link| matches!(link, Link::Row(TradeRow::Trade(_))))
            .count();
        self.counts.repaired_trades += repaired as u64;
        self.let_out(&mut links, effects);
        links.clear();
        self.links = links;
        if outcome.moved {
            self.stuck_since = None;
            self.page.reset();
        }
        match (outcome.stopped_at, self.clock.now(uptime)) {
            (Some(id), Some(now)) => {
                self.settling.note(self.chain.highest().unwrap_or(id), now);
                let settled = Duration::from_millis(self.settling.settled_in(id, now));
                self.page.again_within(settled, uptime);
            }
            // While no stream is open and all is read, the next look can wait.
            _ if !self.chain.has_gap() => self.page.answered(uptime),
            _ if outcome.moved => self.page.at_once(uptime),
            _ => self.page.again_later(uptime),
        }
    }

    /// The answer to [`Question::Newest`]: the exchange's time, and its newest id and trade time.
    pub(crate) fn on_newest(
        &mut self,
        time: ExchangeMs,
        newest: Option<(u64, ExchangeMs)>,
        uptime: Uptime,
        effects: &mut Vec<Effect>,
    ) {
        self.clock.set(time, uptime);
        self.newest_wanted = false;
        self.newest.again_later(uptime);
        let Some((id, traded_at)) = newest else { return };
        if self.chain.is_unstarted() {
            // The market has started to trade: the first trade is found by a new beginning.
            self.rebase = true;
            return;
        }
        let next = self.chain.next();
        if id >= next.saturating_add(REBASE_IDS.min(JUMP_LIMIT)) {
            self.rebase = true;
        } else if id >= next {
            if !self.chain.has_gap() {
                self.page.at_once(uptime);
                self.counts.gaps += u64::from(self.connected);
            }
            self.chain.announce(id);
            // Only a trade made while the stream was open is one that it should have delivered.
            let expected = self.connected && traded_at > self.connected_at + STREAM_START_MS;
            if expected
                && self
                    .unseen
                    .is_none_or(|(unseen, _)| self.stream_highest >= Some(unseen))
            {
                self.unseen = Some((id, uptime));
            }
        } else if id + 1 == next {
            self.newest.reset();
            self.seal_quiet(time, effects);
        } else if traded_at > self.ledger.newest() + RESET_AFTER_MS {
            // Lower ids, later trades: the exchange restarted its ids.
            self.rebase = true;
        }
        // Otherwise REST is behind the stream; a later look will settle it.
    }

    /// A question brought no usable answer; it is put again later.
    pub(crate) fn on_no_answer(&mut self, question: Question, uptime: Uptime) {
        match question {
            Question::Page { .. } => self.page.again_later(uptime),
            Question::Newest => self.newest.again_later(uptime),
        }
    }
}

/// Turns trades of the far future into rows that cannot be read, and says how many there were.
pub(crate) fn doubt_future(rows: &mut [TradeRow], now: ExchangeMs) -> u64 {
    let limit = now.saturating_add(PLAUSIBLE_AHEAD_MS);
    let mut doubted = 0;
    for row in rows {
        if let TradeRow::Trade(trade) = row
            && trade.traded_at > limit
        {
            *row = TradeRow::Unreadable { id: trade.id };
            doubted += 1;
        }
    }
    doubted
}

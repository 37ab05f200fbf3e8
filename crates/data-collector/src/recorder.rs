//! What the stream and REST say, to minutes that are published once they are whole. Pure.
//!
//! The recorder joins the id chain, the ledger of minutes and the exchange's clock. The task around it
//! moves bytes: it passes every row on, puts the recorder's questions to REST, and carries its effects out.
//! A minute that cannot be finished in time is published as incomplete and again when it is whole.

mod answers;
mod asking;
mod counting;
mod gap;
mod settling;
mod values;

use std::collections::VecDeque;
use std::time::Duration;

use strategy_core::model::{AggTrade, IdRange, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price};
use strategy_core::time::{ExchangeMs, Minute};

use crate::binance::parse::TradeRow;
use crate::chain::{IdChain, Link, Offer};
use crate::clock::{ExchangeClock, Uptime};
use crate::minutes::MinuteLedger;

pub(crate) use self::answers::doubt_future;
use self::asking::Due;
use self::settling::{REST_TRAILS_BY_MS, Settling};
pub(crate) use self::values::{Anchor, Effect, Question, Reach, RecorderCounts};

/// How long after its end a minute that is not whole is published as incomplete.
const OVERDUE_MS: i64 = 4_500;

/// How long the stream may lack a trade that REST already has.
const MUTE_AFTER: Duration = Duration::from_secs(5);

/// More missing trades than this are not read one after the other: the current minute starts anew and the
/// history is filled newest first.
pub(crate) const REBASE_IDS: u64 = 50_000;

/// How far a trade of the stream may be from the price before it without being asked for again. The
/// greatest real jump known of this market was 13 %.
const PLAUSIBLE_PRICE_FACTOR: u32 = 5;

/// Missing ids that are remembered, in case one comes all the same.
const HOLES_KEPT: usize = 64;

/// How much later than the newest trade a lower id must be to look like a fresh start of the ids.
const RESET_AFTER_MS: i64 = 60_000;

/// Most minutes published as incomplete at one step.
const OVERDUE_AT_ONCE: usize = 240;

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    clock: ExchangeClock,
    chain: IdChain,
    ledger: MinuteLedger,
    counts: RecorderCounts,
    connected: bool,
    /// The exchange's time when the present stream was opened.
    connected_at: ExchangeMs,
    /// Highest id the stream itself delivered.
    stream_highest: Option<u64>,
    last_row: Uptime,
    /// An id REST has and the stream does not, and since when.
    unseen: Option<(u64, Uptime)>,
    /// Minutes before this one were published as incomplete.
    overdue_until: Minute,
    page: Due,
    newest: Due,
    newest_wanted: bool,
    settling: Settling,
    /// Since when nothing has come for the gap; `None` without one.
    stuck_since: Option<Uptime>,
    rebase: bool,
    /// Price of the last trade let out.
    last_price: Option<Price>,
    /// The last ids the exchange did not have.
    holes: VecDeque<IdRange>,
    /// The highest id that is known to exist and the latest trade time.
    head: Option<(u64, ExchangeMs)>,
    known_last: Option<u64>,
    links: Vec<Link>,
}

impl Recorder {
    /// Begins without an anchor, because REST does not answer: at the first trade of the stream. What was
    /// before it is history to be asked for later.
    pub(crate) fn unanchored(width: BucketWidth, max_levels: usize, uptime: Uptime, connected: bool) -> Self {
        let first = Minute::EPOCH;
        let anchor = Anchor {
            time: 0,
            first,
            next_id: None,
            newest: None,
            known_last: None,
        };
        let clock = ExchangeClock::default();
        Self {
            clock,
            ..Self::new(anchor, width, max_levels, uptime, connected)
        }
    }

    /// Begins at an anchor. `connected` says whether a stream is open.
    pub(crate) fn new(
        anchor: Anchor,
        width: BucketWidth,
        max_levels: usize,
        uptime: Uptime,
        connected: bool,
    ) -> Self {
        let mut clock = ExchangeClock::default();
        clock.set(anchor.time, uptime);
        let mut settling = Settling::default();
        if let Some((newest, _)) = anchor.newest {
            settling.note(newest, anchor.time);
        }
        Self {
            clock,
            chain: anchor
                .next_id
                .map_or_else(IdChain::unstarted, IdChain::starting_at),
            ledger: MinuteLedger::starting_at(anchor.first, width, max_levels),
            counts: RecorderCounts::default(),
            connected,
            connected_at: anchor.time,
            stream_highest: None,
            last_row: uptime,
            unseen: None,
            overdue_until: anchor.first,
            page: Due::at(uptime),
            newest: Due::at(uptime),
            newest_wanted: true,
            settling,
            stuck_since: None,
            rebase: false,
            last_price: None,
            holes: VecDeque::new(),
            head: anchor.newest,
            known_last: anchor.known_last,
            links: Vec::new(),
        }
    }

    /// Begins anew at another anchor, keeping the counters. What was unfinished comes out as incomplete.
    pub(crate) fn rebase(
        &mut self,
        anchor: Anchor,
        width: BucketWidth,
        max_levels: usize,
        uptime: Uptime,
    ) -> Vec<Effect> {
        let effects = self.finish();
        if self.chain.has_gap() {
            self.counts.leave_gaps();
        }
        let counts = self.counts;
        *self = Self {
            counts,
            ..Self::new(anchor, width, max_levels, uptime, self.connected)
        };
        effects
    }

    /// True when the chain must begin anew: too much is missing, or the exchange restarted its ids.
    pub(crate) fn wants_rebase(&self) -> bool {
        self.rebase
    }

    /// Counters since the start.
    pub(crate) fn counts(&self) -> RecorderCounts {
        self.counts
    }

    /// First minute that is not history yet: it is unfinished here, or not over for so long that REST knows
    /// all its trades.
    pub(crate) fn history_until(&self, uptime: Uptime) -> Minute {
        let over = self.clock.now(uptime).unwrap_or(ExchangeMs::MIN);
        let over = Minute::containing(over.saturating_sub(REST_TRAILS_BY_MS));
        over.map_or(self.ledger.open_from(), |over| over.min(self.ledger.open_from()))
    }

    /// How far the recording is.
    pub(crate) fn reach(&self, uptime: Uptime) -> Reach {
        Reach {
            history_until: self.history_until(uptime),
            head: self.head(),
            now: self.now(uptime),
        }
    }

    /// Minute of the exchange now, by its clock and its trades; `None` until it has been heard.
    pub(crate) fn now(&self, uptime: Uptime) -> Option<Minute> {
        let clock = self.clock.now(uptime)?;
        let traded = self.head.map_or(clock, |(_, traded_at)| traded_at);
        Minute::containing(clock.max(traded)).ok()
    }

    /// Highest id let out through an unbroken chain; `None` before the first.
    pub(crate) fn last_id(&self) -> Option<u64> {
        (self.counts.trades + self.counts.dead_rows > 0).then(|| self.chain.next().saturating_sub(1))
    }

    /// The highest id that is known to exist, and the latest trade time that was seen.
    pub(crate) fn head(&self) -> Option<(u64, ExchangeMs)> {
        self.head
    }

    /// True while a trade is known to exist that was not counted.
    pub(crate) fn has_gap(&self) -> bool {
        self.chain.has_gap()
    }

    /// A stream was opened, or the last one ended.
    pub(crate) fn on_connection(&mut self, connected: bool, uptime: Uptime) {
        if connected && !self.connected {
            // What happened meanwhile is asked for once the stream is open, so that nothing falls between.
            self.newest_wanted = true;
            self.newest.at_once(uptime);
            self.last_row = uptime;
            self.connected_at = self.clock.now(uptime).unwrap_or(self.connected_at);
        }
        self.connected = connected;
        self.unseen = None;
    }

    /// True when the stream lacks trades that REST has had for a while.
    pub(crate) fn stream_is_mute(&self, uptime: Uptime) -> bool {
        self.connected
            && self.unseen.is_some_and(|(id, since)| {
                self.stream_highest.is_none_or(|highest| highest < id) && uptime > since + MUTE_AFTER
            })
    }

    /// Takes one row of the stream.
    pub(crate) fn on_row(
        &mut self,
        row: TradeRow,
        sent_at: ExchangeMs,
        uptime: Uptime,
        effects: &mut Vec<Effect>,
    ) {
        self.last_row = uptime;
        let from_present = self.clock.observe(sent_at, uptime);
        if !from_present || !self.is_plausible(&row) {
            // A clock error of ours or a false frame: the exchange is asked for its time, and for the row.
            self.counts.rejected_rows += 1;
            self.chain.announce(row.id());
            self.page.at_once(uptime);
            if !from_present {
                self.ask_newest(uptime);
            }
            return;
        }
        if let (true, TradeRow::Trade(trade)) = (self.chain.is_unstarted(), row)
            && let Ok(minute) = Minute::containing(trade.traded_at)
        {
            // The first trade, and REST knew of none. What was before it is history to be asked for, and so is
            // its minute, of which the beginning may be missing; the minutes after it are whole.
            let begun = self.ledger.open_from();
            let mut earlier = if begun == Minute::EPOCH { minute } else { begun };
            for _ in 0..OVERDUE_AT_ONCE {
                if earlier >= minute {
                    break;
                }
                effects.push(Effect::Invalidate(earlier));
                earlier = earlier.next();
            }
            self.ledger.skip_to(minute);
            self.ledger.spoil(minute);
        }
        if let TradeRow::Trade(trade) = &row
            && self.chain.pass(trade.id)
        {
            self.stream_highest = self.stream_highest.max(Some(trade.id));
            self.count_alone(trade, effects);
            return;
        }
        let had_gap = self.chain.has_gap();
        let mut links = std::mem::take(&mut self.links);
        match self.chain.offer(row, &mut links) {
            Offer::Next => {
                self.stream_highest = self.stream_highest.max(Some(row.id()));
                self.let_out(&mut links, effects);
            }
            Offer::Duplicate => {
                self.counts.duplicates += 1;
                self.mend_hole(row, effects);
                let later = |trade: AggTrade| trade.traded_at > self.ledger.newest() + RESET_AFTER_MS;
                if matches!(row, TradeRow::Trade(trade) if later(trade)) {
                    self.ask_newest(uptime);
                }
            }
            Offer::Ahead => {
                self.stream_highest = self.stream_highest.max(Some(row.id()));
                if !had_gap {
                    self.counts.gaps += 1;
                    self.page.at_once(uptime);
                }
            }
            Offer::Overflow => {
                self.go_on_behind_gap(uptime, effects);
                self.stream_highest = self.stream_highest.max(Some(row.id()));
                self.chain.offer(row, &mut links);
                self.let_out(&mut links, effects);
            }
            Offer::Jump => {
                self.counts.rejected_rows += 1;
                self.ask_newest(uptime);
            }
        }
        links.clear();
        self.links = links;
    }

    /// Time has passed.
    pub(crate) fn on_tick(&mut self, uptime: Uptime, effects: &mut Vec<Effect>) {
        let Some(now) = self.clock.now(uptime) else { return };
        if let Some(highest) = self.chain.highest() {
            self.settling.note(highest, now);
        }
        if self.ledger.open_from() == Minute::EPOCH {
            // Begun without an anchor, and no trade has come: which minutes are ours is not known yet.
            return;
        }
        self.look_at_gap(uptime, effects);
        let sealed = self.ledger.seal_passed(now);
        self.publish_sealed(sealed, effects);
        self.overdue_until = self.overdue_until.max(self.ledger.open_from());
        let overdue = Minute::containing(now.saturating_sub(OVERDUE_MS)).unwrap_or(self.overdue_until);
        for _ in 0..OVERDUE_AT_ONCE {
            if self.overdue_until >= overdue {
                break;
            }
            effects.push(Effect::Publish(self.provisional(self.overdue_until)));
            self.counts.minutes_incomplete += 1;
            self.overdue_until = self.overdue_until.next();
        }
    }

    /// What is known of the unfinished minutes, for the moment the program stops.
    pub(crate) fn finish(&self) -> Vec<Effect> {
        self.ledger
            .unfinished()
            .into_iter()
            .map(|minute| Effect::Publish(self.provisional(minute)))
            .collect()
    }

    fn provisional(&self, minute: Minute) -> MinuteFootprint {
        let waiting = self.chain.waiting().filter_map(trade_of);
        self.ledger.provisional(minute, waiting)
    }

    /// The exchange has no trade that was not let out, as of its time `time`.
    fn seal_quiet(&mut self, time: ExchangeMs, effects: &mut Vec<Effect>) {
        let end = Minute::containing(time.saturating_sub(REST_TRAILS_BY_MS));
        let sealed = end.map(|end| self.ledger.seal_before(end)).unwrap_or_default();
        self.publish_sealed(sealed, effects);
    }

    fn publish_sealed(&mut self, sealed: Vec<MinuteFootprint>, effects: &mut Vec<Effect>) {
        self.counts.minutes_complete += sealed.len() as u64;
        effects.extend(sealed.into_iter().map(Effect::Publish));
    }

    /// A trade that REST twice did not have came all the same: its minute is asked for again.
    fn mend_hole(&mut self, row: TradeRow, effects: &mut Vec<Effect>) {
        let within = |hole: &IdRange| (hole.first..=hole.last).contains(&row.id());
        if let (TradeRow::Trade(trade), true) = (row, self.holes.iter().any(within))
            && let Ok(minute) = Minute::containing(trade.traded_at)
        {
            self.counts.invalidated_minutes += 1;
            self.ledger.spoil(minute);
            effects.push(Effect::Invalidate(minute));
        }
    }

    /// False for a price so far from the last one that REST must confirm it.
    fn is_plausible(&self, row: &TradeRow) -> bool {
        let (TradeRow::Trade(trade), Some(last)) = (row, self.last_price) else {
            return true;
        };
        trade.price.is_within(PLAUSIBLE_PRICE_FACTOR, last)
    }

    fn ask_newest(&mut self, uptime: Uptime) {
        self.newest_wanted = true;
        self.newest.not_before(uptime);
    }
}

fn trade_of(row: &TradeRow) -> Option<&AggTrade> {
    match row {
        TradeRow::Trade(trade) => Some(trade),
        TradeRow::Dead { .. } | TradeRow::Unreadable { .. } => None,
    }
}

#[cfg(test)]
mod tests;

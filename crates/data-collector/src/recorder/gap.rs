//! A gap that REST does not fill. Pure.

use std::time::Duration;

use strategy_core::time::Minute;

use super::{Effect, Recorder, trade_of};
use crate::chain::IdChain;
use crate::clock::Uptime;

/// How long nothing may come from REST for a gap before recording goes on behind it with the stream alone.
const GAP_PATIENCE: Duration = Duration::from_secs(60);

impl Recorder {
    /// A gap for which nothing comes must not keep the stream's whole minutes back for ever.
    pub(super) fn look_at_gap(&mut self, uptime: Uptime, effects: &mut Vec<Effect>) {
        if !self.chain.has_gap() {
            self.stuck_since = None;
            self.counts.no_gap();
            return;
        }
        let since = *self.stuck_since.get_or_insert(uptime);
        if self.connected && uptime >= since + GAP_PATIENCE {
            self.go_on_behind_gap(uptime, effects);
        }
    }

    /// Leaves the gap, and what waits behind it, to the history: the chain begins anew with the next row of
    /// the stream, and with the minute after that row's the minutes are whole again.
    pub(super) fn go_on_behind_gap(&mut self, uptime: Uptime, effects: &mut Vec<Effect>) {
        effects.extend(self.finish());
        self.counts.leave_gaps();
        let behind = self.chain.highest().map_or(0, |highest| highest + 1);
        self.counts.left_to_history += behind.saturating_sub(self.chain.next());
        let left = std::mem::replace(&mut self.chain, IdChain::starting_at(behind));
        let latest = left
            .waiting()
            .filter_map(trade_of)
            .map(|trade| trade.traded_at)
            .max();
        self.head = self
            .head
            .map(|(id, at)| (id.max(behind.saturating_sub(1)), at.max(latest.unwrap_or(at))));
        let now = self.now(uptime).unwrap_or(self.ledger.open_from());
        self.ledger.skip_to(now);
        self.ledger.spoil(now);
        for trade in left.waiting().filter_map(trade_of) {
            // Shown until the minute is read anew; one that cannot be counted is missing like the others.
            if Minute::containing(trade.traded_at) == Ok(now) && self.ledger.add(trade, now).is_err() {
                break;
            }
        }
        self.stuck_since = None;
        tracing::warn!(minute = %now, "rest does not fill a gap: recording goes on behind it, what is missing is history");
    }
}

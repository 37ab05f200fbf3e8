//! What the chain lets out goes into its minute. Pure.

use strategy_core::model::AggTrade;
use strategy_core::time::Minute;

use super::{Effect, HOLES_KEPT, Recorder};
use crate::binance::parse::TradeRow;
use crate::chain::Link;
use crate::minutes::Placed;

impl Recorder {
    /// Counts what was let out together. A finished minute that gained trades is published once.
    pub(super) fn let_out(&mut self, links: &mut Vec<Link>, effects: &mut Vec<Effect>) {
        let mut amended: Option<Minute> = None;
        for link in links.drain(..) {
            match link {
                Link::Hole(hole) => {
                    self.counts.hole_ids += hole.count();
                    self.ledger.note_hole(hole);
                    self.holes.push_back(hole);
                    if self.holes.len() > HOLES_KEPT {
                        self.holes.pop_front();
                    }
                }
                Link::Unreadable { id } | Link::Row(TradeRow::Unreadable { id }) => {
                    self.counts.unreadable_rows += 1;
                    tracing::warn!(
                        trade.id = id,
                        "the exchange shows a row that is no trade: its minute is incomplete"
                    );
                    self.ledger.spoil_here();
                }
                Link::Row(TradeRow::Dead { .. }) => self.counts.dead_rows += 1,
                Link::Row(TradeRow::Trade(trade)) => {
                    let gained = self.count(&trade, effects);
                    if let (Some(gained), Some(other)) = (gained, amended)
                        && gained != other
                    {
                        effects.push(Effect::Publish(self.ledger.published(other)));
                    }
                    amended = gained.or(amended);
                }
            }
        }
        if let Some(minute) = amended {
            effects.push(Effect::Publish(self.ledger.published(minute)));
        }
    }

    /// Counts a trade that was let out alone, as nearly all are.
    pub(super) fn count_alone(&mut self, trade: &AggTrade, effects: &mut Vec<Effect>) {
        if let Some(minute) = self.count(trade, effects) {
            effects.push(Effect::Publish(self.ledger.published(minute)));
        }
    }

    /// Counts one trade. Returns the finished minute that it was added to, if it was one.
    fn count(&mut self, trade: &AggTrade, effects: &mut Vec<Effect>) -> Option<Minute> {
        self.counts.trades += 1;
        self.last_price = Some(trade.price);
        let (highest, latest) = self.head.unwrap_or((trade.id, trade.traded_at));
        self.head = Some((highest.max(trade.id), latest.max(trade.traded_at)));
        // The parser admits only times that have a minute.
        let minute = Minute::containing(trade.traded_at).ok()?;
        match self.ledger.add(trade, minute) {
            Ok(Placed::Open) => {}
            // The minute was published as incomplete, and read anew it may lack this very trade.
            Ok(Placed::Amended(minute)) if self.ledger.is_spoiled(minute) => {
                effects.push(Effect::Invalidate(minute));
            }
            Ok(Placed::Amended(minute)) => {
                self.counts.amended_minutes += 1;
                return Some(minute);
            }
            Ok(Placed::TooOld(_)) if self.known_last.is_some_and(|known| trade.id <= known) => {}
            Ok(Placed::TooOld(minute)) => {
                self.counts.invalidated_minutes += 1;
                effects.push(Effect::Invalidate(minute));
            }
            Err(error) => {
                // Absurd amounts only. The minute cannot be whole without this trade.
                self.counts.rejected_rows += 1;
                tracing::error!(
                    trade.id = trade.id,
                    error = &error as &dyn std::error::Error,
                    "a trade could not be counted"
                );
                self.ledger.spoil(minute);
                effects.push(Effect::Invalidate(minute));
            }
        }
        None
    }
}

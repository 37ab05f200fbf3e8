//! One snapshot of the order book.

use chrono::{DateTime, Utc};

use crate::num::{Price, Quantity, is_worth_more};
use crate::symbol::Symbol;

/// Most levels a side may have; the exchange cuts a snapshot there.
pub(crate) const MAX_LEVELS: usize = 5000;

/// Most quote currency one level may be worth: thousands of times the largest ever seen.
const MAX_NOTIONAL: u64 = 1_000_000_000_000;

/// Resting quantity at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthLevel {
    /// Price of the resting orders.
    pub price: Price,
    /// Their total, in base units; greater than zero.
    pub quantity: Quantity,
}

/// The order book of one moment, truncated by the exchange to at most 5000 levels a side.
///
/// Valid by construction: bids fall, asks rise, no price twice, every quantity above zero, best bid below
/// best ask, at least one level in all. A side may be empty. The far end of a side is where the snapshot
/// was cut, not where liquidity ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthSnapshot {
    symbol: Symbol,
    received_at: DateTime<Utc>,
    last_update_id: u64,
    bids: Vec<DepthLevel>,
    asks: Vec<DepthLevel>,
}

/// Why a book is not a valid snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DepthError {
    /// Neither side has a level.
    #[error("the book is empty")]
    Empty,
    /// A side has more levels than can be asked for.
    #[error("a side has {0} levels, more than 5000")]
    TooManyLevels(usize),
    /// A level without quantity.
    #[error("the level at {0} has no quantity")]
    NoQuantity(Price),
    /// More money at one price than there is in the market.
    #[error("the level at {0} is worth more than {MAX_NOTIONAL}")]
    Absurd(Price),
    /// Bids that do not fall or asks that do not rise.
    #[error("the {side} side is out of order at {price}")]
    OutOfOrder {
        /// `bid` or `ask`.
        side: &'static str,
        /// First price that is out of order.
        price: Price,
    },
    /// Best bid at or above best ask.
    #[error("the book is crossed: best bid {bid}, best ask {ask}")]
    Crossed {
        /// Highest bid.
        bid: Price,
        /// Lowest ask.
        ask: Price,
    },
}

impl DepthSnapshot {
    /// Checks a book and keeps it.
    ///
    /// `received_at` is when the answer arrived, by the local clock: the exchange's answer has no time.
    ///
    /// # Errors
    /// The first [`DepthError`] found.
    pub fn new(
        symbol: Symbol,
        received_at: DateTime<Utc>,
        last_update_id: u64,
        bids: Vec<DepthLevel>,
        asks: Vec<DepthLevel>,
    ) -> Result<Self, DepthError> {
        if bids.is_empty() && asks.is_empty() {
            return Err(DepthError::Empty);
        }
        let longest = bids.len().max(asks.len());
        if longest > MAX_LEVELS {
            return Err(DepthError::TooManyLevels(longest));
        }
        // In one pass, as nearly every book is sound; what is wrong with one that is not, is looked for thereafter.
        let is_sound = are_sound(&bids, |nearer, farther| nearer > farther)
            && are_sound(&asks, |nearer, farther| nearer < farther);
        if !is_sound {
            wrong_level(&bids, &asks)?;
        }
        if let (Some(bid), Some(ask)) = (bids.first(), asks.first())
            && bid.price >= ask.price
        {
            return Err(DepthError::Crossed {
                bid: bid.price,
                ask: ask.price,
            });
        }
        Ok(Self {
            symbol,
            received_at,
            last_update_id,
            bids,
            asks,
        })
    }

    /// The market.
    pub fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    /// When the answer arrived, by the local clock.
    pub fn received_at(&self) -> DateTime<Utc> {
        self.received_at
    }

    /// The exchange's number of the last change the book contains.
    pub fn last_update_id(&self) -> u64 {
        self.last_update_id
    }

    /// Buy orders, highest price first.
    pub fn bids(&self) -> &[DepthLevel] {
        &self.bids
    }

    /// Sell orders, lowest price first.
    pub fn asks(&self) -> &[DepthLevel] {
        &self.asks
    }

    /// Highest bid.
    pub fn best_bid(&self) -> Option<Price> {
        self.bids.first().map(|level| level.price)
    }

    /// Lowest ask.
    pub fn best_ask(&self) -> Option<Price> {
        self.asks.first().map(|level| level.price)
    }
}

/// True if no level of a side is out of order, empty or absurd.
fn are_sound(levels: &[DepthLevel], is_ordered: impl Fn(Price, Price) -> bool) -> bool {
    let mut before = None;
    levels.iter().all(|level| {
        before
            .replace(level.price)
            .is_none_or(|before| is_ordered(before, level.price))
            && !level.quantity.is_zero()
            && !is_worth_more(level.price, level.quantity, MAX_NOTIONAL)
    })
}

/// The first thing that is wrong with the levels: quantities of both sides, then their order.
fn wrong_level(bids: &[DepthLevel], asks: &[DepthLevel]) -> Result<(), DepthError> {
    let levels = || bids.iter().chain(asks);
    if let Some(level) = levels().find(|level| level.quantity.is_zero()) {
        return Err(DepthError::NoQuantity(level.price));
    }
    if let Some(level) = levels().find(|level| is_worth_more(level.price, level.quantity, MAX_NOTIONAL)) {
        return Err(DepthError::Absurd(level.price));
    }
    let unordered = |side, levels: &[DepthLevel], ordered: fn(Price, Price) -> bool| {
        let pair = levels
            .windows(2)
            .find(|pair| !ordered(pair[0].price, pair[1].price));
        pair.map_or(Ok(()), |pair| {
            Err(DepthError::OutOfOrder {
                side,
                price: pair[1].price,
            })
        })
    };
    unordered("bid", bids, |nearer, farther| nearer > farther)?;
    unordered("ask", asks, |nearer, farther| nearer < farther)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(rows: &[(&str, &str)]) -> Vec<DepthLevel> {
        rows.iter()
            .map(|(price, quantity)| DepthLevel {
                price: Price::parse(price).unwrap(),
                quantity: Quantity::parse(quantity).unwrap(),
            })
            .collect()
    }

    fn check(bids: &[(&str, &str)], asks: &[(&str, &str)]) -> Result<DepthSnapshot, DepthError> {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        DepthSnapshot::new(symbol, DateTime::UNIX_EPOCH, 1, levels(bids), levels(asks))
    }

    #[test]
    fn a_sorted_uncrossed_book_is_kept_even_when_one_side_is_empty() {
        let book = check(&[("100.5", "1"), ("100", "2")], &[("101", "1")]).unwrap();
        assert_eq!(book.best_bid(), Some(Price::parse("100.5").unwrap()));
        assert!(check(&[], &[("101", "1")]).is_ok());
    }

    #[test]
    fn a_book_that_cannot_be_true_is_refused_with_its_reason() {
        assert_eq!(check(&[], &[]).unwrap_err(), DepthError::Empty);
        let refused =
            |bids: &[(&str, &str)], asks: &[(&str, &str)]| check(bids, asks).unwrap_err().to_string();
        assert_eq!(
            refused(&[("101", "1")], &[("101", "1")]),
            "the book is crossed: best bid 101, best ask 101"
        );
        assert_eq!(
            refused(&[("100", "1"), ("100", "1")], &[]),
            "the bid side is out of order at 100"
        );
        assert_eq!(
            refused(&[], &[("101", "1"), ("100", "1")]),
            "the ask side is out of order at 100"
        );
        assert_eq!(refused(&[("100", "0")], &[]), "the level at 100 has no quantity");
    }
}

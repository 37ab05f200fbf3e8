//! One aggregate trade and the rule that says who was the aggressor.

use crate::num::{Price, Quantity};
use crate::time::ExchangeMs;

/// Which side took liquidity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggressor {
    /// The taker bought: the buyer was **not** the maker (`m` is false).
    Buyer,
    /// The taker sold: the buyer was the maker (`m` is true).
    Seller,
}

impl Aggressor {
    /// The sign rule, stated once: `m` true means that the taker sold.
    ///
    /// Source: Binance spot documents, `rest-api.md` and `web-socket-streams.md`, 2026-07-21.
    pub fn from_buyer_is_maker(buyer_is_maker: bool) -> Self {
        if buyer_is_maker { Self::Seller } else { Self::Buyer }
    }
}

/// One aggregate trade: the fills of a single taker order at one price and time.
///
/// `traded_at` is the exchange's trade time (`T`), not the time of receipt. `id` is the aggregate trade
/// id (`a`); ids rise by one, but the exchange does not promise it, and `traded_at` may step back while
/// the id grows.
///
/// Source: Binance spot documents, `web-socket-streams.md`, 2026-07-21.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggTrade {
    /// Aggregate trade id (`a`).
    pub id: u64,
    /// Price, in quote currency per base unit.
    pub price: Price,
    /// Base units traded; greater than zero.
    pub quantity: Quantity,
    /// When it was matched, in milliseconds since the Unix epoch (`T`).
    pub traded_at: ExchangeMs,
    /// Who took liquidity (`m`).
    pub aggressor: Aggressor,
}

/// Consecutive aggregate trade ids, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    /// Lowest id.
    pub first: u64,
    /// Highest id, not below `first`.
    pub last: u64,
}

impl IdRange {
    /// How many ids the range covers.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_buyer_means_the_taker_sold() {
        assert_eq!(Aggressor::from_buyer_is_maker(true), Aggressor::Seller);
        assert_eq!(Aggressor::from_buyer_is_maker(false), Aggressor::Buyer);
    }
}

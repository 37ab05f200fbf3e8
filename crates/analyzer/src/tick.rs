//! The smallest price step of a market, as far as its order book shows it. Pure.

use rust_decimal::Decimal;
use strategy_core::model::DepthSnapshot;
use strategy_core::num::BucketWidth;

/// Most decimals the exchange has in a price.
const MOST_DECIMALS: u32 = 8;

/// Decimals assumed without a book: those of Binance's FDUSD and USDT pairs of bitcoin.
const USUAL_DECIMALS: u32 = 2;

/// One unit of the last decimal that any price of the book uses, at most eight decimals; 0.01 without a book.
///
/// A book of thousands of prices uses every decimal its market allows; that prices end in zeros everywhere
/// does not happen by chance. Quotes are multiples of the step.
pub fn tick_of(book: Option<&DepthSnapshot>) -> BucketWidth {
    let decimals = book.map_or(USUAL_DECIMALS, |book| {
        let levels = book.bids().iter().chain(book.asks());
        // Prices carry no trailing zeros.
        let most = levels.map(|level| level.price.get().scale()).max();
        most.unwrap_or(0).min(MOST_DECIMALS)
    });
    // Positive, so the fallback is never taken.
    BucketWidth::new(Decimal::new(1, decimals)).unwrap_or(BucketWidth::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use strategy_core::model::DepthLevel;
    use strategy_core::num::{Price, Quantity};
    use strategy_core::symbol::Symbol;

    fn tick(bids: &[&str], asks: &[&str]) -> String {
        let levels = |prices: &[&str]| {
            let level = |price: &&str| DepthLevel {
                price: Price::parse(price).unwrap(),
                quantity: Quantity::parse("1").unwrap(),
            };
            prices.iter().map(level).collect()
        };
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let book = DepthSnapshot::new(symbol, DateTime::UNIX_EPOCH, 1, levels(bids), levels(asks));
        tick_of(Some(&book.unwrap())).get().to_string()
    }

    #[test]
    fn it_is_one_unit_of_the_last_decimal_in_use() {
        assert_eq!(tick(&["110176.80", "110176.00"], &["110176.85"]), "0.01");
        assert_eq!(tick(&["3.12000000"], &["3.1300", "3.2"]), "0.01");
        assert_eq!(tick(&["0.00000712"], &[]), "0.00000001");
        assert_eq!(tick(&["0.6512"], &["0.652"]), "0.0001");
        assert_eq!(tick(&["100"], &["200"]), "1");
        assert_eq!(tick(&["0.000000000001"], &[]), "0.00000001");
        assert_eq!(tick_of(None).get().to_string(), "0.01");
    }
}

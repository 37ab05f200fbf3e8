//! Quotes kept out of liquidity vacuums. Pure.

use strategy_core::model::advice::Quote;
use strategy_core::model::report::PriceZone;

/// Weights are published in steps of this many to one.
const WEIGHT_STEPS: f64 = 10_000.0;

/// The quotes that do not stand inside a vacuum; the weights of those that are left add up to 1 again.
///
/// The edges of a vacuum are outside: there something rests on one side.
pub fn outside_vacuums(quotes: Vec<Quote>, vacuums: &[PriceZone]) -> Vec<Quote> {
    let stands_inside = |quote: &Quote| {
        let inside = |zone: &PriceZone| zone.low < quote.price && quote.price < zone.high;
        vacuums.iter().any(inside)
    };
    let before = quotes.len();
    let mut left: Vec<Quote> = quotes.into_iter().filter(|quote| !stands_inside(quote)).collect();
    if left.len() == before {
        return left;
    }
    let total: f64 = left.iter().map(|quote| quote.weight).sum();
    for quote in &mut left {
        quote.weight = (quote.weight / total * WEIGHT_STEPS).floor() / WEIGHT_STEPS;
    }
    let steps: f64 = left
        .iter()
        .map(|quote| (quote.weight * WEIGHT_STEPS).round())
        .sum();
    if let Some(first) = left.first_mut() {
        first.weight = ((first.weight * WEIGHT_STEPS).round() + WEIGHT_STEPS - steps) / WEIGHT_STEPS;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use strategy_core::model::advice::QuoteSide;
    use strategy_core::model::report::{BookSide, Number};

    fn quote(price: i64, weight: f64) -> Quote {
        Quote {
            side: QuoteSide::Buy,
            price: Number::new(Decimal::from(price)),
            weight,
        }
    }

    fn vacuum(low: i64, high: i64) -> PriceZone {
        PriceZone {
            low: Number::new(Decimal::from(low)),
            high: Number::new(Decimal::from(high)),
            side: BookSide::Bid,
            volume: Number::ZERO,
            strength: 0.5,
        }
    }

    #[test]
    fn what_stands_in_a_vacuum_goes_and_the_others_take_its_weight() {
        let quotes = vec![quote(100, 0.5), quote(105, 0.3), quote(110, 0.2)];
        assert_eq!(outside_vacuums(quotes.clone(), &[]), quotes);
        let left = outside_vacuums(quotes.clone(), &[vacuum(100, 110)]);
        assert_eq!(left, [quote(100, 0.7143), quote(110, 0.2857)]);
        assert!(outside_vacuums(quotes, &[vacuum(99, 111)]).is_empty());
    }

    proptest! {
        #[test]
        fn weights_add_up_to_one(prices in prop::collection::vec(0_i64..40, 1..6), low in 0_i64..40, width in 1_i64..20) {
            let share = 1.0 / prices.len() as f64;
            let quotes = prices.iter().map(|price| quote(*price, share)).collect();
            let left = outside_vacuums(quotes, &[vacuum(low, low + width)]);
            let sum: f64 = left.iter().map(|quote| quote.weight).sum();
            prop_assert!(left.is_empty() || (sum - 1.0).abs() < 1e-9, "{}", sum);
        }
    }
}

//! Orders worth placing inside a price range.

use rust_decimal::Decimal;

use crate::analysis::evidence::reach;
use crate::model::advice::{Action, PriceRange, Quote, QuoteSide};
use crate::model::report::{BookSide, MarketReport, Number};
use crate::num::BucketWidth;

/// Most quotes of one side.
const MOST: usize = 5;
/// Weights are published in steps of this many to one.
const WEIGHT_STEPS: f64 = 10_000.0;
/// Where quotes stand in front of a wall, in parts of 0.05 % of its price, with the part of its strength each
/// is worth.
const LADDER: [(Decimal, f64); 3] = [
    (Decimal::ZERO, 1.0),
    (Decimal::from_parts(5, 0, 0, false, 1), 0.5),
    (Decimal::ONE, 0.25),
];

/// The orders worth placing for an action inside a price range, heaviest first; the weights add up to 1.
///
/// Used for the rules' own advice and for an accepted answer of a model. For a hold, bids stand at the walls
/// in the lower half of the range and asks at those in the upper half. Quotes stand one tick in front of a
/// wall and, with less weight, half and whole 0.05 % farther towards the market; at the market-side edge of
/// a density zone; where the range holds neither, at its ends and its middle. A quote that would stand in a
/// vacuum moves to the edge of it that is away from the market. Nothing leans on a fleeting wall, stands inside
/// a vacuum, leaves the range or crosses the book: a range wholly inside a vacuum gets no quotes.
pub fn quotes_for(
    report: &MarketReport,
    action: Action,
    range: &PriceRange,
    tick: BucketWidth,
) -> Vec<Quote> {
    let (low, high) = (range.low.get(), range.high.get());
    let Some(mid) = report.context.mid.map(Number::get) else {
        return Vec::new();
    };
    if low > high || low <= Decimal::ZERO {
        return Vec::new();
    }
    let orders = match action {
        Action::Buy => side(report, QuoteSide::Buy, (low, high), tick),
        Action::Sell => side(report, QuoteSide::Sell, (low, high), tick),
        Action::Hold => {
            let mut both = side(report, QuoteSide::Buy, (low, high.min(mid)), tick);
            both.extend(side(report, QuoteSide::Sell, (low.max(mid), high), tick));
            both
        }
    };
    weighted(orders)
}

/// An order before its weight is normalised.
struct Order {
    side: QuoteSide,
    price: Decimal,
    weight: f64,
}

fn side(
    report: &MarketReport,
    side: QuoteSide,
    (low, high): (Decimal, Decimal),
    tick: BucketWidth,
) -> Vec<Order> {
    let Some((low, high)) = passive(report, side, low, high, tick) else {
        return Vec::new();
    };
    let mut wanted: Vec<(Decimal, f64)> = Vec::new();
    let step = tick.get();
    let (levels, book_side) = match side {
        QuoteSide::Buy => (&report.support_levels, BookSide::Bid),
        QuoteSide::Sell => (&report.resistance_levels, BookSide::Ask),
    };
    // A wall one tick outside the range still has its front inside.
    let inside = |price: Decimal| price >= low.saturating_sub(step) && price <= high.saturating_add(step);
    for level in levels
        .iter()
        .filter(|level| !level.fleeting && inside(level.price.get()))
    {
        for (part, worth) in LADDER {
            let away = step + reach(level.price.get()) * part;
            let price = match side {
                QuoteSide::Buy => level.price.get() + away,
                QuoteSide::Sell => level.price.get() - away,
            };
            wanted.push((price, level.strength * worth));
        }
    }
    for zone in report.density_zones.iter().filter(|zone| zone.side == book_side) {
        let edge = match side {
            QuoteSide::Buy => zone.high.get(),
            QuoteSide::Sell => zone.low.get(),
        };
        wanted.push((edge, 0.5 * zone.strength));
    }
    let mut orders = place(report, side, &wanted, (low, high), tick);
    if orders.is_empty() {
        let middle = low + (high - low) / Decimal::TWO;
        orders = place(
            report,
            side,
            &[(low, 1.0), (middle, 1.0), (high, 1.0)],
            (low, high),
            tick,
        );
    }
    orders
}

/// The part of the range on the grid in which an order of this side does not cross the book.
fn passive(
    report: &MarketReport,
    side: QuoteSide,
    low: Decimal,
    high: Decimal,
    tick: BucketWidth,
) -> Option<(Decimal, Decimal)> {
    let (low, high) = match side {
        QuoteSide::Buy => (low, high.min(report.context.best_ask?.get() - tick.get())),
        QuoteSide::Sell => (low.max(report.context.best_bid?.get() + tick.get()), high),
    };
    let (low, high) = (round_up(low, tick), round_down(high, tick));
    (low <= high && low > Decimal::ZERO).then_some((low, high))
}

/// Puts wanted prices on the grid, out of vacuums, and leaves out what falls outside the range.
fn place(
    report: &MarketReport,
    side: QuoteSide,
    wanted: &[(Decimal, f64)],
    (low, high): (Decimal, Decimal),
    tick: BucketWidth,
) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for (price, weight) in wanted {
        let vacuum = report.vacuum_ranges.iter().find(|zone| zone.is_inside(*price));
        let price = match (side, vacuum) {
            (QuoteSide::Buy, vacuum) => round_down(vacuum.map_or(*price, |zone| zone.low.get()), tick),
            (QuoteSide::Sell, vacuum) => round_up(vacuum.map_or(*price, |zone| zone.high.get()), tick),
        };
        // Off a coarse grid the edge may not be a multiple of the tick.
        let stands_in_vacuum = report.vacuum_ranges.iter().any(|zone| zone.is_inside(price));
        if price < low || price > high || *weight <= 0.0 || stands_in_vacuum {
            continue;
        }
        match orders.iter_mut().find(|order| order.price == price) {
            Some(order) => order.weight = order.weight.max(*weight),
            None => orders.push(Order {
                side,
                price,
                weight: *weight,
            }),
        }
    }
    orders.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    orders.truncate(MOST);
    orders
}

/// Weights in steps of 0.0001 that add up to exactly 1; what rounding leaves goes to the heaviest.
fn weighted(mut orders: Vec<Order>) -> Vec<Quote> {
    orders.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    let total: f64 = orders.iter().map(|order| order.weight).sum();
    let mut steps: Vec<f64> = orders
        .iter()
        .map(|order| (order.weight / total * WEIGHT_STEPS).floor())
        .collect();
    let left = WEIGHT_STEPS - steps.iter().sum::<f64>();
    if let Some(heaviest) = steps.first_mut() {
        *heaviest += left;
    }
    orders
        .iter()
        .zip(steps)
        .map(|(order, steps)| Quote {
            side: order.side,
            price: Number::new(order.price),
            weight: steps / WEIGHT_STEPS,
        })
        .collect()
}

/// The multiple of the tick at or below a price.
pub(crate) fn round_down(price: Decimal, tick: BucketWidth) -> Decimal {
    let rest = price.checked_rem(tick.get()).unwrap_or(Decimal::ZERO);
    if rest < Decimal::ZERO {
        price - rest - tick.get()
    } else {
        price - rest
    }
}

/// The multiple of the tick at or above a price.
pub(crate) fn round_up(price: Decimal, tick: BucketWidth) -> Decimal {
    let down = round_down(price, tick);
    if down < price {
        down.saturating_add(tick.get())
    } else {
        down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_put_on_the_grid() {
        let tick = BucketWidth::new(Decimal::new(1, 2)).unwrap();
        let price = Decimal::new(100_123_456, 3);
        assert_eq!(round_down(price, tick), Decimal::new(10_012_345, 2));
        assert_eq!(round_up(price, tick), Decimal::new(10_012_346, 2));
        assert_eq!(
            round_up(Decimal::new(10_012_345, 2), tick),
            Decimal::new(10_012_345, 2)
        );
        assert_eq!(round_down(Decimal::new(-1, 3), tick), Decimal::new(-1, 2));
    }
}

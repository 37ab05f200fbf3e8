//! Ranges kept out of liquidity vacuums.

use rust_decimal::Decimal;

use crate::model::advice::PriceRange;
use crate::model::report::{MarketReport, Number, PriceZone};

/// A range that lies wholly inside a vacuum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InVacuum<'a> {
    /// The vacuum.
    pub vacuum: &'a PriceZone,
    /// The edge of it nearest the middle of the range; of two equally near the lower.
    pub nearest_edge: Number,
}

/// The vacuum that holds the whole range, if there is one; a range of one price asks about a quote.
///
/// The edges themselves are outside: something rests just beyond them, and that is where a quote goes.
///
/// ```
/// # use strategy_core::analysis::rules::in_vacuum;
/// # use strategy_core::model::{advice::PriceRange, report::MarketReport};
/// fn moved(report: &MarketReport, range: PriceRange) -> PriceRange {
///     match in_vacuum(report, &range) {
///         Some(found) => PriceRange { low: found.nearest_edge, high: found.nearest_edge },
///         None => range,
///     }
/// }
/// ```
pub fn in_vacuum<'a>(report: &'a MarketReport, range: &PriceRange) -> Option<InVacuum<'a>> {
    let (low, high) = (range.low.get(), range.high.get());
    let mut vacuums = report.vacuum_ranges.iter();
    let vacuum = vacuums.find(|zone| zone.is_inside(low) && zone.is_inside(high))?;
    // Twice the distances, so that nothing is divided.
    let (below, above) = (
        low + high - Decimal::TWO * vacuum.low.get(),
        Decimal::TWO * vacuum.high.get() - low - high,
    );
    Some(InVacuum {
        vacuum,
        nearest_edge: if below <= above { vacuum.low } else { vacuum.high },
    })
}

/// A range whose ends do not lie inside a vacuum: an end that does moves to the edge that makes the range
/// smaller. None where the whole range is inside one vacuum.
pub(crate) fn out_of_vacuums(
    report: &MarketReport,
    low: Decimal,
    high: Decimal,
) -> Option<(Decimal, Decimal)> {
    let around = |price: Decimal| report.vacuum_ranges.iter().find(|zone| zone.is_inside(price));
    let low = around(low).map_or(low, |zone| zone.high.get());
    let high = around(high).map_or(high, |zone| zone.low.get());
    (low <= high).then_some((low, high))
}

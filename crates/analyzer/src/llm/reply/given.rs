//! The prices a model was given: the only ones its answer may rest on.

use rust_decimal::Decimal;
use strategy_core::model::report::{MarketReport, Number, PriceZone};

/// Mid, levels and zones of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    mid: Decimal,
    /// Lower and upper end of each; a level is a zone of one price.
    zones: Vec<(Decimal, Decimal)>,
}

impl Given {
    /// Everything in the report that prompt and tools show; `None` when the book has no middle.
    pub fn of(report: &MarketReport) -> Option<Self> {
        let mid = report.context.mid?.get();
        let point = |price: Number| (price.get(), price.get());
        let zone = |zone: &PriceZone| (zone.low.get(), zone.high.get());
        let levels = report.support_levels.iter().chain(&report.resistance_levels);
        let mut zones: Vec<_> = levels.map(|level| point(level.price)).collect();
        zones.extend(report.poc_levels.iter().copied().map(point));
        if let Some(area) = &report.value_area {
            zones.extend([area.poc, area.low, area.high].map(point));
        }
        zones.extend(
            report
                .resonance
                .iter()
                .map(|zone| (zone.low.get(), zone.high.get())),
        );
        zones.extend(report.density_zones.iter().map(zone));
        zones.extend(report.vacuum_ranges.iter().map(zone));
        Some(Self { mid, zones })
    }

    /// Middle of the book.
    pub fn mid(&self) -> Decimal {
        self.mid
    }

    /// True if a level lies in the range or a zone overlaps it, ends included.
    pub fn touches(&self, low: Decimal, high: Decimal) -> bool {
        self.zones
            .iter()
            .any(|(zone_low, zone_high)| *zone_low <= high && low <= *zone_high)
    }

    /// For tests: a middle and some levels.
    #[cfg(test)]
    pub(crate) fn for_test(mid: Decimal, levels: &[Decimal]) -> Self {
        Self {
            mid,
            zones: levels.iter().map(|price| (*price, *price)).collect(),
        }
    }
}

//! The prices a model was given: the only ones its answer may rest on.

use rust_decimal::Decimal;
use strategy_core::model::report::{MarketReport, Number, PriceZone};

use crate::llm::tools::MAX_ENTRIES;

/// Mid, levels and zones of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    mid: Decimal,
    /// Lower and upper end of each; a level is a zone of one price.
    zones: Vec<(Decimal, Decimal)>,
}

impl Given {
    /// What of the report prompt and tools show; `None` when the book has no middle.
    pub fn of(report: &MarketReport) -> Option<Self> {
        let mid = report.context.mid?.get();
        let point = |price: Number| (price.get(), price.get());
        let zone = |zone: &PriceZone| (zone.low.get(), zone.high.get());
        let sides = [&report.support_levels, &report.resistance_levels];
        let levels = sides.into_iter().flat_map(|side| side.iter().take(MAX_ENTRIES));
        let mut zones: Vec<_> = levels.map(|level| point(level.price)).collect();
        zones.extend(report.poc_levels.iter().copied().map(point));
        if let Some(area) = &report.value_area {
            zones.extend([area.poc, area.low, area.high].map(point));
        }
        let resonance = report.resonance.iter().take(MAX_ENTRIES);
        zones.extend(resonance.map(|zone| (zone.low.get(), zone.high.get())));
        zones.extend(report.density_zones.iter().take(MAX_ENTRIES).map(zone));
        zones.extend(report.vacuum_ranges.iter().take(MAX_ENTRIES).map(zone));
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

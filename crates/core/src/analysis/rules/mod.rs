//! Advice without a model: fixed rules over the report, in the same shape as a model's answer.
//!
//! The strongest support below the market is weighed against the strongest resistance above it, each by what
//! it is made of, how near it is and how it did when tested. Recent flow tilts the scales. Nothing here is
//! learned; every number is named and in `docs/analysis.md`.

mod footing;
mod reasons;

use rust_decimal::Decimal;

pub use crate::analysis::quotes::quotes_for;
pub use footing::{InVacuum, in_vacuum};
pub use reasons::{Ground, Kind, Reasons};

use crate::analysis::evidence::reach;
use crate::analysis::quotes::{round_down, round_up};
use crate::analysis::units::round;
use crate::language::Language;
use crate::model::advice::{AbstainReason, Action, Advice, PriceRange, Quote, RiskLevel};
use crate::model::report::{BookSide, Confirmation, Evidence, Level, MarketReport, Number, ResonanceZone};
use crate::num::{BucketWidth, to_f64};
pub(crate) use footing::out_of_vacuums;

/// Fewest complete minutes of flow for advice; fewer when the flow window is shorter.
const FEWEST_MINUTES: u32 = 15;
/// Of the flow window, one damaged minute in so many is too much for advice.
const DAMAGE_DIVISOR: u32 = 20;
/// Lean from which one side clearly outweighs the other.
const CLEAR_LEAN: f64 = 0.25;
/// Weight below which a side is too weak to act on.
const LEAST_WEIGHT: f64 = 0.15;
/// Part of the lean that recent flow may decide.
const FLOW_PART: f64 = 0.3;
/// Distance from mid, in percent, at which a level counts half.
const HALF_DISTANCE: f64 = 0.5;
/// A wall without resonance counts half as much as a zone of the same strength.
const LONE_WALL: f64 = 0.5;
/// Minutes of the delta that tilts the scales.
const DELTA_MINUTES: u32 = 60;

/// What the rules advise, with the reasons as values.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What to do.
    pub action: Action,
    /// Where; none when no price stands out.
    pub price_range: Option<PriceRange>,
    /// Belief in the advice, 0..1, four decimals.
    pub confidence: f64,
    /// How dangerous it is to follow.
    pub risk_level: RiskLevel,
    /// Orders worth placing, heaviest first.
    pub quotes: Vec<Quote>,
    /// Why.
    pub reasons: Reasons,
}

impl Judgement {
    /// The advice with its reasons in words.
    pub fn into_advice(self, language: Language) -> Advice {
        Advice {
            action: self.action,
            price_range: self.price_range,
            confidence: self.confidence,
            reasoning: self.reasons.words(language),
            risk_level: self.risk_level,
            quotes: self.quotes,
        }
    }
}

/// One side of the scales.
#[derive(Debug, Clone, PartialEq)]
struct Footing {
    center: Decimal,
    low: Decimal,
    high: Decimal,
    /// Strength × nearness × (0.5 + belief).
    weight: f64,
    /// Posterior mean of holding; one half when untested.
    belief: f64,
    /// Distance from mid, in percent.
    distance: f64,
    /// What it is.
    ground: Ground,
}

/// What the rules advise.
///
/// # Errors
/// [`AbstainReason::StaleData`] when the newest snapshot or minute is too old;
/// [`AbstainReason::IncompleteData`] without a two-sided book, with fewer than 15 complete minutes of flow, or
/// when more than 5 % of the flow window's minutes since the record began are missing or incomplete.
pub fn advise(report: &MarketReport, tick: BucketWidth) -> Result<Judgement, AbstainReason> {
    let mid = may_advise(report)?;
    let support = footing(report, mid, Where::Below);
    let resistance = footing(report, mid, Where::Above);
    let weight = |side: &Option<Footing>| side.as_ref().map_or(0.0, |footing| footing.weight);
    let (below, above) = (weight(&support), weight(&resistance));
    let balance = if below + above > 0.0 {
        (below - above) / (below + above)
    } else {
        0.0
    };
    let flow = flow(report);
    let lean = (1.0 - FLOW_PART) * balance + FLOW_PART * flow;
    let action = if lean >= CLEAR_LEAN && below >= LEAST_WEIGHT {
        Action::Buy
    } else if lean <= -CLEAR_LEAN && above >= LEAST_WEIGHT {
        Action::Sell
    } else {
        Action::Hold
    };
    let price_range = range(report, action, support.as_ref(), resistance.as_ref(), tick);
    let completeness = completeness(report);
    let belief = |side: &Option<Footing>| side.as_ref().map_or(0.5, |footing| footing.belief);
    let confidence = match action {
        Action::Buy => belief(&support) * (0.5 + 0.5 * lean),
        Action::Sell => belief(&resistance) * (0.5 - 0.5 * lean),
        Action::Hold => f64::midpoint(belief(&support), belief(&resistance)) * (1.0 - lean.abs()),
    };
    let quotes = price_range
        .as_ref()
        .map(|range| quotes_for(report, action, range, tick));
    Ok(Judgement {
        action,
        price_range,
        confidence: round((confidence * (0.5 + 0.5 * completeness)).clamp(0.0, 1.0), 4),
        risk_level: risk(
            report,
            action,
            support.as_ref(),
            resistance.as_ref(),
            completeness,
        ),
        quotes: quotes.unwrap_or_default(),
        reasons: Reasons {
            action,
            support: support.map(|footing| footing.ground),
            resistance: resistance.map(|footing| footing.ground),
            flow,
            last_hour: last_hour(report),
            lean,
            unknown: report.data_honesty.notes.to_vec(),
        },
    })
}

/// The middle of the book, if the data allow advice.
fn may_advise(report: &MarketReport) -> Result<Decimal, AbstainReason> {
    let data = &report.data_honesty;
    if data.stale {
        return Err(AbstainReason::StaleData);
    }
    let enough = data.flow_complete_minutes >= FEWEST_MINUTES.min(data.flow_window_minutes.max(1));
    let damaged = data.flow_damaged_minutes.saturating_mul(DAMAGE_DIVISOR) > data.flow_window_minutes;
    match report.context.mid {
        Some(mid) if enough && !damaged && mid.get() > Decimal::ZERO => Ok(mid.get()),
        _ => Err(AbstainReason::IncompleteData),
    }
}

/// Where a footing is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Below,
    Above,
}

/// The weightiest resonance zone or wall on one side of mid.
fn footing(report: &MarketReport, mid: Decimal, side: Where) -> Option<Footing> {
    let (levels, book_side) = match side {
        Where::Below => (&report.support_levels, BookSide::Bid),
        Where::Above => (&report.resistance_levels, BookSide::Ask),
    };
    let on_side = |price: Decimal| match side {
        Where::Below => price < mid,
        Where::Above => price > mid,
    };
    let zones = report
        .resonance
        .iter()
        .filter(|zone| on_side(zone.center.get()) && zone.side == book_side)
        .map(|zone| zone_footing(zone, levels, mid));
    let walls = levels
        .iter()
        .filter(|level| !level.fleeting && on_side(level.price.get()))
        .map(|level| wall_footing(level, mid));
    zones.chain(walls).reduce(
        |best, other| {
            if other.weight > best.weight { other } else { best }
        },
    )
}

fn zone_footing(zone: &ResonanceZone, levels: &[Level], mid: Decimal) -> Footing {
    let tested = levels
        .iter()
        .find(|level| zone.low <= level.price && level.price <= zone.high && !level.confirmation.untested)
        .map(|level| level.confirmation.mean);
    let confirmed = zone.evidence.iter().find_map(|piece| match &piece.evidence {
        Evidence::ConfirmedTests { mean, .. } => Some(*mean),
        _ => None,
    });
    let belief = confirmed.or(tested).unwrap_or(0.5);
    let ground = Ground::Resonance {
        center: zone.center,
        score: zone.score,
        kinds: zone
            .evidence
            .iter()
            .filter_map(|piece| Kind::of(&piece.evidence))
            .collect(),
    };
    weighed(
        zone.center,
        (zone.low, zone.high),
        zone.score,
        belief,
        mid,
        ground,
    )
}

fn wall_footing(level: &Level, mid: Decimal) -> Footing {
    let Confirmation {
        held, broken, mean, ..
    } = level.confirmation;
    let ground = Ground::Wall {
        price: level.price,
        volume: level.volume_at_level,
        strength: level.strength,
        held,
        broken,
    };
    let strength = LONE_WALL * level.strength;
    weighed(
        level.price,
        (level.price, level.price),
        strength,
        mean,
        mid,
        ground,
    )
}

fn weighed(
    center: Number,
    (low, high): (Number, Number),
    strength: f64,
    belief: f64,
    mid: Decimal,
    ground: Ground,
) -> Footing {
    let distance = (to_f64(center.get()) / to_f64(mid) - 1.0).abs() * 100.0;
    Footing {
        center: center.get(),
        low: low.get(),
        high: high.get(),
        weight: strength * (0.5 + belief) / (1.0 + distance / HALF_DISTANCE),
        belief,
        distance,
        ground,
    }
}

/// Recent pressure, -1..1: the mean of the book's imbalance within 0.5 % of mid and of the last hour's delta
/// over its volume.
fn flow(report: &MarketReport) -> f64 {
    let book = report.context.imbalance_0_5.unwrap_or(0.0);
    f64::midpoint(
        book,
        last_hour(report).map_or(0.0, |(delta, volume)| delta / volume),
    )
}

fn last_hour(report: &MarketReport) -> Option<(f64, f64)> {
    let hour = report
        .flow_deltas
        .iter()
        .find(|delta| delta.minutes == DELTA_MINUTES)?;
    let volume = hour.volume.to_f64();
    (volume > 0.0).then(|| (hour.delta.to_f64(), volume))
}

/// Complete minutes of the flow window, 0..1.
fn completeness(report: &MarketReport) -> f64 {
    let data = &report.data_honesty;
    (f64::from(data.flow_complete_minutes) / f64::from(data.flow_window_minutes.max(1))).min(1.0)
}

/// Around the footing acted on; for a hold, from support to resistance, or around the only one there is. No end
/// of it lies inside a vacuum.
fn range(
    report: &MarketReport,
    action: Action,
    support: Option<&Footing>,
    resistance: Option<&Footing>,
    tick: BucketWidth,
) -> Option<PriceRange> {
    let around = |footing: &Footing| {
        let span = reach(footing.center);
        (
            (footing.center - span).min(footing.low),
            (footing.center + span).max(footing.high),
        )
    };
    let step = tick.get();
    let best_bid = report.context.best_bid?.get();
    let best_ask = report.context.best_ask?.get();
    // A range to buy in ends below the asks, and one to sell in above the bids.
    let below_asks = |(low, high): (Decimal, Decimal)| (low, high.min(best_ask - step));
    let above_bids = |(low, high): (Decimal, Decimal)| (low.max(best_bid + step), high);
    let (low, high) = match (action, support, resistance) {
        (Action::Buy, Some(support), _) | (Action::Hold, Some(support), None) => below_asks(around(support)),
        (Action::Sell, _, Some(resistance)) | (Action::Hold, None, Some(resistance)) => {
            above_bids(around(resistance))
        }
        (Action::Hold, Some(support), Some(resistance)) => (support.center, resistance.center),
        _ => return None,
    };
    // A range that would lie wholly inside a vacuum becomes the edge of it that is away from the market.
    let (low, high) = out_of_vacuums(report, low, high).or_else(|| {
        let range = PriceRange {
            low: Number::new(low),
            high: Number::new(high),
        };
        let vacuum = in_vacuum(report, &range)?.vacuum;
        let edge = match action {
            Action::Buy => vacuum.low,
            Action::Sell => vacuum.high,
            Action::Hold => return None,
        };
        Some((edge.get(), edge.get()))
    })?;
    let (low, high) = (round_up(low, tick), round_down(high, tick));
    (low <= high && low > Decimal::ZERO).then(|| PriceRange {
        low: Number::new(low),
        high: Number::new(high),
    })
}

/// Points against: minutes spanning more than 0.05 % (one) or 0.1 % (two) of the price on average, a spread
/// above 0.02 %, a footing farther than 0.5 %, less than 95 % of the flow window complete. None is low risk,
/// one medium, more high.
fn risk(
    report: &MarketReport,
    action: Action,
    support: Option<&Footing>,
    resistance: Option<&Footing>,
    completeness: f64,
) -> RiskLevel {
    let movement = report.context.minute_range_percent.unwrap_or(1.0);
    let spread = match (report.context.spread, report.context.mid) {
        (Some(spread), Some(mid)) => spread.to_f64() / mid.to_f64() * 100.0,
        _ => 100.0,
    };
    let distance = |footing: Option<&Footing>| footing.map_or(0.0, |footing| footing.distance);
    let distance = match action {
        Action::Buy => distance(support),
        Action::Sell => distance(resistance),
        Action::Hold => distance(support).max(distance(resistance)),
    };
    let points = u32::from(movement > 0.05)
        + u32::from(movement > 0.1)
        + u32::from(spread > 0.02)
        + u32::from(distance > 0.5)
        + u32::from(completeness < 0.95);
    match points {
        0 => RiskLevel::Low,
        1 => RiskLevel::Medium,
        _ => RiskLevel::High,
    }
}

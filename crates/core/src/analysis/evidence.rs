//! The pieces of evidence of one analysis, each with the price it speaks of and its weight.

use rust_decimal::Decimal;

use crate::model::report::{
    BookSide, Confirmation, Evidence, Level, LevelType, Number, PriceZone, StackedImbalance, ValueArea,
    VolumeNode,
};

/// Two prices within this share of each other are one place: 0.05 %.
pub(crate) fn reach(price: Decimal) -> Decimal {
    price * Decimal::new(5, 4)
}

/// What a piece rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Resting quantity.
    Static,
    /// Trades.
    Dynamic,
}

/// One piece of evidence.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Lowest price it speaks of.
    pub(crate) low: Decimal,
    /// Highest price it speaks of; equal to `low` for a single price.
    pub(crate) high: Decimal,
    /// The price that stands for it.
    pub(crate) price: Decimal,
    /// Probability-like weight, 0..1.
    pub(crate) weight: f64,
    /// Book or trades.
    pub(crate) ground: Ground,
    /// Side of the book that a static piece rests on.
    pub(crate) side: Option<BookSide>,
    /// Counts as a piece of its own; a fleeting wall does not.
    pub(crate) counts: bool,
    /// What is published.
    pub(crate) evidence: Evidence,
}

impl Piece {
    /// True if it speaks of a price from `low` to `high`, both included; its own upper edge is outside when it
    /// is a range.
    pub(crate) fn meets(&self, low: Decimal, high: Decimal) -> bool {
        self.low <= high && (self.high > low || self.low == self.high && self.high >= low)
    }
}

/// Everything found, before it is joined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Findings<'a> {
    /// Walls of both sides.
    pub(crate) levels: [&'a [Level]; 2],
    /// Density zones of both sides.
    pub(crate) density: &'a [PriceZone],
    /// Value area and point of control.
    pub(crate) area: Option<&'a ValueArea>,
    /// Volume of the control row and how it did when tested.
    pub(crate) poc: Option<(Number, &'a Confirmation)>,
    /// High-volume nodes that are not the point of control.
    pub(crate) nodes: &'a [VolumeNode],
    /// Stacked imbalances.
    pub(crate) stacks: &'a [StackedImbalance],
}

/// Lists the pieces: walls, density zones, profile, tests, stacks, in this order.
///
/// Weights: wall 0.7 × strength (fleeting 0.1 × strength, and not counted), density zone 0.4 × strength,
/// point of control 0.5, high-volume node 0.35, value-area edge 0.3, tests that held beyond chance 0.6 × posterior
/// mean, stacked imbalance 0.2.
pub(crate) fn list(found: &Findings<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for level in found.levels.into_iter().flatten() {
        pieces.push(wall(level));
    }
    for zone in found.density {
        pieces.push(Piece {
            low: zone.low.get(),
            high: zone.high.get(),
            price: zone.center().get(),
            weight: 0.4 * zone.strength,
            ground: Ground::Static,
            side: Some(zone.side),
            counts: true,
            evidence: Evidence::DensityZone {
                side: zone.side,
                low: zone.low,
                high: zone.high,
                volume: zone.volume,
                strength: zone.strength,
            },
        });
    }
    if let (Some(area), Some((volume, confirmation))) = (found.area, found.poc) {
        let price = area.poc;
        pieces.push(point(price, 0.5, Evidence::PointOfControl { price, volume }));
        for price in [area.low, area.high] {
            if price != area.poc {
                pieces.push(point(price, 0.3, Evidence::ValueAreaEdge { price }));
            }
        }
        pieces.extend(tests(price, confirmation));
    }
    for node in found.nodes {
        let (price, volume) = (node.price, node.volume);
        pieces.push(point(price, 0.35, Evidence::HighVolumeNode { price, volume }));
    }
    for level in found.levels.into_iter().flatten() {
        pieces.extend(tests(level.price, &level.confirmation));
    }
    for stack in found.stacks {
        pieces.push(Piece {
            low: stack.low.get(),
            high: stack.high.get(),
            price: (stack.low.get() + stack.high.get()) / Decimal::TWO,
            weight: 0.2,
            ground: Ground::Dynamic,
            side: None,
            counts: true,
            evidence: Evidence::StackedImbalance {
                low: stack.low,
                high: stack.high,
                side: stack.side,
            },
        });
    }
    pieces
}

/// The pieces within 0.05 % of a level, its own wall first. Bids carry no resistance and asks no support, so
/// that what rests on the other side is left out; tests of other prices are left to those.
pub(crate) fn around(level: &Level, pieces: &[Piece]) -> Vec<Evidence> {
    let side = side_of(level.level_type);
    let price = level.price.get();
    let (low, high) = (price - reach(price), price + reach(price));
    let is_own = |piece: &&Piece| piece.price == price && matches!(piece.evidence, Evidence::Wall { .. });
    let own = pieces.iter().find(is_own);
    let others = pieces.iter().filter(|piece| {
        let near = piece.meets(low, high);
        let foreign_test = piece.price != price && matches!(piece.evidence, Evidence::ConfirmedTests { .. });
        let carries = piece.side.is_none_or(|other| other == side);
        near && carries && !foreign_test && !is_own(piece)
    });
    own.into_iter()
        .chain(others)
        .map(|piece| piece.evidence.clone())
        .collect()
}

/// What else lies in a density zone: walls of its side, and what was traded there.
pub(crate) fn within(zone: &PriceZone, pieces: &[Piece]) -> Vec<Evidence> {
    let (low, high) = (zone.low.get(), zone.high.get());
    let lies_in = |piece: &&Piece| {
        let overlaps = piece.low < high && (piece.high > low || piece.low == piece.high && piece.low >= low);
        let carries = piece.side.is_none_or(|other| other == zone.side);
        overlaps && carries && !matches!(piece.evidence, Evidence::DensityZone { .. })
    };
    let inside = pieces.iter().filter(lies_in);
    inside.map(|piece| piece.evidence.clone()).collect()
}

/// Rows inside a vacuum in which hardly anything was traded either.
pub(crate) fn hardly_traded(zone: &PriceZone, valleys: &[VolumeNode]) -> Vec<Evidence> {
    let inside = |node: &&VolumeNode| zone.low <= node.price && node.price < zone.high;
    let found = valleys.iter().filter(inside);
    found
        .map(|node| Evidence::LowVolumeNode {
            price: node.price,
            volume: node.volume,
        })
        .collect()
}

/// The side of the book a level rests on.
fn side_of(level: LevelType) -> BookSide {
    match level {
        LevelType::Support => BookSide::Bid,
        LevelType::Resistance => BookSide::Ask,
    }
}

fn wall(level: &Level) -> Piece {
    let known = level.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Wall { .. } => Some(evidence.clone()),
        _ => None,
    });
    let share = if level.fleeting { 0.1 } else { 0.7 };
    let side = side_of(level.level_type);
    let evidence = known.unwrap_or(Evidence::Wall {
        side,
        price: level.price,
        volume: level.volume_at_level,
        local_norm: Number::ZERO,
        norm_ratio: 0.0,
        side_share: 0.0,
        fleeting: level.fleeting,
    });
    Piece {
        low: level.price.get(),
        high: level.price.get(),
        price: level.price.get(),
        weight: share * level.strength,
        ground: Ground::Static,
        side: Some(side),
        counts: !level.fleeting,
        evidence,
    }
}

fn point(price: Number, weight: f64, evidence: Evidence) -> Piece {
    Piece {
        low: price.get(),
        high: price.get(),
        price: price.get(),
        weight,
        ground: Ground::Dynamic,
        side: None,
        counts: true,
        evidence,
    }
}

/// Tests confirm a price when the 80 % interval of its posterior lies above one half, which is what chance gives.
fn tests(price: Number, confirmation: &Confirmation) -> Option<Piece> {
    (confirmation.low > 0.5).then(|| {
        let evidence = Evidence::ConfirmedTests {
            price,
            held: confirmation.held,
            broken: confirmation.broken,
            mean: confirmation.mean,
        };
        point(price, 0.6 * confirmation.mean, evidence)
    })
}

//! Resonance zones: prices where resting quantity and traded volume say the same.
//!
//! Prices are compared within a distance. Two detectors never land on the same number: a wall stands at a
//! tick, a point of control at a row.

use std::mem::discriminant;

use rust_decimal::Decimal;

use crate::analysis::evidence::{Ground, Piece, reach};
use crate::analysis::units::round;
use crate::model::report::{BookSide, Evidence, Number, ResonanceZone, WeighedEvidence};

/// Fewest pieces of evidence in a zone.
const FEWEST: usize = 3;
/// Most zones that are published.
const MOST: usize = 20;

/// Joins pieces within 0.05 % of one price into zones, strongest first.
///
/// A zone needs at least one static and one dynamic piece and three pieces in all; tests and stacked
/// imbalances are listed once per zone, however many there are. Its score is `1 - product(1 - weight)` over the
/// heaviest piece of each kind: eight nodes side by side are one busy place, not eight reasons. Its centre is
/// the price of its heaviest wall, or of its heaviest piece where it has no wall. Of zones with
/// one score that of more pieces is the best. The best zone takes its pieces; the next is formed from the rest.
pub(crate) fn join(mut pieces: Vec<Piece>) -> Vec<ResonanceZone> {
    let mut zones = Vec::new();
    while zones.len() < MOST {
        // Score, anchor's weight and price, pieces.
        let mut best: Option<(f64, f64, Decimal, Vec<usize>)> = None;
        for anchor in pieces.iter().filter(|piece| piece.counts) {
            let members = members(&pieces, anchor.price);
            if !is_zone(&pieces, &members) {
                continue;
            }
            let score = score(&pieces, &members);
            let candidate = (score, anchor.weight, anchor.price);
            let better = best.as_ref().is_none_or(|(score, weight, price, known)| {
                candidate
                    .0
                    .total_cmp(score)
                    .then(members.len().cmp(&known.len()))
                    .then(candidate.1.total_cmp(weight))
                    .then(price.cmp(&candidate.2))
                    .is_gt()
            });
            if better {
                best = Some((candidate.0, candidate.1, candidate.2, members));
            }
        }
        let Some((score, _, around, members)) = best else {
            break;
        };
        zones.extend(zone(&pieces, &members, around, score));
        let mut index = 0..;
        pieces.retain(|_| !index.next().is_some_and(|index| members.contains(&index)));
    }
    zones.sort_by(|one, other| {
        let heavier = other.score.total_cmp(&one.score);
        heavier.then(one.center.cmp(&other.center))
    });
    zones
}

/// Pieces near a price, heaviest first; of tests and of stacks only the heaviest one, and of resting quantity
/// only that on the side of the heaviest, since bids and asks do not support each other.
fn members(pieces: &[Piece], price: Decimal) -> Vec<usize> {
    let (low, high) = (price - reach(price), price + reach(price));
    let mut members: Vec<usize> = (0..pieces.len())
        .filter(|index| pieces[*index].meets(low, high))
        .collect();
    members.sort_by(|one, other| pieces[*other].weight.total_cmp(&pieces[*one].weight));
    let side = side(pieces, &members);
    let mut seen = [false; 2];
    members.retain(|index| {
        if pieces[*index].side.is_some() && pieces[*index].side != side {
            return false;
        }
        let once = match pieces[*index].evidence {
            Evidence::ConfirmedTests { .. } => &mut seen[0],
            Evidence::StackedImbalance { .. } => &mut seen[1],
            _ => return true,
        };
        !std::mem::replace(once, true)
    });
    members
}

/// Side of the heaviest resting quantity; a fleeting wall decides only where there is nothing else.
fn side(pieces: &[Piece], members: &[usize]) -> Option<BookSide> {
    let of = |counts: bool| {
        let mut sought = members.iter().filter(|index| pieces[**index].counts == counts);
        sought.find_map(|index| pieces[*index].side)
    };
    of(true).or_else(|| of(false))
}

fn is_zone(pieces: &[Piece], members: &[usize]) -> bool {
    let counted = || {
        members
            .iter()
            .map(|index| &pieces[*index])
            .filter(|piece| piece.counts)
    };
    let has = |ground: Ground| counted().any(|piece| piece.ground == ground);
    counted().count() >= FEWEST && has(Ground::Static) && has(Ground::Dynamic)
}

/// Of each kind only the heaviest piece counts; `members` are heaviest first. Weights are rounded before they
/// are multiplied, so that the published ones give the published score.
fn score(pieces: &[Piece], members: &[usize]) -> f64 {
    let mut kinds = Vec::new();
    let mut doubt = 1.0;
    for piece in members.iter().map(|index| &pieces[*index]) {
        let kind = discriminant(&piece.evidence);
        if !kinds.contains(&kind) {
            kinds.push(kind);
            doubt *= 1.0 - weight(piece);
        }
    }
    round(1.0 - doubt, 4)
}

fn weight(piece: &Piece) -> f64 {
    round(piece.weight, 4)
}

fn zone(pieces: &[Piece], members: &[usize], around: Decimal, score: f64) -> Option<ResonanceZone> {
    let (least, most) = (around - reach(around), around + reach(around));
    let found = || members.iter().map(|index| &pieces[*index]);
    let low = found().map(|piece| piece.low.max(least)).min();
    let high = found().map(|piece| piece.high.min(most)).max();
    let is_wall = |piece: &&Piece| piece.counts && matches!(piece.evidence, Evidence::Wall { .. });
    let heaviest = found()
        .find(is_wall)
        .or_else(|| found().find(|piece| piece.counts));
    let center = heaviest.map_or(around, |piece| piece.price.clamp(least, most));
    Some(ResonanceZone {
        side: side(pieces, members)?,
        low: Number::new(low.unwrap_or(around)),
        high: Number::new(high.unwrap_or(around)),
        center: Number::new(center),
        score,
        evidence: found()
            .map(|piece| WeighedEvidence {
                evidence: piece.evidence.clone(),
                weight: weight(piece),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(price: i64, weight: f64, ground: Ground, counts: bool) -> Piece {
        let price = Decimal::new(price, 2);
        Piece {
            low: price,
            high: price,
            price,
            weight,
            ground,
            side: (ground == Ground::Static).then_some(BookSide::Bid),
            counts,
            evidence: match ground {
                Ground::Static => wall(price),
                Ground::Dynamic => Evidence::ValueAreaEdge {
                    price: Number::new(price),
                },
            },
        }
    }

    fn wall(price: Decimal) -> Evidence {
        Evidence::Wall {
            side: BookSide::Bid,
            price: Number::new(price),
            volume: Number::ZERO,
            local_norm: Number::ZERO,
            norm_ratio: 0.0,
            side_share: 0.0,
            fleeting: false,
        }
    }

    #[test]
    fn b36_evidence_near_one_price_resonates_without_being_equal() {
        let mut control = piece(10_002_000, 0.5, Ground::Dynamic, true);
        control.evidence = Evidence::PointOfControl {
            price: Number::new(control.price),
            volume: Number::ZERO,
        };
        let pieces = vec![
            piece(10_000_037, 0.6, Ground::Static, true),
            control,
            piece(9_996_000, 0.3, Ground::Dynamic, true),
            piece(10_020_000, 0.5, Ground::Dynamic, true),
        ];
        let zones = join(pieces);
        assert_eq!(zones.len(), 1);
        assert_eq!(zones[0].center.get(), Decimal::new(10_000_037, 2));
        assert_eq!(
            (zones[0].low.get(), zones[0].high.get()),
            (99_960.into(), 100_020.into())
        );
        assert!((zones[0].score - 0.86).abs() < 1e-9);
    }

    #[test]
    fn more_of_one_kind_does_not_saturate() {
        let zone = |nodes: usize| {
            let mut pieces = vec![piece(10_000_000, 0.6, Ground::Static, true)];
            let edges = (0..10).map(|step| piece(10_000_000 + step * 100, 0.3, Ground::Dynamic, true));
            pieces.extend(edges.take(nodes));
            join(pieces)[0].clone()
        };
        let (few, many) = (zone(2), zone(10));
        assert_eq!(
            (few.evidence.len(), many.evidence.len()),
            (3, 11),
            "all are named"
        );
        assert!((few.score - 0.72).abs() < 1e-9, "{}", few.score);
        assert!((many.score - few.score).abs() < 1e-9, "{}", many.score);
    }

    #[test]
    fn one_kind_alone_or_two_pieces_do_not_resonate() {
        let wall = || piece(10_000_000, 0.6, Ground::Static, true);
        let node = || piece(10_001_000, 0.6, Ground::Dynamic, true);
        assert!(join(vec![wall(), wall(), wall()]).is_empty());
        assert!(join(vec![node(), node(), node()]).is_empty());
        assert!(join(vec![wall(), node()]).is_empty());
        assert_eq!(join(vec![wall(), wall(), node()]).len(), 1);
    }

    #[test]
    fn a_fleeting_wall_does_not_make_a_zone() {
        let fleeting = piece(10_000_000, 0.1, Ground::Static, false);
        let node = || piece(10_001_000, 0.6, Ground::Dynamic, true);
        assert!(join(vec![fleeting.clone(), node(), node()]).is_empty());
        let zones = join(vec![
            fleeting,
            piece(10_001_000, 0.5, Ground::Static, true),
            node(),
            node(),
        ]);
        assert_eq!(zones[0].evidence.len(), 4, "but it is named in one");
    }
}

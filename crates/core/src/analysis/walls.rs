//! Walls: quantities that stand out from what rests around them.
//!
//! Real books are mostly dust, so the norm is the 90th percentile of the neighbourhood and not its
//! median, and a wall must also be a worthwhile share of its side.

use rust_decimal::Decimal;

use crate::analysis::Params;
use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, amount, ratio};

/// Buckets on either side that make up the neighbourhood.
const NEIGHBOURHOOD: usize = 50;
/// Fewest neighbours from which a norm is taken.
const FEWEST_NEIGHBOURS: usize = 10;
/// Percentile of the neighbours, in tenths.
const NORM_TENTHS: usize = 9;
/// Buckets on either side that a wall must exceed.
const PEAK_REACH: usize = 2;
/// A wall holds at least this many times its norm.
const NORM_MULTIPLE: Amount = 5;
/// A wall holds at least this many thousandths of the side's quantity within 1 % of mid.
const SIDE_THOUSANDTHS: Amount = 15;
/// Largest ratio to the norm that is told apart.
const MAX_RATIO: f64 = 1000.0;

/// A wall of one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wall {
    /// Number of its bucket.
    pub(crate) bucket: i64,
    /// Price of the largest single level in the bucket.
    pub(crate) price: Decimal,
    /// Quantity in the bucket.
    pub(crate) quantity: Amount,
    /// The local norm.
    pub(crate) norm: Amount,
    /// Quantity over the local norm, at most 1000.
    pub(crate) norm_ratio: f64,
    /// Share of the side's quantity within 1 % of mid, 0..1.
    pub(crate) side_share: f64,
}

/// The 90th percentile (nearest rank) of the buckets within 50 of this one, itself left out.
///
/// None where fewer than ten neighbours are seen.
pub(crate) fn local_norm(half: &HalfBook, offset: usize) -> Option<Amount> {
    let low = offset.saturating_sub(NEIGHBOURHOOD);
    let high = (offset + NEIGHBOURHOOD + 1).min(half.buckets.len());
    let mut others = Vec::with_capacity(2 * NEIGHBOURHOOD);
    others.extend_from_slice(half.buckets.get(low..offset)?);
    others.extend_from_slice(half.buckets.get(offset + 1..high)?);
    if others.len() < FEWEST_NEIGHBOURS {
        return None;
    }
    let rank = (others.len() * NORM_TENTHS).div_ceil(10) - 1;
    Some(*others.select_nth_unstable(rank).1)
}

/// The walls of a side, nearest the market first.
pub(crate) fn find(half: &HalfBook, params: &Params) -> Vec<Wall> {
    let least = amount(params.min_order_volume);
    let near = half.near();
    if near <= 0 {
        return Vec::new();
    }
    let wall_at = |offset: usize| {
        let quantity = *half.buckets.get(offset)?;
        let big = quantity > 0 && quantity >= least && quantity * 1000 >= near * SIDE_THOUSANDTHS;
        if !big || !is_peak(half, offset) {
            return None;
        }
        let norm = local_norm(half, offset)?;
        (quantity >= norm * NORM_MULTIPLE).then_some(Wall {
            bucket: half.bucket(offset),
            price: half.peak_price(offset)?,
            quantity,
            norm,
            norm_ratio: norm_ratio(quantity, norm),
            side_share: ratio(quantity, near).min(1.0),
        })
    };
    (0..half.buckets.len()).filter_map(wall_at).collect()
}

/// True if a bucket held a wall in an earlier snapshot: half of what is asked of a new one suffices, so that
/// a wall at the threshold does not seem to come and go.
pub(crate) fn was_there(half: &HalfBook, offset: usize) -> bool {
    let Some(&quantity) = half.buckets.get(offset) else {
        return false;
    };
    quantity > 0
        && quantity * 2000 >= half.near() * SIDE_THOUSANDTHS
        && local_norm(half, offset).is_some_and(|norm| quantity * 2 >= norm * NORM_MULTIPLE)
}

/// Of equal buckets the one nearest the market is the peak.
fn is_peak(half: &HalfBook, offset: usize) -> bool {
    let quantity = half.buckets[offset];
    let nearer = &half.buckets[offset.saturating_sub(PEAK_REACH)..offset];
    let end = (offset + PEAK_REACH + 1).min(half.buckets.len());
    let farther = &half.buckets[offset + 1..end];
    nearer.iter().all(|other| *other < quantity) && farther.iter().all(|other| *other <= quantity)
}

fn norm_ratio(quantity: Amount, norm: Amount) -> f64 {
    if norm > 0 {
        ratio(quantity, norm).min(MAX_RATIO)
    } else {
        MAX_RATIO
    }
}

/// Strength of a wall, 0..1, not rounded.
///
/// `(r / (r + 5) + s / (s + 0.05)) / 2 × (0.5 + 0.5 × p)`, times 0.6 when fleeting, where `r` is the ratio
/// to the norm, `s` the share of the side and `p = (present + 1) / (seen + 2)` the presence shown, which
/// starts at 2/3 for a wall seen once and approaches 1 for one that stays. Grows with each of the three.
pub(crate) fn strength(wall: &Wall, present: u32, seen: u32, fleeting: bool) -> f64 {
    let size = wall.norm_ratio / (wall.norm_ratio + 5.0);
    let share = wall.side_share / (wall.side_share + 0.05);
    let presence = (f64::from(present) + 1.0) / (f64::from(seen) + 2.0);
    let penalty = if fleeting { 0.6 } else { 1.0 };
    f64::midpoint(size, share) * (0.5 + 0.5 * presence) * penalty
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::book::{BucketedBook, tests::snapshot};
    use crate::analysis::units::Grid;

    /// Bids of one unit in every bucket from 199 down to 100 but for the ones named.
    fn side(changes: &[(usize, &str)]) -> HalfBook {
        let rows: Vec<(String, String)> = (0..100)
            .map(|offset| {
                let change = changes.iter().find(|(at, _)| *at == offset);
                (
                    format!("{}.5", 199 - offset),
                    change.map_or("1", |(_, text)| text).to_owned(),
                )
            })
            .collect();
        let rows: Vec<(&str, &str)> = rows
            .iter()
            .map(|(price, quantity)| (price.as_str(), quantity.as_str()))
            .collect();
        let snapshot = snapshot(1, &rows, &[("200.5", "1")]);
        BucketedBook::new(&snapshot, Grid::new(Params::default().bucket_width)).bids
    }

    fn buckets(half: &HalfBook) -> Vec<i64> {
        find(half, &Params::default())
            .iter()
            .map(|wall| wall.bucket)
            .collect()
    }

    #[test]
    fn five_times_the_norm_is_a_wall_and_less_is_not() {
        assert_eq!(buckets(&side(&[(30, "5")])), [169]);
        assert_eq!(buckets(&side(&[(30, "4.99")])), [0_i64; 0]);
    }

    #[test]
    fn the_norm_is_the_ninetieth_percentile_of_the_others() {
        let half = side(&[(30, "50"), (31, "9"), (32, "8")]);
        // 80 others, of which 78 hold 1: the 72nd smallest is 1.
        assert_eq!(local_norm(&half, 30), Some(1_000_000_000_000));
        let crowded: Vec<(usize, &str)> = (0..20).map(|offset| (offset, "3")).collect();
        // 50 neighbours farther out and none nearer: ranks beyond the 30 ones.
        assert_eq!(local_norm(&side(&crowded), 0), Some(3_000_000_000_000));
    }

    #[test]
    fn of_walls_side_by_side_only_the_largest_counts_and_of_equals_the_nearest() {
        assert_eq!(buckets(&side(&[(30, "50"), (32, "60")])), [167]);
        assert_eq!(buckets(&side(&[(30, "50"), (31, "50")])), [169]);
        assert_eq!(buckets(&side(&[(30, "50"), (33, "60")])), [169, 166]);
    }

    #[test]
    fn strength_grows_with_size_share_and_presence_and_falls_when_fleeting() {
        let wall = |norm_ratio: f64, side_share: f64| Wall {
            bucket: 0,
            price: Decimal::ONE,
            quantity: 1,
            norm: 1,
            norm_ratio,
            side_share,
        };
        let weakest = strength(&wall(5.0, 0.015), 1, 60, true);
        assert!(weakest >= 0.1, "published at the default threshold: {weakest}");
        for (weaker, stronger) in [
            (
                strength(&wall(5.0, 0.02), 5, 10, false),
                strength(&wall(6.0, 0.02), 5, 10, false),
            ),
            (
                strength(&wall(5.0, 0.02), 5, 10, false),
                strength(&wall(5.0, 0.03), 5, 10, false),
            ),
            (
                strength(&wall(5.0, 0.02), 5, 10, false),
                strength(&wall(5.0, 0.02), 6, 10, false),
            ),
            (
                strength(&wall(5.0, 0.02), 5, 10, true),
                strength(&wall(5.0, 0.02), 5, 10, false),
            ),
            (
                strength(&wall(5.0, 0.02), 1, 1, false),
                strength(&wall(5.0, 0.02), 60, 60, false),
            ),
        ] {
            assert!(weaker < stronger);
        }
        assert!(strength(&wall(1000.0, 1.0), 60, 60, false) <= 1.0);
    }

    #[test]
    fn the_edge_of_sight_is_no_wall() {
        assert_eq!(buckets(&side(&[(99, "500")])), [0_i64; 0]);
        assert_eq!(buckets(&side(&[(98, "500")])), [101]);
    }
}

//! Density zones: stretches of a side where much rests in most of the buckets.

use crate::analysis::Params;
use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, Grid, number, ratio, round};
use crate::analysis::zones::{
    Run, SHORTEST, WINDOW, count, percentile, rolling, runs, strongest, without_walls, zone,
};
use crate::model::report::{Evidence, PriceZone};

/// Largest buckets left out of every sum: two orders are no zone.
const LEFT_OUT: usize = 2;
/// Percentile of the sums that every sum of a zone exceeds, in tenths.
const PERCENTILE_TENTHS: usize = 9;
/// A sum is dense from this many tenths of that percentile on.
const DENSE_TENTHS: Amount = 15;
/// Fewest dense sums of a zone.
const FEWEST_DENSE: usize = 14;
/// Largest ratio that is told apart.
const MAX_RATIO: f64 = 1000.0;

/// Density zones of a side, strongest first.
///
/// What is measured are sums of ten buckets in a row without walls and without their two largest buckets.
/// Maximal runs of them above the side's 90th percentile, in which at least fourteen are above one and a half
/// times that percentile. A zone covers the buckets in the middle of these sums, cut back at both ends to the
/// first that holds at least half their mean, and has at least five of them.
///
/// Strength: `(x / (x + 1) + s / (s + 0.05)) / 2`, where `x` is the largest such sum over the percentile and
/// `s` the zone's share, walls included, of the side's quantity within 1 % of mid.
pub(crate) fn find(half: &HalfBook, grid: Grid, params: &Params) -> Vec<PriceZone> {
    let buckets = without_walls(half, params);
    let sums = rolling(&buckets, sum_without_largest);
    let measure = Measure {
        percentile: percentile(&sums, PERCENTILE_TENTHS),
        median: percentile(&sums, 5),
    };
    let zones = runs(sums.len(), FEWEST_DENSE, |index| sums[index] > measure.percentile)
        .into_iter()
        .filter_map(|run| {
            let inside = &sums[run.nearest..=run.farthest];
            let dense = inside.iter().filter(|sum| measure.is_dense(**sum)).count();
            if dense < FEWEST_DENSE {
                return None;
            }
            let stretch = cut_back(&buckets, run)?;
            let share = ratio(
                half.buckets[stretch.nearest..=stretch.farthest].iter().sum(),
                half.near(),
            );
            let (least, peak) = (*inside.iter().min()?, *inside.iter().max()?);
            let excess = ratio(peak, measure.percentile.max(1)).min(MAX_RATIO);
            let strength = f64::midpoint(excess / (excess + 1.0), share / (share + 0.05));
            let why = Evidence::DenseSums {
                side: half.side,
                buckets: count(stretch.len()),
                sums: count(run.len()),
                dense_sums: count(dense),
                dense_from: number(measure.percentile * DENSE_TENTHS / 10),
                peak_sum: number(peak),
                least_sum: number(least),
                percentile_sum: number(measure.percentile),
                median_sum: number(measure.median),
                ratio: round(excess, 2),
                side_share: round(share, 4),
            };
            Some(zone(half, grid, stretch, strength, vec![why]))
        })
        .collect();
    strongest(zones)
}

/// What the sums of a side are measured by.
#[derive(Debug, Clone, Copy)]
struct Measure {
    percentile: Amount,
    median: Amount,
}

impl Measure {
    fn is_dense(self, sum: Amount) -> bool {
        sum * 10 > self.percentile * DENSE_TENTHS
    }
}

fn sum_without_largest(window: &[Amount]) -> Amount {
    let mut largest = [0; LEFT_OUT];
    let mut sum = 0;
    for quantity in window {
        sum += quantity;
        // The smallest of the largest gives way.
        if let Some(least) = largest.iter_mut().min()
            && *quantity > *least
        {
            *least = *quantity;
        }
    }
    sum - largest.iter().sum::<Amount>()
}

/// The buckets in the middle of a run of sums, from the first that holds at least half their mean to the last.
fn cut_back(buckets: &[Amount], run: Run) -> Option<Run> {
    let (nearest, farthest) = (run.nearest + WINDOW / 2 - 1, run.farthest + WINDOW / 2);
    let inside = buckets.get(nearest..=farthest)?;
    let twice_count = 2 * inside.len() as Amount;
    let volume: Amount = inside.iter().sum();
    let is_full = |quantity: &Amount| quantity * twice_count >= volume;
    let stretch = Run {
        nearest: nearest + inside.iter().position(is_full)?,
        farthest: nearest + inside.iter().rposition(is_full)?,
    };
    (stretch.len() >= SHORTEST).then_some(stretch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::zones::tests::{asks, ranges};
    use crate::num::BucketWidth;

    fn found(quantities: &[u32]) -> Vec<PriceZone> {
        find(&asks(quantities), Grid::new(BucketWidth::ONE), &Params::default())
    }

    #[test]
    fn a_broad_band_is_dense_and_a_single_wall_is_not() {
        let mut quantities = vec![10; 300];
        quantities[100..120].fill(100);
        assert_eq!(ranges(&found(&quantities)), ["1100..1120"]);
        let mut quantities = vec![10; 300];
        quantities[100] = 10_000;
        assert_eq!(ranges(&found(&quantities)), [""; 0]);
    }

    #[test]
    fn two_large_orders_or_a_little_more_than_elsewhere_are_no_zone() {
        let mut quantities = vec![10; 300];
        quantities[100] = 45;
        quantities[104] = 45;
        assert_eq!(ranges(&found(&quantities)), [""; 0]);
        let mut quantities = vec![10; 300];
        quantities[100..130].fill(14);
        assert_eq!(ranges(&found(&quantities)), [""; 0]);
    }

    #[test]
    fn the_evidence_can_be_checked_by_hand() {
        let mut quantities = vec![10; 300];
        quantities[100..120].fill(100);
        let zone = &found(&quantities)[0];
        // A sum without its two largest is 80 elsewhere. With k of the hundreds in it, k from 3 to 10, it is
        // (k - 2) × 100 + (10 - k) × 10, from 170 to 800: above 80 and above 1.5 × 80. Of 20 hundreds in a row
        // 20 + 10 - 1 - 2 × 2 = 25 sums hold at least 3.
        let Evidence::DenseSums {
            buckets,
            sums,
            dense_sums,
            dense_from,
            peak_sum,
            least_sum,
            percentile_sum,
            median_sum,
            ratio,
            side_share,
            ..
        } = &zone.evidence[0]
        else {
            panic!("{:?}", zone.evidence);
        };
        assert_eq!((*buckets, *sums, *dense_sums), (20, 25, 25));
        let texts =
            [dense_from, peak_sum, least_sum, percentile_sum, median_sum].map(|sum| sum.get().to_string());
        assert_eq!(texts, ["120", "800", "170", "80", "80"]);
        assert!((ratio - 10.0).abs() < 1e-9);
        let strength = f64::midpoint(10.0 / 11.0, side_share / (side_share + 0.05));
        assert!((zone.strength - strength).abs() < 1e-3, "{zone:?}");
    }
}

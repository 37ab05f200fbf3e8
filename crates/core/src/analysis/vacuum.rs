//! Vacuums: stretches of a side where hardly anything rests.

use crate::analysis::Params;
use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, Grid, number, ratio};
use crate::analysis::zones::{
    Run, SHORTEST, WINDOW, count, percentile, rolling, runs, strongest, without_walls, zone,
};
use crate::model::report::{Evidence, PriceZone};

/// Every sum of a vacuum is at most this part of the side's median sum, in thousandths.
const STAY_THOUSANDTHS: Amount = 100;
/// The least sum of a vacuum is at most this part of it, in thousandths.
const ENTER_THOUSANDTHS: Amount = 75;

/// A stretch with the smallest and largest of its thin sums; none where it is only empty.
#[derive(Debug, Clone, Copy)]
struct Thin {
    run: Run,
    sums: Option<(Amount, Amount)>,
}

/// Vacuums of a side, strongest first.
///
/// Maximal runs of five or more rolling sums of at most a tenth of the side's median sum, one of them of at
/// most 7.5 % of it, with all the buckets these sums cover, cut back at both ends to the first that holds at
/// most a tenth of such a tenth; and any run of five or more empty buckets. Ranges that touch are one. The
/// median is that of the sums without walls.
///
/// Strength: `(1 - r) × n / (n + 10)`, where `n` is the number of buckets and `r` the quantity per ten buckets
/// over the side's median sum, at most 1.
pub(crate) fn find(half: &HalfBook, grid: Grid, params: &Params) -> Vec<PriceZone> {
    let median = percentile(&rolling(&without_walls(half, params), sum), 5);
    let empty = runs(half.buckets.len(), SHORTEST, |offset| half.buckets[offset] == 0);
    let mut all = thin(half, median);
    all.extend(empty.iter().map(|run| Thin {
        run: *run,
        sums: None,
    }));
    all.sort_unstable_by_key(|thin| (thin.run.nearest, thin.run.farthest));
    let zones = joined(&all)
        .into_iter()
        .map(|thin| published(half, grid, thin, median, &empty))
        .collect();
    strongest(zones)
}

fn sum(window: &[Amount]) -> Amount {
    window.iter().sum()
}

fn is_within(sum: Amount, median: Amount, thousandths: Amount) -> bool {
    sum * 1000 <= median * thousandths
}

/// The runs of thin sums, as the buckets they cover.
fn thin(half: &HalfBook, median: Amount) -> Vec<Thin> {
    let sums = rolling(&half.buckets, sum);
    let is_thin = |quantity: &Amount| is_within(*quantity * WINDOW as Amount, median, STAY_THOUSANDTHS);
    runs(sums.len(), SHORTEST, |index| {
        is_within(sums[index], median, STAY_THOUSANDTHS)
    })
    .into_iter()
    .filter_map(|run| {
        let measured = &sums[run.nearest..=run.farthest];
        let (least, greatest) = (*measured.iter().min()?, *measured.iter().max()?);
        if !is_within(least, median, ENTER_THOUSANDTHS) {
            return None;
        }
        let inside = half.buckets.get(run.nearest..run.farthest + WINDOW)?;
        let run = Run {
            nearest: run.nearest + inside.iter().position(is_thin)?,
            farthest: run.nearest + inside.iter().rposition(is_thin)?,
        };
        (run.len() >= SHORTEST).then_some(Thin {
            run,
            sums: Some((least, greatest)),
        })
    })
    .collect()
}

/// Sorted stretches with those that touch made one.
fn joined(sorted: &[Thin]) -> Vec<Thin> {
    let mut joined: Vec<Thin> = Vec::new();
    for thin in sorted {
        match joined.last_mut() {
            Some(last) if thin.run.nearest <= last.run.farthest + 1 => {
                last.run.farthest = last.run.farthest.max(thin.run.farthest);
                last.sums = match (last.sums, thin.sums) {
                    (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                    (one, other) => one.or(other),
                };
            }
            _ => joined.push(*thin),
        }
    }
    joined
}

fn published(half: &HalfBook, grid: Grid, thin: Thin, median: Amount, empty: &[Run]) -> PriceZone {
    let (run, side) = (thin.run, half.side);
    let buckets = run.len();
    let ten_times: Amount =
        half.buckets[run.nearest..=run.farthest].iter().sum::<Amount>() * WINDOW as Amount;
    let part = (ratio(ten_times, median.max(1)) / buckets as f64).min(1.0);
    let length = buckets as f64 / (buckets as f64 + WINDOW as f64);
    let mut why = Vec::new();
    if let Some((least, greatest)) = thin.sums {
        why.push(Evidence::ThinSums {
            side,
            buckets: count(buckets),
            least_sum: number(least),
            greatest_sum: number(greatest),
            enter_sum: number(median * ENTER_THOUSANDTHS / 1000),
            stay_sum: number(median * STAY_THOUSANDTHS / 1000),
            median_sum: number(median),
            mean_sum: number(ten_times / buckets as Amount),
        });
    }
    let inside = empty
        .iter()
        .filter(|empty| run.nearest <= empty.nearest && empty.farthest <= run.farthest);
    why.extend(
        inside
            .map(|empty| empty.len())
            .max()
            .map(|longest| Evidence::EmptyBuckets {
                side,
                buckets: count(longest),
                median_sum: number(median),
            }),
    );
    zone(half, grid, run, (1.0 - part) * length, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::zones::tests::{asks, ranges};
    use crate::num::BucketWidth;

    #[test]
    fn a_thin_stretch_and_an_empty_one_are_vacuums_with_exact_edges_and_say_why() {
        let mut quantities = vec![100; 300];
        quantities[50..80].fill(1);
        quantities[200..205].fill(0);
        quantities[250..254].fill(0);
        let found = find(
            &asks(&quantities),
            Grid::new(BucketWidth::ONE),
            &Params::default(),
        );
        assert_eq!(ranges(&found), ["1050..1080", "1200..1205"]);
        let tens = |sum: i64| crate::model::report::Number::new(rust_decimal::Decimal::from(sum));
        // 10 in ten buckets of the stretch against 1000 elsewhere: (1 - 0.01) × 30 / 40.
        assert!((found[0].strength - 0.7425).abs() < 1e-9);
        let side = crate::model::report::BookSide::Ask;
        assert_eq!(
            found[0].evidence,
            [Evidence::ThinSums {
                side,
                buckets: 30,
                least_sum: tens(10),
                greatest_sum: tens(10),
                enter_sum: tens(75),
                stay_sum: tens(100),
                median_sum: tens(1000),
                mean_sum: tens(10),
            }]
        );
        assert_eq!(found[1].volume, number(0));
        assert_eq!(
            found[1].evidence,
            [Evidence::EmptyBuckets {
                side,
                buckets: 5,
                median_sum: tens(1000),
            }]
        );
    }
}

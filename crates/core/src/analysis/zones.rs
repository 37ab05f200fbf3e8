//! Stretches of the book: where much rests over many buckets, and where hardly anything does.
//!
//! Each side is looked at apart and outwards from its own best price, so that the gap between best bid and
//! best ask, where nothing can rest, is never a zone.
//!
//! Both detectors measure a stretch against its side. What a side holds in its walls is left out of that
//! measure: a wall is in ten sums of ten buckets, so that an order coming or going would make or unmake zones
//! it has nothing to do with.

use crate::analysis::Params;
use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, Grid, number, ratio, round};
use crate::analysis::walls;
use crate::model::report::PriceZone;

/// Buckets of the rolling sum.
const WINDOW: usize = 10;
/// Fewest buckets of a zone, fewest thin sums in a row and fewest empty buckets that make a vacuum.
const SHORTEST: usize = 5;
/// Percentile of the sums without their largest bucket that a density zone exceeds, in tenths.
const DENSE_TENTHS: usize = 9;
/// Every sum of a vacuum is at most this part of the side's median sum, in thousandths.
const THIN_THOUSANDTHS: Amount = 125;
/// The least sum of a vacuum is at most this part of it, in thousandths.
const THINNEST_THOUSANDTHS: Amount = 75;
/// Most zones that are published per side.
const MOST: usize = 20;

/// A zone as offsets from the market, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    nearest: usize,
    farthest: usize,
}

/// Sums over ten buckets in a row; entry `k` covers the buckets `k..k + 10`.
fn rolling(buckets: &[Amount], sum: impl Fn(&[Amount]) -> Amount) -> Vec<Amount> {
    buckets.windows(WINDOW).map(sum).collect()
}

/// The buckets of a side with nothing in those that are walls.
fn without_walls(half: &HalfBook, params: &Params) -> Vec<Amount> {
    let mut buckets = half.buckets.clone();
    for wall in walls::find(half, params) {
        if let Some(offset) = half.offset(wall.bucket) {
            buckets[offset] = 0;
        }
    }
    buckets
}

/// Nearest-rank percentile, in tenths; 0 of nothing.
fn percentile(values: &[Amount], tenths: usize) -> Amount {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * tenths).div_ceil(10);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Density zones of a side, strongest first.
///
/// Sums are taken without walls and without their largest bucket, so that one wall is not a zone and a book
/// of many walls does not hide the zones between them. A zone is a maximal run of ten or more sums above the
/// side's 90th percentile of such sums: two large buckets alone are in at most nine sums together. It covers
/// the buckets in the middle of these sums, cut back at both ends to the first that holds at least half their
/// mean, and has at least five of them.
///
/// Strength: `(x / (x + 1) + s / (s + 0.05)) / 2`, where `x` is the largest such sum over the percentile and
/// `s` the zone's share, walls included, of the side's quantity within 1 % of mid.
pub(crate) fn dense(half: &HalfBook, grid: Grid, params: &Params) -> Vec<PriceZone> {
    let buckets = without_walls(half, params);
    let sums = rolling(&buckets, |window| {
        window.iter().sum::<Amount>() - window.iter().max().copied().unwrap_or(0)
    });
    let bar = percentile(&sums, DENSE_TENTHS);
    let zones = runs(sums.len(), WINDOW, |index| sums[index] > bar)
        .into_iter()
        .filter_map(|run| {
            let (nearest, farthest) = (run.nearest + WINDOW / 2 - 1, run.farthest + WINDOW / 2);
            let inside = buckets.get(nearest..=farthest)?;
            let twice_count = 2 * inside.len() as Amount;
            let volume: Amount = inside.iter().sum();
            let is_full = |quantity: &Amount| quantity * twice_count >= volume;
            let farthest = nearest + inside.iter().rposition(is_full)?;
            let nearest = nearest + inside.iter().position(is_full)?;
            if farthest + 1 - nearest < SHORTEST {
                return None;
            }
            let largest = sums[run.nearest..=run.farthest].iter().max()?;
            let share = ratio(half.buckets[nearest..=farthest].iter().sum(), half.near());
            let excess = ratio(*largest, bar.max(1));
            let strength = f64::midpoint(excess / (excess + 1.0), share / (share + 0.05));
            Some(zone(half, grid, Run { nearest, farthest }, strength))
        })
        .collect();
    strongest(zones)
}

/// Vacuums of a side, strongest first.
///
/// Maximal runs of five or more rolling sums of at most an eighth of the side's median sum, one of them of at
/// most 7.5 % of it, with all the buckets these sums cover, cut back at both ends to the first that holds at
/// most a tenth of such an eighth; and any run of five or more empty buckets. Ranges that touch are one. The
/// median is that of the sums without walls.
///
/// Strength: `(1 - r) × n / (n + 10)`, where `n` is the number of buckets and `r` the quantity per ten buckets
/// over the side's median sum, at most 1.
pub(crate) fn vacuums(half: &HalfBook, grid: Grid, params: &Params) -> Vec<PriceZone> {
    let sum = |window: &[Amount]| window.iter().sum();
    let sums = rolling(&half.buckets, sum);
    let median = percentile(&rolling(&without_walls(half, params), sum), 5);
    let is_within = |sum: Amount, thousandths: Amount| sum * 1000 <= median * thousandths;
    let mut all = runs(sums.len(), SHORTEST, |index| {
        is_within(sums[index], THIN_THOUSANDTHS)
    });
    all.retain(|run| {
        let mut inside = sums[run.nearest..=run.farthest].iter();
        inside.any(|sum| is_within(*sum, THINNEST_THOUSANDTHS))
    });
    let is_thin = |quantity: &Amount| is_within(*quantity * WINDOW as Amount, THIN_THOUSANDTHS);
    let mut all: Vec<Run> = all
        .into_iter()
        .filter_map(|run| {
            let inside = half.buckets.get(run.nearest..run.farthest + WINDOW)?;
            let farthest = run.nearest + inside.iter().rposition(is_thin)?;
            let nearest = run.nearest + inside.iter().position(is_thin)?;
            (farthest + 1 - nearest >= SHORTEST).then_some(Run { nearest, farthest })
        })
        .collect();
    all.extend(runs(half.buckets.len(), SHORTEST, |offset| {
        half.buckets[offset] == 0
    }));
    all.sort_unstable_by_key(|run| (run.nearest, run.farthest));
    let zones = joined(&all)
        .into_iter()
        .map(|run| {
            let buckets = run.farthest - run.nearest + 1;
            let volume: Amount = half.buckets[run.nearest..=run.farthest].iter().sum();
            let per_window = ratio(volume * WINDOW as Amount, median.max(1)) / buckets as f64;
            let length = buckets as f64 / (buckets as f64 + WINDOW as f64);
            zone(half, grid, run, (1.0 - per_window.min(1.0)) * length)
        })
        .collect();
    strongest(zones)
}

/// Sorted runs with those that touch made one.
fn joined(sorted: &[Run]) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in sorted {
        match joined.last_mut() {
            Some(last) if run.nearest <= last.farthest + 1 => last.farthest = last.farthest.max(run.farthest),
            _ => joined.push(*run),
        }
    }
    joined
}

fn zone(half: &HalfBook, grid: Grid, run: Run, strength: f64) -> PriceZone {
    let (low, high) = half.span(run.nearest, run.farthest);
    PriceZone {
        low: grid.low(low),
        high: grid.low(high),
        side: half.side,
        volume: number(half.buckets[run.nearest..=run.farthest].iter().sum()),
        strength: round(strength, 4),
    }
}

/// Zones come nearest the market first, and a stable sort keeps that order among equals.
fn strongest(mut zones: Vec<PriceZone>) -> Vec<PriceZone> {
    zones.sort_by(|one, other| other.strength.total_cmp(&one.strength));
    zones.truncate(MOST);
    zones
}

/// Maximal runs of at least `shortest` indices below `count` for which the test holds.
fn runs(count: usize, shortest: usize, holds: impl Fn(usize) -> bool) -> Vec<Run> {
    let mut found = Vec::new();
    let mut start = None;
    for index in 0..=count {
        if index < count && holds(index) {
            start.get_or_insert(index);
        } else if let Some(nearest) = start.take()
            && index - nearest >= shortest
        {
            found.push(Run {
                nearest,
                farthest: index - 1,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::book::{BucketedBook, tests::snapshot};
    use crate::num::BucketWidth;

    /// Asks in the buckets from 1000 up with these quantities; zero is an empty bucket.
    fn asks(quantities: &[u32]) -> HalfBook {
        let rows: Vec<(String, String)> = quantities
            .iter()
            .enumerate()
            .filter(|(_, quantity)| **quantity > 0)
            .map(|(offset, quantity)| (format!("{}.5", 1000 + offset), quantity.to_string()))
            .collect();
        let rows: Vec<(&str, &str)> = rows
            .iter()
            .map(|(price, quantity)| (price.as_str(), quantity.as_str()))
            .collect();
        BucketedBook::new(
            &snapshot(1, &[("999.5", "1")], &rows),
            Grid::new(BucketWidth::ONE),
        )
        .asks
    }

    fn ranges(zones: &[PriceZone]) -> Vec<String> {
        zones
            .iter()
            .map(|zone| format!("{}..{}", zone.low.get(), zone.high.get()))
            .collect()
    }

    #[test]
    fn a_broad_band_is_dense_and_a_single_wall_is_not() {
        let grid = Grid::new(BucketWidth::ONE);
        let mut quantities = vec![10; 300];
        quantities[100..120].fill(100);
        assert_eq!(
            ranges(&dense(&asks(&quantities), grid, &Params::default())),
            ["1100..1120"]
        );
        let mut quantities = vec![10; 300];
        quantities[100] = 10_000;
        assert_eq!(
            ranges(&dense(&asks(&quantities), grid, &Params::default())),
            [""; 0]
        );
    }

    #[test]
    fn a_thin_stretch_and_an_empty_one_are_vacuums_with_exact_edges() {
        let grid = Grid::new(BucketWidth::ONE);
        let mut quantities = vec![100; 300];
        quantities[50..80].fill(1);
        quantities[200..205].fill(0);
        quantities[250..254].fill(0);
        let found = vacuums(&asks(&quantities), grid, &Params::default());
        assert_eq!(ranges(&found), ["1050..1080", "1200..1205"]);
        assert!(found[0].strength > 0.7, "{found:?}");
        assert_eq!(found[1].volume, number(0));
    }
}

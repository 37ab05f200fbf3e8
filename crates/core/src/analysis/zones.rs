//! Stretches of the book: where much rests over many buckets, and where hardly anything does.
//!
//! Each side is looked at apart and outwards from its own best price, so that the gap between best bid and
//! best ask, where nothing can rest, is never a zone.

use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, Grid, number, ratio, round};
use crate::model::report::PriceZone;

/// Buckets of the rolling sum.
const WINDOW: usize = 10;
/// Fewest buckets of a zone, fewest thin sums in a row and fewest empty buckets that make a vacuum.
const SHORTEST: usize = 5;
/// Percentile of the sums without their largest bucket that a density zone exceeds, in tenths.
const DENSE_TENTHS: usize = 9;
/// A vacuum's sums are at most the median of all sums over this.
const VACUUM_DIVISOR: Amount = 10;
/// Most zones that are published per side.
const MOST: usize = 20;

/// A zone as offsets from the market, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    nearest: usize,
    farthest: usize,
}

/// Sums of ten buckets in a row; entry `k` covers the buckets `k..k + 10`.
fn rolling(half: &HalfBook, sum: impl Fn(&[Amount]) -> Amount) -> Vec<Amount> {
    half.buckets.windows(WINDOW).map(sum).collect()
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
/// Sums are taken without their largest bucket, so that one wall is not a zone and a book of many walls
/// does not hide the zones between them. A zone is a maximal run of ten or more sums above the side's 90th
/// percentile of such sums: two large buckets alone are in at most nine sums together. It covers the buckets
/// in the middle of these sums, cut back at both ends to the first that holds at least half their mean, and
/// has at least five of them.
///
/// Strength: `(x / (x + 1) + s / (s + 0.05)) / 2`, where `x` is the largest such sum over the percentile and
/// `s` the zone's share of the side's quantity within 1 % of mid.
pub(crate) fn dense(half: &HalfBook, grid: Grid) -> Vec<PriceZone> {
    let sums = rolling(half, |window| {
        window.iter().sum::<Amount>() - window.iter().max().copied().unwrap_or(0)
    });
    let bar = percentile(&sums, DENSE_TENTHS);
    let zones = runs(sums.len(), WINDOW, |index| sums[index] > bar)
        .into_iter()
        .filter_map(|run| {
            let (nearest, farthest) = (run.nearest + WINDOW / 2 - 1, run.farthest + WINDOW / 2);
            let inside = half.buckets.get(nearest..=farthest)?;
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
/// Maximal runs of five or more rolling sums of at most a tenth of the side's median sum, with all the
/// buckets these sums cover; and any run of five or more empty buckets. Ranges that touch are one.
///
/// Strength: `(1 - r) × n / (n + 10)`, where `n` is the number of buckets and `r` the quantity per ten buckets
/// over the side's median sum, at most 1.
pub(crate) fn vacuums(half: &HalfBook, grid: Grid) -> Vec<PriceZone> {
    let sums = rolling(half, |window| window.iter().sum());
    let median = percentile(&sums, 5);
    let thin = runs(sums.len(), SHORTEST, |index| {
        sums[index] * VACUUM_DIVISOR <= median
    });
    let thin = thin.into_iter().map(|run| Run {
        nearest: run.nearest,
        farthest: run.farthest + WINDOW - 1,
    });
    let empty = runs(half.buckets.len(), SHORTEST, |offset| half.buckets[offset] == 0);
    let mut all: Vec<Run> = thin.chain(empty).collect();
    all.sort_unstable_by_key(|run| (run.nearest, run.farthest));
    let mut merged: Vec<Run> = Vec::new();
    for run in all {
        match merged.last_mut() {
            Some(last) if run.nearest <= last.farthest + 1 => last.farthest = last.farthest.max(run.farthest),
            _ => merged.push(run),
        }
    }
    let zones = merged
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
        assert_eq!(ranges(&dense(&asks(&quantities), grid)), ["1100..1120"]);
        let mut quantities = vec![10; 300];
        quantities[100] = 10_000;
        assert_eq!(ranges(&dense(&asks(&quantities), grid)), [""; 0]);
    }

    #[test]
    fn a_thin_stretch_and_an_empty_one_are_vacuums_with_exact_edges() {
        let grid = Grid::new(BucketWidth::ONE);
        let mut quantities = vec![100; 300];
        quantities[50..80].fill(1);
        quantities[200..205].fill(0);
        quantities[250..254].fill(0);
        let found = vacuums(&asks(&quantities), grid);
        assert_eq!(ranges(&found), ["1050..1080", "1200..1205"]);
        assert!(found[0].strength > 0.7, "{found:?}");
        assert_eq!(found[1].volume, number(0));
    }
}

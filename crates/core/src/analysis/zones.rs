//! Stretches of the book, and what they are measured by: sums of ten buckets in a row.
//!
//! Each side is looked at apart and outwards from its own best price, so that the gap between best bid and
//! best ask, where nothing can rest, is never a zone.
//!
//! Both detectors measure a stretch against its side. What a side holds in its walls is left out of that
//! measure: a wall is in ten sums of ten buckets, so that an order coming or going would make or unmake zones
//! it has nothing to do with.

use crate::analysis::Params;
use crate::analysis::book::HalfBook;
use crate::analysis::units::{Amount, Grid, number, round};
use crate::analysis::walls;
use crate::model::report::{Evidence, PriceZone};

/// Buckets of the rolling sum.
pub(crate) const WINDOW: usize = 10;
/// Fewest buckets of a zone.
pub(crate) const SHORTEST: usize = 5;
/// Most zones that are published per side.
const MOST: usize = 20;

/// A stretch as offsets from the market, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) nearest: usize,
    pub(crate) farthest: usize,
}

impl Run {
    /// Number of buckets or sums.
    pub(crate) fn len(self) -> usize {
        self.farthest + 1 - self.nearest
    }
}

/// Sums over ten buckets in a row; entry `k` covers the buckets `k..k + 10`.
pub(crate) fn rolling(buckets: &[Amount], sum: impl Fn(&[Amount]) -> Amount) -> Vec<Amount> {
    buckets.windows(WINDOW).map(sum).collect()
}

/// The buckets of a side with nothing in those that are walls.
pub(crate) fn without_walls(half: &HalfBook, params: &Params) -> Vec<Amount> {
    let mut buckets = half.buckets.clone();
    for wall in walls::find(half, params) {
        if let Some(offset) = half.offset(wall.bucket) {
            buckets[offset] = 0;
        }
    }
    buckets
}

/// Nearest-rank percentile, in tenths; 0 of nothing.
pub(crate) fn percentile(values: &[Amount], tenths: usize) -> Amount {
    if values.is_empty() {
        return 0;
    }
    let mut values = values.to_vec();
    let rank = (values.len() * tenths).div_ceil(10);
    *values.select_nth_unstable(rank.saturating_sub(1)).1
}

/// Maximal runs of at least `shortest` indices below `count` for which the test holds.
pub(crate) fn runs(count: usize, shortest: usize, holds: impl Fn(usize) -> bool) -> Vec<Run> {
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

/// A stretch as it is published.
pub(crate) fn zone(
    half: &HalfBook,
    grid: Grid,
    run: Run,
    strength: f64,
    evidence: Vec<Evidence>,
) -> PriceZone {
    let (low, high) = half.span(run.nearest, run.farthest);
    PriceZone {
        low: grid.low(low),
        high: grid.low(high),
        side: half.side,
        volume: number(half.buckets[run.nearest..=run.farthest].iter().sum()),
        strength: round(strength, 4),
        evidence,
    }
}

/// A number of buckets as it is published.
pub(crate) fn count(buckets: usize) -> u32 {
    u32::try_from(buckets).unwrap_or(u32::MAX)
}

/// Zones come nearest the market first, and a stable sort keeps that order among equals.
pub(crate) fn strongest(mut zones: Vec<PriceZone>) -> Vec<PriceZone> {
    zones.sort_by(|one, other| other.strength.total_cmp(&one.strength));
    zones.truncate(MOST);
    zones
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::analysis::book::{BucketedBook, tests::snapshot};
    use crate::num::BucketWidth;

    /// Asks in the buckets from 1000 up with these quantities; zero is an empty bucket.
    pub(crate) fn asks(quantities: &[u32]) -> HalfBook {
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

    pub(crate) fn ranges(zones: &[PriceZone]) -> Vec<String> {
        zones
            .iter()
            .map(|zone| format!("{}..{}", zone.low.get(), zone.high.get()))
            .collect()
    }

    #[test]
    fn runs_are_maximal_and_long_enough() {
        let holds = [true, true, false, true, true, true, false, true];
        let found = runs(holds.len(), 2, |index| holds[index]);
        let found: Vec<(usize, usize)> = found.iter().map(|run| (run.nearest, run.farthest)).collect();
        assert_eq!(found, [(0, 1), (3, 5)]);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile(&[5, 1, 4, 2, 3], 5), 3);
        assert_eq!(percentile(&[5, 1, 4, 2, 3], 9), 5);
        assert_eq!(percentile(&[], 9), 0);
    }
}

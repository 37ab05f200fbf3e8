//! What is put into a side, and where.

use strategy_core::model::report::MarketReport;

use super::market::{Rows, buckets, limit, norm, rolling, scaled, whole};
use super::random::Random;

/// Walls put into each side.
const WALLS: usize = 3;
/// Most places tried for a planted thing.
const MOST_TRIES: usize = 100_000;

/// What was planted on one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    /// Prices in cents.
    pub(super) walls: Vec<i64>,
    /// First bucket and the one after the last.
    pub(super) dense: (i64, i64),
    /// First bucket and the one after the last.
    pub(super) vacuum: (i64, i64),
}

/// Puts a vacuum, a band and walls into one side, apart from each other and from what is there by itself.
pub(super) fn plant(
    rows: &mut Rows,
    side: usize,
    mid: i64,
    before: &MarketReport,
    random: &mut Random,
) -> Truth {
    let (low, high) = (
        rows.keys().next().unwrap().div_euclid(100) + 15,
        rows.keys().next_back().unwrap().div_euclid(100) - 15,
    );
    let mut taken: Vec<(i64, i64)> = before
        .density_zones
        .iter()
        .chain(&before.vacuum_ranges)
        .map(|zone| (scaled(zone.low.get(), 0), scaled(zone.high.get(), 0)))
        .collect();
    let mut place = |length: i64, random: &mut Random| {
        for _ in 0..MOST_TRIES {
            let start = random.whole(low, high - length);
            let room = (start - 12, start + length + 12);
            if taken.iter().all(|(from, to)| room.1 <= *from || *to <= room.0) {
                taken.push((start, start + length));
                return (start, start + length);
            }
        }
        panic!("no room for {length} buckets between {low} and {high}");
    };
    let (vacuum_length, dense_length) = (random.whole(20, 40), random.whole(20, 40));
    let (vacuum, dense) = (place(vacuum_length, random), place(dense_length, random));
    // Beside something larger a wall would not be one.
    let side_total: i64 = rows.values().sum();
    let large: Vec<i64> = buckets(rows)
        .into_iter()
        .filter(|(_, held)| *held > side_total / 100)
        .map(|(bucket, _)| bucket)
        .collect();
    let walls: Vec<i64> = (0..WALLS)
        .map(|_| {
            loop {
                let bucket = place(1, random).0;
                if large.iter().all(|other| (other - bucket).abs() > 3) {
                    break bucket;
                }
            }
        })
        .collect();

    let sums = rolling(&buckets(rows));
    let (median, ninetieth) = (sums[sums.len() / 2], sums[sums.len() * 9 / 10]);
    // A vacuum: every bucket holds at most half of what the definition allows.
    for bucket in vacuum.0..vacuum.1 {
        let held: i64 = rows
            .range(bucket * 100..bucket * 100 + 100)
            .map(|(_, held)| held)
            .sum();
        let allowed = median / 200;
        if held > allowed {
            for (_, quantity) in rows.range_mut(bucket * 100..bucket * 100 + 100) {
                *quantity = (i128::from(*quantity) * i128::from(allowed) / i128::from(held))
                    .try_into()
                    .unwrap_or(0);
                *quantity = (*quantity).max(1);
            }
        }
    }
    // A band: one and a half to three times the 90th percentile, spread over its buckets.
    let level = random.real(1.5, 3.0) * ninetieth as f64 / 10.0;
    for bucket in dense.0..dense.1 {
        *rows.entry(bucket * 100 + random.whole(0, 99)).or_default() += whole(level * random.real(0.6, 1.4));
    }
    // Walls: at least 8 times the norm and 3 % of the side, some more.
    let norms: Vec<i64> = walls.iter().map(|bucket| norm(&buckets(rows), *bucket)).collect();
    let wanted: Vec<(f64, f64)> = walls
        .iter()
        .map(|_| (random.real(8.0, 16.0), random.real(0.03, 0.08)))
        .collect();
    let prices: Vec<i64> = walls
        .iter()
        .map(|bucket| bucket * 100 + random.whole(0, 99))
        .collect();
    for price in &prices {
        rows.insert(*price, 1);
    }
    let is_near = |price: i64| (price - mid).abs() * 100 <= mid;
    for _ in 0..50 {
        let side_total: i64 = rows
            .iter()
            .filter(|(price, _)| is_near(**price))
            .map(|(_, held)| held)
            .sum();
        for ((price, norm), (multiple, share)) in prices.iter().zip(&norms).zip(&wanted) {
            let wall = (multiple * *norm as f64).max(share * side_total as f64);
            rows.insert(*price, whole(wall * 1.001));
        }
    }
    limit(rows, side);
    Truth {
        walls: prices,
        dense,
        vacuum,
    }
}

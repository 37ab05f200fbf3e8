//! Volume profiles whose hills are known.

use strategy_core::model::MinuteFootprint;
use strategy_core::time::Minute;

use super::Tally;
use super::market::{add, count, report, scaled, whole};
use super::random::Random;

/// Profiles with three hills over an uneven floor, traded over 300 minutes; found is what lies within half the
/// hill's width, or five rows.
pub(crate) fn nodes(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut random = Random::new(seed ^ 0xF10);
        let base = 100_000;
        let hills: Vec<(i64, f64, f64)> = (0..3)
            .map(|hill| {
                let center = base + 60 + hill * 90 + random.whole(-20, 20);
                (center, random.real(8.0, 20.0), random.real(0.6, 1.0))
            })
            .collect();
        let minutes: Vec<MinuteFootprint> = (0..300)
            .map(|number| {
                let mut minute = MinuteFootprint::empty(Minute::from_number(number).unwrap(), true);
                for _ in 0..40 {
                    let bucket = base + random.whole(0, 300);
                    let height: f64 = hills
                        .iter()
                        .map(|(center, width, height)| {
                            let distance = (bucket - center) as f64 / width;
                            height * (-distance * distance / 2.0).exp()
                        })
                        .sum();
                    // Volumes are uneven: a few trades are much larger than the rest.
                    let lots = random.real(0.0, 1.0).powi(4) * 4.0 + 0.2;
                    add(
                        &mut minute,
                        bucket,
                        whole((height + 0.05) * lots * 1e7),
                        number % 2 == 0,
                    );
                }
                minute
            })
            .collect();
        let report = report(&[], &minutes, 300);
        let found: Vec<i64> = report
            .poc_levels
            .iter()
            .map(|price| scaled(price.get(), 0))
            .collect();
        // A broad hill has a flat top.
        let near = |row: i64, hill: &(i64, f64, f64)| (row - hill.0).abs() as f64 <= (hill.1 / 2.0).max(5.0);
        tally.planted += count(hills.iter());
        tally.recovered += count(
            hills
                .iter()
                .filter(|hill| found.iter().any(|row| near(*row, hill))),
        );
        tally.found += count(found.iter());
        let is_near_a_hill = |row: i64| hills.iter().any(|hill| near(row, hill));
        tally.unexplained += count(found.iter().filter(|row| !is_near_a_hill(**row)));
    }
    tally
}

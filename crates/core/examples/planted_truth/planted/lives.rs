//! Walls over many snapshots, of which it is known whether they stay.

use super::market::{buckets, limit, norm, report, scaled, snapshot, traded, whole};
use super::random::Random;
use super::{Background, Recorded, Tally};

/// Walls followed in every book.
const WALLS: usize = 4;

/// How many walls were told right: [`Tally::recall`] is the accuracy.
///
/// Four walls over 20 to 60 snapshots: one that stays, one that stays and is traded away in part, one that is
/// rarely there, one that is pulled for one to three minutes as price nears. Every wall changes by up to a tenth
/// to a quarter from one snapshot to the next, and everything around it by a fifth.
pub(crate) fn lives(recorded: &Recorded, background: Background, seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut random = Random::new(seed ^ 0x5EED);
        let plain = recorded.background(background, &mut random);
        let top = plain[0].keys().next_back().unwrap().div_euclid(100);
        let lowest = plain[0].keys().next().unwrap().div_euclid(100);
        // Below where price gets, and inside what the book shows.
        let apart = ((top - lowest - 120) / 4).min(120);
        let places: Vec<i64> = (0..4)
            .map(|place| (top - 70 - apart * place - random.whole(0, apart / 2)) * 100)
            .collect();
        let total: i64 = plain[0].values().sum();
        let held = buckets(&plain[0]);
        let highest = places
            .iter()
            .map(|price| norm(&held, price.div_euclid(100)))
            .max();
        // A wall beyond doubt, also after what it loses.
        let size = whole(
            (total as f64 * random.real(0.04, 0.08))
                .max(highest.unwrap_or(0) as f64 * random.real(9.0, 14.0)),
        );
        let size = size.max(held.values().copied().max().unwrap_or(0) * 3 / 2);
        let steps = random.whole(20, 60);
        let change = random.real(0.1, 0.25);
        let rarely = random.real(0.02, 0.12);
        let pulled_at = random.whole(4, steps - 6);
        let (pulled_for, left) = (random.whole(1, 3), random.real(0.0, 0.3));
        let mut books = Vec::new();
        let mut minutes = Vec::new();
        let mut remaining = 2 * size;
        for step in 0..steps {
            let is_last = step == steps - 1;
            let mut sides = plain.clone();
            for quantity in sides.iter_mut().flat_map(|rows| rows.values_mut()) {
                *quantity = whole(*quantity as f64 * random.real(0.8, 1.2)).max(1);
            }
            // Price comes nearer by a dollar a minute.
            sides[0].split_off(&((top - step) * 100));
            sides[1].insert((top - step) * 100 + 10, size / 4);
            let sold = if is_last {
                0
            } else {
                random.whole(0, remaining / 40)
            };
            remaining -= sold;
            let flickers = is_last || random.chance(rarely);
            let stands = step < pulled_at || step >= pulled_at + pulled_for;
            let pulled = if stands { size } else { whole(size as f64 * left) };
            for (price, held) in places
                .iter()
                .zip([size, remaining, if flickers { size } else { 1 }, pulled])
            {
                // Orders come and go in every wall.
                let held = whole(held as f64 * random.real(1.0 - change, 1.0 + change)).max(1);
                sides[0].insert(*price, held);
            }
            limit(&mut sides[0], 0);
            limit(&mut sides[1], 1);
            books.push(snapshot(&sides, step));
            minutes.push(traded(step, places[1], sold));
        }
        let report = report(&books, &minutes, steps);
        for (place, price) in places.iter().enumerate() {
            let mut found = report.support_levels.iter();
            let found = found.find(|level| scaled(level.price.get(), 2) == *price);
            let is_fleeting = place >= WALLS / 2;
            tally.planted += 1;
            tally.found += u32::from(found.is_some());
            tally.recovered += u32::from(found.is_some_and(|level| level.fleeting == is_fleeting));
            tally.unexplained += u32::from(found.is_some_and(|level| level.fleeting != is_fleeting));
        }
    }
    tally
}

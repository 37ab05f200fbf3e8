//! Books in which it is known what is to be found.
//!
//! A background, drawn, made up or recorded, gets walls, density bands and vacuums of known place and size, and
//! a tally counts what the analysis finds of them and what it finds besides. The random numbers come from a seed.

mod background;
mod lives;
mod market;
mod nodes;
mod plant;
mod random;

use strategy_core::model::report::{BookSide, MarketReport, PriceZone};

pub(crate) use background::{Background, Recorded};
pub(crate) use lives::lives;
pub(crate) use nodes::nodes;

use market::{count, report, scaled, snapshot, thin_stretches};
use plant::{Truth, plant};
use random::Random;

/// How a detector did over many books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Things planted.
    pub(crate) planted: u32,
    /// Those of them found.
    pub(crate) recovered: u32,
    /// Things found.
    pub(crate) found: u32,
    /// Things found that are neither planted nor found in the background alone.
    pub(crate) new: u32,
    /// Things found for which there is no explanation: of a background without structure whatever was not
    /// planted, otherwise what is new; but a vacuum is explained where the background alone is as thin as the
    /// definition says, whatever the detector made of it.
    pub(crate) unexplained: u32,
    /// Things found in the backgrounds alone.
    pub(crate) alone: u32,
}

impl Tally {
    /// Share of the planted things that were found, 0..1.
    pub(crate) fn recall(self) -> f64 {
        f64::from(self.recovered) / f64::from(self.planted.max(1))
    }

    /// Share of the found things that are explained, 0..1.
    pub(crate) fn precision(self) -> f64 {
        1.0 - f64::from(self.unexplained) / f64::from(self.found.max(1))
    }
}

/// How every detector did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Score {
    /// Walls of at least 8 × the local norm and 3 % of the side, by exact price.
    pub(crate) walls: Tally,
    /// Bands of 20 to 40 buckets, by an overlap of at least half of the union.
    pub(crate) dense: Tally,
    /// Vacuums of 20 to 40 buckets, likewise.
    pub(crate) vacuums: Tally,
}

/// Plants into one book for every seed and tallies what is found.
pub(crate) fn books(recorded: &Recorded, background: Background, seeds: impl Iterator<Item = u64>) -> Score {
    let mut score = Score::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let plain = recorded.background(background, &mut random);
        let before = report(&[snapshot(&plain, 0)], &[], 60);
        let mut planted = plain.clone();
        let mid = (plain[0].keys().next_back().unwrap() + plain[1].keys().next().unwrap()) / 2;
        let truths = [0, 1].map(|side: usize| plant(&mut planted[side], side, mid, &before, &mut random));
        let after = report(&[snapshot(&planted, 0)], &[], 60);
        let structure = background.has_structure();
        for (side, truth) in truths.iter().enumerate() {
            let thin = thin_stretches(&plain[side]);
            tally_side(&mut score, (side, truth), (&before, &after), structure, &thin);
        }
    }
    score
}

fn tally_side(
    score: &mut Score,
    (side, truth): (usize, &Truth),
    (before, after): (&MarketReport, &MarketReport),
    structure: bool,
    thin: &[(i64, i64)],
) {
    let walls = |report: &MarketReport| -> Vec<i64> {
        let levels = if side == 0 {
            &report.support_levels
        } else {
            &report.resistance_levels
        };
        levels.iter().map(|level| scaled(level.price.get(), 2)).collect()
    };
    let (known, found) = (walls(before), walls(after));
    score.walls.planted += count(truth.walls.iter());
    score.walls.recovered += count(truth.walls.iter().filter(|price| found.contains(price)));
    score.walls.found += count(found.iter());
    score.walls.alone += count(known.iter());
    let other = found.iter().filter(|price| !truth.walls.contains(price));
    let is_new = |price: &&i64| !known.contains(price);
    score.walls.new += count(other.clone().filter(is_new));
    score.walls.unexplained += count(other.filter(|price| !structure || is_new(price)));

    let book_side = if side == 0 { BookSide::Bid } else { BookSide::Ask };
    let zones = |zones: &[PriceZone]| -> Vec<(i64, i64)> {
        zones
            .iter()
            .filter(|zone| zone.side == book_side)
            .map(|zone| (scaled(zone.low.get(), 0), scaled(zone.high.get(), 0)))
            .collect()
    };
    let (before, after) = (
        [zones(&before.density_zones), zones(&before.vacuum_ranges)],
        [zones(&after.density_zones), zones(&after.vacuum_ranges)],
    );
    let in_noise = |_zone: (i64, i64), is_new: bool| structure && !is_new;
    tally_zones(&mut score.dense, truth.dense, &before[0], &after[0], in_noise);
    let by_definition = |zone: (i64, i64), _is_new: bool| {
        let covered: i64 = thin
            .iter()
            .map(|thin| (zone.1.min(thin.1) - zone.0.max(thin.0)).max(0))
            .sum();
        2 * covered >= zone.1 - zone.0
    };
    tally_zones(
        &mut score.vacuums,
        truth.vacuum,
        &before[1],
        &after[1],
        by_definition,
    );
}

fn tally_zones(
    tally: &mut Tally,
    planted: (i64, i64),
    before: &[(i64, i64)],
    after: &[(i64, i64)],
    is_explained: impl Fn((i64, i64), bool) -> bool,
) {
    let meets = |one: (i64, i64), other: (i64, i64)| one.0 < other.1 && other.0 < one.1;
    tally.planted += 1;
    tally.recovered += u32::from(after.iter().any(|zone| overlap(*zone, planted) >= 0.5));
    tally.found += count(after.iter());
    tally.alone += count(before.iter());
    for zone in after.iter().filter(|zone| !meets(**zone, planted)) {
        let is_new = !before.iter().any(|known| meets(*known, *zone));
        tally.new += u32::from(is_new);
        tally.unexplained += u32::from(!is_explained(*zone, is_new));
    }
}

/// Intersection over union.
fn overlap(one: (i64, i64), other: (i64, i64)) -> f64 {
    let intersection = (one.1.min(other.1) - one.0.max(other.0)).max(0);
    let union = one.1.max(other.1) - one.0.min(other.0);
    intersection as f64 / union as f64
}

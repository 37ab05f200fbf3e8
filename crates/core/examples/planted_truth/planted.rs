//! Books in which it is known what is to be found.
//!
//! The background is either drawn from the quantities and spacings of the recorded 5000-level book or is
//! that book itself. Walls, density bands and vacuums of known place and size are put into it, and a table
//! counts what the analysis finds of them and what it finds besides. The random numbers come from a seed.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration};
use rust_decimal::Decimal;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::model::report::{BookSide, MarketReport, PriceZone};
use strategy_core::model::{DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{Price, Quantity};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// Levels a side of a snapshot can have.
const LEVELS: usize = 5000;
/// Walls put into each side.
const WALLS: usize = 3;
/// Prices in cents, quantities in 10⁻⁸ base units.
type Rows = BTreeMap<i64, i64>;

/// A small generator with a period of 2⁶⁴ (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.bits() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }

    /// A number from `low` to `high`.
    pub(crate) fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Where the background of the planted books comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    /// Levels drawn one by one from the recorded book's spacings and quantities.
    Drawn,
    /// The recorded book as it is.
    Recorded,
    /// The recorded book with every quantity times 0.5 to 1.5, another one for every seed, so that what stands
    /// at a threshold in the one recorded book does not decide the outcome.
    Varied,
}

/// What was planted on one side.
#[derive(Debug, Clone, Default)]
struct Truth {
    walls: Vec<i64>,
    dense: (i64, i64),
    vacuum: (i64, i64),
}

/// How a detector did over many books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Things planted.
    pub(crate) planted: u32,
    /// Those of them found.
    pub(crate) recovered: u32,
    /// Things found.
    pub(crate) found: u32,
    /// Things found that were neither planted nor found in the background alone.
    pub(crate) unexplained: u32,
}

impl Tally {
    /// Share of the planted things that were found, 0..1.
    pub(crate) fn recall(self) -> f64 {
        f64::from(self.recovered) / f64::from(self.planted.max(1))
    }

    /// Share of the found things that were planted or known beforehand, 0..1.
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

/// The recorded book as rows per side.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    sides: [Rows; 2],
    /// (gap in cents, quantity) of the levels; the largest are left out until none is more than 0.5 % of a
    /// drawn side, so that nothing is a wall that was not planted.
    sample: Vec<(i64, i64)>,
}

impl Recorded {
    /// Takes the recorded bids and asks.
    pub(crate) fn new(bids: &[DepthLevel], asks: &[DepthLevel]) -> Self {
        let rows = |levels: &[DepthLevel]| -> Rows {
            levels
                .iter()
                .map(|level| (scaled(level.price.get(), 2), scaled(level.quantity.get(), 8)))
                .collect()
        };
        let sides = [rows(bids), rows(asks)];
        let mut sample: Vec<(i64, i64)> = Vec::new();
        for side in &sides {
            let levels: Vec<(i64, i64)> = side.iter().map(|(price, quantity)| (*price, *quantity)).collect();
            sample.extend(levels.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[0].1)));
        }
        sample.sort_unstable_by_key(|(_, quantity)| *quantity);
        let mut total: i64 = sample.iter().map(|(_, quantity)| quantity).sum();
        while let Some((_, largest)) = sample.last().copied() {
            // One half percent of 5000 draws is 25 times their mean.
            if largest * i64::try_from(sample.len()).unwrap() <= 25 * total {
                break;
            }
            total -= largest;
            sample.pop();
        }
        Self { sides, sample }
    }

    fn background(&self, background: Background, random: &mut Random) -> [Rows; 2] {
        if background == Background::Recorded {
            return self.sides.clone();
        }
        if background == Background::Varied {
            let mut sides = self.sides.clone();
            for quantity in sides.iter_mut().flat_map(|rows| rows.values_mut()) {
                *quantity = whole(*quantity as f64 * random.real(0.5, 1.5)).max(1);
            }
            return sides;
        }
        let best_bid = self.sides[0].keys().next_back().copied().unwrap();
        let mut draw = |start: i64, direction: i64| -> Rows {
            let mut rows = Rows::new();
            let mut price = start;
            while rows.len() < LEVELS {
                let (gap, quantity) = self.sample[pick(random, self.sample.len())];
                rows.insert(price, quantity);
                price += direction * gap;
            }
            rows
        };
        [draw(best_bid, -1), draw(best_bid + 1, 1)]
    }
}

/// Plants into the given number of books and tallies what is found.
pub(crate) fn books(recorded: &Recorded, background: Background, seeds: u64) -> Score {
    let mut score = Score::default();
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let plain = recorded.background(background, &mut random);
        let before = report(&[snapshot(&plain, 0)], &[], 60);
        let mut planted = plain.clone();
        let mid = (plain[0].keys().next_back().unwrap() + plain[1].keys().next().unwrap()) / 2;
        let truths = [0, 1].map(|side: usize| plant(&mut planted[side], side, mid, &before, &mut random));
        let after = report(&[snapshot(&planted, 0)], &[], 60);
        for (side, truth) in truths.iter().enumerate() {
            tally_side(&mut score, side, truth, &before, &after);
        }
    }
    score
}

fn tally_side(score: &mut Score, side: usize, truth: &Truth, before: &MarketReport, after: &MarketReport) {
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
    let is_explained = |price: &&i64| truth.walls.contains(price) || known.contains(price);
    score.walls.unexplained += count(found.iter().filter(|price| !is_explained(price)));

    let book_side = if side == 0 { BookSide::Bid } else { BookSide::Ask };
    let zones = |zones: &[PriceZone]| -> Vec<(i64, i64)> {
        zones
            .iter()
            .filter(|zone| zone.side == book_side)
            .map(|zone| (scaled(zone.low.get(), 0), scaled(zone.high.get(), 0)))
            .collect()
    };
    let dense = (zones(&before.density_zones), zones(&after.density_zones));
    tally_zones(&mut score.dense, truth.dense, &dense.0, &dense.1);
    let vacuums = (zones(&before.vacuum_ranges), zones(&after.vacuum_ranges));
    tally_zones(&mut score.vacuums, truth.vacuum, &vacuums.0, &vacuums.1);
}

fn tally_zones(tally: &mut Tally, planted: (i64, i64), before: &[(i64, i64)], after: &[(i64, i64)]) {
    let meets = |one: (i64, i64), other: (i64, i64)| one.0 < other.1 && other.0 < one.1;
    tally.planted += 1;
    tally.recovered += u32::from(after.iter().any(|zone| overlap(*zone, planted) >= 0.5));
    tally.found += count(after.iter());
    let is_explained =
        |zone: (i64, i64)| meets(zone, planted) || before.iter().any(|known| meets(*known, zone));
    tally.unexplained += count(after.iter().filter(|zone| !is_explained(**zone)));
}

/// Intersection over union.
fn overlap(one: (i64, i64), other: (i64, i64)) -> f64 {
    let intersection = (one.1.min(other.1) - one.0.max(other.0)).max(0);
    let union = one.1.max(other.1) - one.0.min(other.0);
    intersection as f64 / union as f64
}

/// Puts a vacuum, a band and walls into one side, apart from each other and from what is there by itself.
fn plant(rows: &mut Rows, side: usize, mid: i64, before: &MarketReport, random: &mut Random) -> Truth {
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
    let mut place = |length: i64, random: &mut Random| loop {
        let start = random.whole(low, high - length);
        let room = (start - 12, start + length + 12);
        if taken.iter().all(|(from, to)| room.1 <= *from || *to <= room.0) {
            taken.push((start, start + length));
            break (start, start + length);
        }
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

/// Keeps the levels nearest the market, as the exchange does.
fn limit(rows: &mut Rows, side: usize) {
    while rows.len() > LEVELS {
        if side == 0 {
            rows.pop_first();
        } else {
            rows.pop_last();
        }
    }
}

/// Follows walls over 30 snapshots: two that stay, one of them traded away in part, one that flickers, one
/// that is pulled as price nears.
pub(crate) fn lives(recorded: &Recorded, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let mut random = Random::new(seed ^ 0x5EED);
        let plain = recorded.background(Background::Drawn, &mut random);
        let top = plain[0].keys().next_back().unwrap().div_euclid(100);
        let total: i64 = plain[0].values().sum();
        let size = whole(total as f64 * random.real(0.04, 0.08));
        let places: Vec<i64> = (0..4)
            .map(|place| (top - 60 - 90 * place - random.whole(0, 60)) * 100)
            .collect();
        let pulled_at = random.whole(5, 24);
        let mut books = Vec::new();
        let mut minutes = Vec::new();
        let mut remaining = 2 * size;
        for step in 0..30 {
            let is_last = step == 29;
            let mut sides = plain.clone();
            for quantity in sides.iter_mut().flat_map(|rows| rows.values_mut()) {
                *quantity = whole(*quantity as f64 * random.real(0.8, 1.2)).max(1);
            }
            // Price comes nearer by a dollar a minute.
            sides[0].split_off(&((top - step) * 100));
            sides[1].insert((top - step) * 100 + 10, 10_000_000);
            let sold = if is_last {
                0
            } else {
                random.whole(0, remaining / 40)
            };
            remaining -= sold;
            let flickers = is_last || random.whole(0, 9) == 0;
            let stands = step < pulled_at || step > pulled_at + 1;
            for (place, held) in [
                size,
                remaining,
                if flickers { size } else { 1 },
                if stands { size } else { size / 20 },
            ]
            .into_iter()
            .enumerate()
            {
                // Orders come and go in every wall.
                let held = whole(held as f64 * random.real(0.85, 1.15)).max(1);
                sides[0].insert(places[place], held);
            }
            limit(&mut sides[0], 0);
            limit(&mut sides[1], 1);
            books.push(snapshot(&sides, step));
            minutes.push(traded(step, places[1], sold));
        }
        let report = report(&books, &minutes, 30);
        for (place, price) in places.iter().enumerate() {
            let found = report
                .support_levels
                .iter()
                .find(|level| scaled(level.price.get(), 2) == *price);
            let is_marked = found.is_some_and(|level| level.fleeting);
            let is_fleeting = place >= 2;
            tally.planted += u32::from(is_fleeting);
            tally.recovered += u32::from(is_fleeting && is_marked);
            tally.found += u32::from(is_marked);
            tally.unexplained += u32::from(!is_fleeting && is_marked);
        }
    }
    tally
}

/// Profiles with three hills over an uneven floor, traded over 300 minutes; found is what lies within half the
/// hill's width, or five rows.
pub(crate) fn nodes(seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
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

fn add(minute: &mut MinuteFootprint, bucket: i64, lots: i64, buy: bool) {
    use strategy_core::model::BucketFlow;
    use strategy_core::num::PriceBucket;
    if lots <= 0 {
        return;
    }
    let bucket = PriceBucket::new(Decimal::from(bucket)).unwrap();
    let flow = minute.levels.entry(bucket).or_insert(BucketFlow::EMPTY);
    let volume = Quantity::new(Decimal::new(lots, 8)).unwrap();
    let side = if buy {
        &mut flow.buy_volume
    } else {
        &mut flow.sell_volume
    };
    *side = side.checked_add(volume).unwrap();
    flow.trade_count += 1;
}

/// A minute in which takers sold this much at a price in cents.
fn traded(number: i64, price: i64, sold: i64) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(number).unwrap(), true);
    add(&mut minute, price.div_euclid(100), sold, false);
    minute
}

/// A snapshot taken half a minute into a minute of the epoch.
fn snapshot(sides: &[Rows; 2], minute: i64) -> DepthSnapshot {
    let level = |(price, quantity): (&i64, &i64)| DepthLevel {
        price: Price::new(Decimal::new(*price, 2)).unwrap(),
        quantity: Quantity::new(Decimal::new(*quantity, 8)).unwrap(),
    };
    let bids = sides[0]
        .iter()
        .rev()
        .filter(|row| *row.1 > 0)
        .map(level)
        .collect();
    let asks = sides[1].iter().filter(|row| *row.1 > 0).map(level).collect();
    let at = DateTime::from_timestamp(minute * 60 + 59, 0).unwrap();
    let id = u64::try_from(minute).unwrap();
    DepthSnapshot::new(Symbol::new("BTCUSDT").unwrap(), at, id, bids, asks).unwrap()
}

fn report(depth: &[DepthSnapshot], minutes: &[MinuteFootprint], end_minute: i64) -> MarketReport {
    let input = Input {
        symbol: &Symbol::new("BTCUSDT").unwrap(),
        now: DateTime::from_timestamp(end_minute * 60, 0).unwrap() + Duration::seconds(5),
        depth,
        minutes,
    };
    analyze(&input, &Params::default())
}

/// Quantity per dollar, from the lowest bucket to the highest.
fn buckets(rows: &Rows) -> BTreeMap<i64, i64> {
    let mut sums = BTreeMap::new();
    let (low, high) = (
        rows.keys().next().unwrap() / 100,
        rows.keys().next_back().unwrap() / 100,
    );
    for bucket in low..=high {
        sums.insert(bucket, 0);
    }
    for (price, quantity) in rows {
        *sums.entry(price.div_euclid(100)).or_default() += quantity;
    }
    sums
}

/// Sums of ten buckets, sorted.
fn rolling(buckets: &BTreeMap<i64, i64>) -> Vec<i64> {
    let held: Vec<i64> = buckets.values().copied().collect();
    let mut sums: Vec<i64> = held.windows(10).map(|window| window.iter().sum()).collect();
    sums.sort_unstable();
    sums
}

/// The 90th percentile of the buckets within 50 of this one, itself left out.
fn norm(buckets: &BTreeMap<i64, i64>, bucket: i64) -> i64 {
    let mut others: Vec<i64> = buckets
        .range(bucket - 50..=bucket + 50)
        .filter(|(other, _)| **other != bucket)
        .map(|(_, held)| *held)
        .collect();
    others.sort_unstable();
    others[(others.len() * 9).div_ceil(10) - 1]
}

/// A decimal as a whole number of its last place.
fn scaled(value: Decimal, decimals: u32) -> i64 {
    let mut value = value;
    value.rescale(decimals);
    i64::try_from(value.mantissa()).unwrap()
}

fn pick(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.bits() % u64::try_from(count).unwrap()).unwrap()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sizes of planted things are far below 2^53"
)]
fn whole(value: f64) -> i64 {
    value as i64
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap()
}

//! Where the levels of a generated book lie and how much rests there.
//!
//! Every dollar of the price axis has its own few levels, renewed after a life of its own of 20 s to
//! 10 min; dense zones and vacuums stay for four hours, round prices for six. Below the best bid the
//! levels are bids, above the best ask they are asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use strategy_core::time::ExchangeMs;

use super::{Book, BookLevel, MAX_LEVELS};
use crate::amount::{CENT, LOT};
use crate::rng::{Purpose, below, mix};
use crate::tape::Quotes;

const LIFE: Purpose = 40;
const LEVELS: Purpose = 41;
const ROUND: Purpose = 42;
const ZONE: Purpose = 43;
const TOUCH: Purpose = 44;

/// Width of the stretch of prices that may have one dense zone and one vacuum, in dollars.
const REGION: i64 = 250;
/// How long zones stay.
const ZONE_LIFE_MS: i64 = 4 * 3_600_000;
/// How long the quantity at a round price stays.
const ROUND_LIFE_MS: i64 = 6 * 3_600_000;
/// The book changes this often.
const STEP_MS: i64 = 100;
/// 2020-01-01, when the update ids of a generated book begin; one id per millisecond since.
const UPDATE_EPOCH_MS: i64 = 1_577_836_800_000;
/// Update id at that time.
const FIRST_UPDATE_ID: i64 = 30_154_000_331;

/// A resting quantity that never goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    /// Its price, in cents.
    pub price_cents: i64,
    /// Its quantity, in units of 1e-8.
    pub quantity_e8: u64,
}

/// Whether much or little rests in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneKind {
    /// Several times the usual quantity.
    Dense,
    /// Dust only, except at multiples of $100.
    Vacuum,
}

/// A stretch of prices that differs from its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// First dollar.
    pub low: i64,
    /// First dollar after it.
    pub high: i64,
    /// What is special.
    pub kind: ZoneKind,
}

/// Makes the book of any moment.
#[derive(Debug)]
pub struct BookModel {
    seed: u64,
    walls: BTreeMap<i64, Vec<Wall>>,
    last: Mutex<Option<Arc<Book>>>,
}

impl BookModel {
    /// A model with these walls besides the usual ones at round prices.
    pub fn new(seed: u64, walls: Vec<Wall>) -> Self {
        let mut by_dollar: BTreeMap<i64, Vec<Wall>> = BTreeMap::new();
        for wall in walls {
            by_dollar
                .entry(wall.price_cents.div_euclid(100))
                .or_default()
                .push(wall);
        }
        Self {
            seed,
            walls: by_dollar,
            last: Mutex::new(None),
        }
    }

    /// The instant whose book is shown at `at`: the book changes ten times a second.
    pub(crate) fn shown_at(at: ExchangeMs) -> ExchangeMs {
        at - at.rem_euclid(STEP_MS)
    }

    /// The book at an instant around these quotes.
    pub(crate) fn book(&self, at: ExchangeMs, quotes: Quotes) -> Arc<Book> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = last.as_ref().filter(|book| book.at == at) {
            return Arc::clone(book);
        }
        let book = Arc::new(Book {
            at,
            last_update_id: u64::try_from(FIRST_UPDATE_ID + at - UPDATE_EPOCH_MS).unwrap_or(1),
            bids: self.side(at, quotes.bid, -1),
            asks: self.side(at, quotes.ask, 1),
        });
        *last = Some(Arc::clone(&book));
        book
    }

    /// The dense zones and vacuums that touch `low..high` dollars at an instant.
    pub fn zones(&self, low: i64, high: i64, at: ExchangeMs) -> Vec<Zone> {
        (low.div_euclid(REGION)..=high.div_euclid(REGION))
            .flat_map(|region| self.zones_of(region, at))
            .flatten()
            .filter(|zone| zone.high > low && zone.low < high)
            .collect()
    }

    /// One side, from the touch outward; `direction` is -1 for bids and 1 for asks.
    fn side(&self, at: ExchangeMs, touch: i64, direction: i64) -> Vec<BookLevel> {
        let mut side = Vec::with_capacity(MAX_LEVELS);
        let resting = 2000 + below(mix(self.seed, TOUCH, touch * direction), 60_000);
        side.push(level(touch, resting));
        let mut dollar = touch.div_euclid(100);
        let mut region = i64::MIN;
        let mut zones = [None, None];
        let mut found = Vec::with_capacity(8);
        while side.len() < MAX_LEVELS && dollar > 0 {
            if dollar.div_euclid(REGION) != region {
                region = dollar.div_euclid(REGION);
                zones = self.zones_of(region, at);
            }
            found.clear();
            self.levels_of(dollar, at, zones, &mut found);
            if direction < 0 {
                found.reverse();
            }
            let outside = found.iter().filter(|(price, _)| (price - touch) * direction > 0);
            side.extend(outside.map(|(price, lots)| level(*price, *lots)));
            dollar += direction;
        }
        side.truncate(MAX_LEVELS);
        side
    }

    /// The levels of one dollar as (cents, lots), ascending.
    fn levels_of(&self, dollar: i64, at: ExchangeMs, zones: [Option<Zone>; 2], found: &mut Vec<(i64, u64)>) {
        let kind = zones
            .iter()
            .flatten()
            .find(|zone| (zone.low..zone.high).contains(&dollar))
            .map(|zone| zone.kind);
        let life = mix(self.seed, LIFE, dollar);
        let life_ms = 20_000 + i64::try_from(below(life, 580_000)).unwrap_or(0);
        let epoch = (at + life.cast_signed().rem_euclid(600_000)) / life_ms;
        let mut hash = mix(self.seed ^ epoch.cast_unsigned(), LEVELS, dollar);
        let count = match (kind, hash % 100) {
            (Some(ZoneKind::Vacuum), _) | (None, 0..35) => 1,
            (None, 35..70) => 2,
            (None, 70..90) => 3,
            _ => 4,
        };
        let strip = 100 / count;
        for index in 0..count {
            hash = mix(hash, LEVELS, index);
            let round = index == 0 && dollar % 10 == 0;
            let cents = if round {
                0
            } else {
                index * strip + i64::try_from(below(hash, strip.unsigned_abs())).unwrap_or(0)
            };
            let lots = match kind {
                _ if round && (kind != Some(ZoneKind::Vacuum) || dollar % 100 == 0) => {
                    self.round_lots(dollar, at)
                }
                Some(ZoneKind::Vacuum) => 5 + below(hash, 6),
                Some(ZoneKind::Dense) => 4 * usual_lots(hash),
                None => usual_lots(hash),
            };
            found.push((dollar * 100 + cents, lots));
        }
        if let Some(walls) = self.walls.get(&dollar) {
            for wall in walls {
                found.retain(|(price, _)| *price != wall.price_cents);
                found.push((wall.price_cents, (wall.quantity_e8 / LOT).max(1)));
            }
            found.sort_unstable();
        }
    }

    /// What rests at a multiple of $10: more at $100, most at $1000.
    fn round_lots(&self, dollar: i64, at: ExchangeMs) -> u64 {
        let hash = mix(self.seed ^ (at / ROUND_LIFE_MS).cast_unsigned(), ROUND, dollar);
        let (low, high) = if dollar % 1000 == 0 {
            (300_000, 900_000)
        } else if dollar % 100 == 0 {
            (8000, 70_000)
        } else if dollar % 50 == 0 {
            (3000, 15_000)
        } else {
            (600, 6000)
        };
        low + below(hash, high - low)
    }

    /// The dense zone and the vacuum of a region; each is there half of the time.
    fn zones_of(&self, region: i64, at: ExchangeMs) -> [Option<Zone>; 2] {
        let hash = mix(self.seed ^ (at / ZONE_LIFE_MS).cast_unsigned(), ZONE, region);
        let zone = |from: i64, bits: u64, kind| {
            let low = region * REGION + from + i64::try_from((bits >> 1) % 70).unwrap_or(0);
            let width = 15 + i64::try_from((bits >> 8) % 35).unwrap_or(0);
            (bits & 1 == 1).then_some(Zone {
                low,
                high: low + width,
                kind,
            })
        };
        [
            zone(0, hash, ZoneKind::Dense),
            zone(125, hash >> 32, ZoneKind::Vacuum),
        ]
    }
}

fn level(cents: i64, lots: u64) -> BookLevel {
    BookLevel {
        price_e8: cents.unsigned_abs() * CENT,
        quantity_e8: lots * LOT,
    }
}

/// A usual quantity in lots: half of the levels are dust, one in a hundred holds most of the side.
fn usual_lots(hash: u64) -> u64 {
    let (low, high) = match hash % 1000 {
        0..500 => (5, 40),
        500..750 => (25, 300),
        750..900 => (200, 3000),
        900..990 => (2000, 11_000),
        _ => (12_000, 60_000),
    };
    let part = (hash >> 20) & 0xffff;
    low + (((high - low) * part) >> 16) * part / 65_536
}

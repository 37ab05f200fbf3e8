//! The books things are planted into.

use strategy_core::model::DepthLevel;

use super::market::{LEVELS, Rows, scaled, whole};
use super::random::Random;

/// Levels that are taken in one piece when a book is put together from a recorded one.
const PIECE: usize = 60;

/// Where the background of the planted books comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    /// Levels drawn one by one from the spacings and quantities of one of the recorded books. It has no
    /// structure: a zone found in it that was not planted is an error.
    Drawn,
    /// Levels made up: another spread of quantities (from light to heavy tails), spacing, tick and price, 20,000
    /// to 150,000, for every seed. No structure either.
    Invented,
    /// As invented, but the quantity depends on the distance to the market, in one of five shapes.
    Shaped,
    /// The recorded book of 5000 levels as it is.
    Recorded,
    /// That book with every quantity times 0.5 to 1.5, another one for every seed, so that what stands at a
    /// threshold in the one recorded book does not decide the outcome.
    Varied,
    /// Books put together from pieces of 60 levels of one of the recorded books, moved to another price.
    Pieced,
}

impl Background {
    /// All, with what the table calls them.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Drawn, "drawn"),
        (Self::Invented, "invented"),
        (Self::Shaped, "invented, shaped"),
        (Self::Recorded, "recorded"),
        (Self::Varied, "recorded, varied"),
        (Self::Pieced, "recorded, in pieces"),
    ];

    /// True if it holds zones of its own, which are found in it alone.
    pub(crate) fn has_structure(self) -> bool {
        !matches!(self, Self::Drawn | Self::Invented)
    }
}

/// (gap to the next level in cents, quantity) of the levels of a side, nearest the market first.
type Levels = Vec<(i64, i64)>;

/// The recorded books.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// The book of 5000 levels.
    sides: [Rows; 2],
    /// Both sides of every book.
    levels: Vec<[Levels; 2]>,
    /// Levels of both sides together, of every book.
    samples: Vec<Levels>,
}

impl Recorded {
    /// Takes the bids and asks of recorded books, the one of 5000 levels first.
    pub(crate) fn new(books: &[(Vec<DepthLevel>, Vec<DepthLevel>)]) -> Self {
        let rows = |levels: &[DepthLevel]| -> Rows {
            levels
                .iter()
                .map(|level| (scaled(level.price.get(), 2), scaled(level.quantity.get(), 8)))
                .collect()
        };
        let sides: Vec<[Rows; 2]> = books
            .iter()
            .map(|(bids, asks)| [rows(bids), rows(asks)])
            .collect();
        let outwards = |rows: &Rows, is_bids: bool| -> Levels {
            let mut levels: Levels = rows.iter().map(|(price, quantity)| (*price, *quantity)).collect();
            if is_bids {
                levels.reverse();
            }
            levels
                .windows(2)
                .map(|pair| ((pair[1].0 - pair[0].0).abs(), pair[0].1))
                .collect()
        };
        let levels: Vec<[Levels; 2]> = sides
            .iter()
            .map(|[bids, asks]| [outwards(bids, true), outwards(asks, false)])
            .collect();
        let samples = levels
            .iter()
            .map(|[bids, asks]| [&bids[..], &asks[..]].concat())
            .collect();
        Self {
            sides: sides[0].clone(),
            levels,
            samples,
        }
    }

    /// Bids and asks of a background.
    pub(super) fn background(&self, background: Background, random: &mut Random) -> [Rows; 2] {
        match background {
            Background::Recorded => self.sides.clone(),
            Background::Varied => {
                let mut sides = self.sides.clone();
                for quantity in sides.iter_mut().flat_map(|rows| rows.values_mut()) {
                    *quantity = whole(*quantity as f64 * random.real(0.5, 1.5)).max(1);
                }
                sides
            }
            Background::Drawn => {
                let best_bid = self.sides[0].keys().next_back().copied().unwrap();
                let sample = &self.samples[random.index(self.samples.len())];
                let sides = [0, 1]
                    .map(|_| -> Levels { (0..LEVELS).map(|_| sample[random.index(sample.len())]).collect() });
                laid_out(best_bid, &sides).map(|rows| capped(rows, best_bid))
            }
            Background::Invented => invented(random, false),
            Background::Shaped => invented(random, true),
            Background::Pieced => self.pieced(random),
        }
    }

    fn pieced(&self, random: &mut Random) -> [Rows; 2] {
        let best_bid = random.whole(2_000_000, 15_000_000);
        let book = &self.levels[random.index(self.levels.len())];
        let sides = [0, 1].map(|_| -> Levels {
            let source = &book[random.index(2)];
            let mut levels = Levels::new();
            while levels.len() < LEVELS {
                // Near pieces stay near: books are denser or thinner at the market.
                let place = levels.len() * (source.len() - PIECE) / LEVELS;
                let slack = i64::try_from(source.len() / 10).unwrap();
                let from = i64::try_from(place).unwrap() + random.whole(-slack, slack);
                let from = usize::try_from(from.max(0)).unwrap().min(source.len() - PIECE);
                levels.extend_from_slice(&source[from..from + PIECE]);
            }
            levels.truncate(LEVELS);
            levels
        });
        laid_out(best_bid, &sides)
    }
}

/// A book whose quantities follow a log-normal law of random width, at random spacing.
fn invented(random: &mut Random, shaped: bool) -> [Rows; 2] {
    let best_bid = random.whole(2_000_000, 15_000_000);
    let width = random.real(1.0, 3.0);
    let gap = random.real(10.0, 60.0);
    let tick = [1, 1, 10][random.index(3)];
    let scale = random.real(1e5, 1e7);
    let shape = if shaped { random.whole(1, 5) } else { 0 };
    let sides = [0, 1].map(|_| -> Levels {
        let levels: Levels = (0..LEVELS)
            .map(|_| {
                // Exponential gaps, a third of them the least possible.
                let wide = -(1.0 - random.real(0.0, 1.0)).ln() * gap * 1.5;
                let cents = if random.chance(0.33) {
                    tick
                } else {
                    (whole(wide) / tick + 1) * tick
                };
                (cents, whole(scale * (width * random.normal()).exp()).max(1))
            })
            .collect();
        levels
            .into_iter()
            .enumerate()
            .map(|(level, (cents, quantity))| {
                let place = level as f64 / LEVELS as f64;
                (cents, whole(quantity as f64 * height(shape, place)).max(1))
            })
            .collect()
    });
    laid_out(best_bid, &sides).map(|rows| capped(rows, best_bid))
}

/// Quantity by the distance to the market, 0..1 of the side.
fn height(shape: i64, place: f64) -> f64 {
    match shape {
        1 => (-3.0 * place).exp(),
        2 => 0.3 + 3.0 * place,
        3 => 0.3 + 3.0 * (-((place - 0.3) / 0.15).powi(2)).exp(),
        4 => 1.0 + 0.8 * (place * 40.0).sin(),
        5 if place < 0.05 => 4.0,
        _ => 1.0,
    }
}

fn laid_out(best_bid: i64, sides: &[Levels; 2]) -> [Rows; 2] {
    let lay = |start: i64, direction: i64, levels: &Levels| -> Rows {
        let mut price = start;
        levels
            .iter()
            .map_while(|(gap, quantity)| {
                let at = price;
                price += direction * gap;
                (at > 100).then_some((at, *quantity))
            })
            .collect()
    };
    [lay(best_bid, -1, &sides[0]), lay(best_bid + 1, 1, &sides[1])]
}

/// With the largest levels cut down to 0.4 % of what the side holds within 1 % of the market, so that nothing is a
/// wall that was not planted.
fn capped(mut rows: Rows, best: i64) -> Rows {
    let is_near = |price: i64| (price - best).abs() * 100 <= best;
    for _ in 0..20 {
        let near: i64 = rows
            .iter()
            .filter(|(price, _)| is_near(**price))
            .map(|(_, quantity)| quantity)
            .sum();
        for quantity in rows.values_mut() {
            *quantity = (*quantity).min(near / 250).max(1);
        }
    }
    rows
}

//! Support and resistance: the walls of the newest book with their life and their tests.

use std::cmp::Reverse;

use crate::analysis::Params;
use crate::analysis::book::BucketedBook;
use crate::analysis::life;
use crate::analysis::tape::Tape;
use crate::analysis::units::{number, round};
use crate::analysis::walls;
use crate::model::report::{BookSide, Evidence, Level, LevelType, Number};

/// Most levels that are published per side.
const MOST: usize = 50;

/// The levels of one side, strongest first; of equals the larger first, then the one nearer the market.
///
/// `books` come newest first. Levels weaker than `min_strength` are left out.
pub(crate) fn find(side: BookSide, books: &[&BucketedBook], tape: &Tape<'_>, params: &Params) -> Vec<Level> {
    let Some(newest) = books.first() else {
        return Vec::new();
    };
    let mut levels: Vec<Level> = walls::find(newest.half(side), params)
        .into_iter()
        .map(|wall| {
            let life = life::follow(&wall, side, books, tape.window, tape.grid);
            let (present, seen) = (life.shown.snapshots_present, life.shown.snapshots_seen);
            let strength = walls::strength(&wall, present, seen, life.fleeting);
            let price = Number::new(wall.price);
            Level {
                price,
                strength: round(strength, 4),
                level_type: match side {
                    BookSide::Bid => LevelType::Support,
                    BookSide::Ask => LevelType::Resistance,
                },
                volume_at_level: number(wall.quantity),
                confirmation_count: present,
                last_confirmed: newest.received_at,
                fleeting: life.fleeting,
                wall_life: life.shown,
                confirmation: tape.tests_of(wall.price),
                evidence: vec![Evidence::Wall {
                    side,
                    price,
                    volume: number(wall.quantity),
                    local_norm: number(wall.norm),
                    norm_ratio: round(wall.norm_ratio, 2),
                    side_share: round(wall.side_share, 4),
                    fleeting: life.fleeting,
                }],
            }
        })
        .filter(|level| level.strength >= params.min_strength)
        .collect();
    levels.sort_by(|one, other| {
        let stronger = other.strength.total_cmp(&one.strength);
        stronger.then_with(|| Reverse(one.volume_at_level).cmp(&Reverse(other.volume_at_level)))
    });
    levels.truncate(MOST);
    levels
}

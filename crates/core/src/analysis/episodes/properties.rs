//! Blocks of minutes looked at once, against every minute looked at for itself.

use super::*;
use crate::analysis::units::Grid;
use crate::analysis::window::Window;
use crate::analysis::window::tests::{minute, put};
use crate::num::BucketWidth;
use chrono::DateTime;
use proptest::prelude::*;

/// The definition, minute by minute: held, broken, open and absorbed.
fn by_the_minute(window: &Window, grid: Grid, price: f64) -> (u32, u32, u32, Amount) {
    let near = NEAR_FLOOR.max(price * NEAR_SHARE);
    let (mut held, mut broken, mut open, mut absorbed) = (0, 0, 0, 0);
    let (mut from, mut volume): (Option<Side>, Option<Amount>) = (None, None);
    let mut before = None;
    for (number, flow) in window.minutes() {
        let follows = before.is_none_or(|before| before + 1 == number);
        before = Some(number);
        if !follows || !flow.whole {
            open += u32::from(volume.is_some());
            (from, volume) = (None, None);
        }
        if !flow.whole {
            continue;
        }
        let Some((low, high)) = flow.rows.range() else {
            continue;
        };
        let (low, high) = (grid.middle(low), grid.middle(high));
        // Summed row by row: what is looked at all at once is tested with it.
        let touched = flow
            .rows
            .iter()
            .filter(|(bucket, _)| (price - near..=price + near).contains(&grid.middle(*bucket)));
        let against = if from == Some(Side::Above) {
            touched.map(|(_, flow)| flow.sell).sum::<Amount>()
        } else {
            touched.map(|(_, flow)| flow.buy).sum()
        };
        let (back, through) = match from {
            None => (false, false),
            Some(Side::Above) => (high >= price + HELD * near, low <= price - near),
            Some(Side::Below) => (low <= price - HELD * near, high >= price + near),
        };
        let is_testing = volume.is_some();
        let touches = low <= price + near && high >= price - near;
        volume = (from.is_some() && (is_testing || touches)).then(|| volume.unwrap_or(0) + against);
        let ended = through || is_testing && back;
        if is_testing && back && through {
            open += 1;
        } else if through {
            broken += 1;
        } else if ended {
            held += 1;
            absorbed += volume.unwrap_or(0);
        }
        if ended || from.is_none() {
            volume = None;
            from = match (low > price + near, high < price - near) {
                (true, _) => Some(Side::Above),
                (_, true) => Some(Side::Below),
                _ => None,
            };
        }
    }
    (held, broken, open + u32::from(volume.is_some()), absorbed)
}

#[derive(Debug, Clone)]
enum Change {
    /// A minute so far back is replaced, or comes where none was.
    Minute(i64, bool, i64),
    /// All but so many of the oldest and newest minutes go.
    Keep(i64, i64),
    /// So many minutes pass, each with these steps of price.
    Pass(Vec<i64>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_i64..250, any::<bool>(), -60_i64..60)
            .prop_map(|(back, whole, at)| Change::Minute(back, whole, at)),
        (0_i64..40, 0_i64..40).prop_map(|(oldest, newest)| Change::Keep(oldest, newest)),
        prop::collection::vec(-12_i64..13, 1..50).prop_map(Change::Pass),
    ]
}

proptest! {
    #[test]
    fn blocks_that_are_kept_give_what_every_minute_for_itself_gives(
        start in prop::collection::vec(-12_i64..13, 1..260),
        holes in prop::collection::vec((0_i64..260, any::<bool>()), 0..4),
        changes in prop::collection::vec(change(), 0..8),
        // In tenths, so that edges fall on middles of buckets and between them.
        levels in prop::collection::vec(-800_i64..800, 1..5),
        length in 20_u32..240,
    ) {
        let grid = Grid::new(BucketWidth::ONE);
        let mut window = Window::new(length);
        let at = |number: i64, whole: bool, center: i64| {
            let rows = [(center - 4, 3, 1), (center, 2, 7), (center + 5, 1, 5)];
            minute(number, whole, if number % 17 == 0 { &[] } else { &rows })
        };
        let (mut now, mut price) = (1000, 1000);
        for change in [Change::Pass(start)].into_iter().chain(changes) {
            match change {
                Change::Minute(back, whole, offset) => put(&mut window, &at(now - back, whole, 1000 + offset)),
                Change::Keep(oldest, newest) => window.keep(now - 250 + oldest, now - newest),
                Change::Pass(steps) => for step in steps {
                    now += 1;
                    price += step;
                    let hole = holes.iter().find(|(number, _)| 1000 + number == now);
                    if hole.is_none_or(|(_, there)| *there) {
                        put(&mut window, &at(now, hole.is_none(), price));
                    }
                },
            }
            window.advance(DateTime::from_timestamp((now + 1) * 60, 0).unwrap());
            let plain = window.clone();
            let tape = Tape::new(&mut window, grid);
            for level in &levels {
                let level = Decimal::new(10_000 + level, 1);
                let found = tape.tests_of(level);
                let (held, broken, open, absorbed) = by_the_minute(&plain, grid, to_f64(level));
                prop_assert_eq!((found.held, found.broken, found.open), (held, broken, open));
                prop_assert_eq!(found.absorbed, number(absorbed));
            }
        }
    }
}

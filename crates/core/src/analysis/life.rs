//! How a wall lived over the recent snapshots.

use std::collections::BTreeMap;

use crate::analysis::book::BucketedBook;
use crate::analysis::rows::Taken;
use crate::analysis::units::{Amount, Grid, number, round};
use crate::analysis::walls::{Wall, was_there};
use crate::analysis::window::Window;
use crate::model::report::{BookSide, WallLife};

/// An unattributed loss of more than this part of the wall at once is a pull: one in so many. Smaller ones are
/// the coming and going of orders in every wall.
const PULL_DIVISOR: Amount = 3;
/// Snapshots that could see the wall, from which its presence means something.
const FEWEST_SNAPSHOTS: u32 = 10;

/// What the snapshots show of a wall, with what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Life {
    /// As it is published.
    pub(crate) shown: WallLife,
    /// Does not stay.
    pub(crate) fleeting: bool,
}

/// Follows a wall of the newest book back through all books, which come newest first.
///
/// A loss between two snapshots is consumed as far as takers traded against the wall in its bucket in the
/// minutes the two span (each trade explains one loss at most), unattributed beyond that, and unjudged
/// beyond that where one of these minutes is not wholly known.
///
/// The wall is fleeting when at least ten snapshots could see its bucket and less than a fifth of them had
/// it; or when, while price came nearer, unattributed losses of more than a third of it at once add up to at
/// least half its largest size, and to more than was consumed before the newest snapshot. Adding quantity to the newest snapshot can
/// undo both but bring about neither.
pub(crate) fn follow(
    wall: &Wall,
    side: BookSide,
    books: &[&BucketedBook],
    window: &Window,
    grid: Grid,
) -> Life {
    let mut seen = 0_u32;
    let mut present = 0_u32;
    let mut age_seconds = 0;
    let newest_at = books.first().map(|book| book.received_at);
    let mut peak = wall.quantity;
    for (index, book) in books.iter().enumerate() {
        let half = book.half(side);
        let Some(offset) = half.offset(wall.bucket) else {
            continue;
        };
        seen += 1;
        // The newest book has it: that is where it was found.
        if index == 0 || was_there(half, offset) {
            present += 1;
            peak = peak.max(half.buckets[offset]);
            age_seconds = newest_at.map_or(0, |newest| (newest - book.received_at).num_seconds());
        }
    }
    let losses = losses(wall, side, books, window, grid);
    let presence = if seen > 0 {
        f64::from(present) / f64::from(seen)
    } else {
        0.0
    };
    let rarely_there = seen >= FEWEST_SNAPSHOTS && present * 5 < seen;
    let pulled =
        losses.unattributed_near * 2 >= peak && losses.unattributed_near > losses.consumed_near_before;
    Life {
        shown: WallLife {
            snapshots_seen: seen,
            snapshots_present: present,
            presence: round(presence, 4),
            age_seconds,
            consumed: number(losses.consumed),
            unattributed: number(losses.unattributed),
            unjudged: number(losses.unjudged),
        },
        fleeting: rarely_there || pulled,
    }
}

#[derive(Debug, Default)]
struct Losses {
    consumed: Amount,
    unattributed: Amount,
    unjudged: Amount,
    unattributed_near: Amount,
    consumed_near_before: Amount,
}

fn losses(wall: &Wall, side: BookSide, books: &[&BucketedBook], window: &Window, grid: Grid) -> Losses {
    let mut losses = Losses::default();
    // Trades already used to explain an earlier loss, per minute.
    let mut used: BTreeMap<i64, Amount> = BTreeMap::new();
    for index in (1..books.len()).rev() {
        let (older, newer) = (books[index], books[index - 1]);
        let Some(before) = resting(older, side, wall.bucket) else {
            continue;
        };
        let Some(after) = resting(newer, side, wall.bucket) else {
            continue;
        };
        let loss = before - after;
        if loss <= 0 {
            continue;
        }
        let first = older.received_at.timestamp().div_euclid(60);
        let last = newer.received_at.timestamp().div_euclid(60);
        let mut consumed = 0;
        let mut known = true;
        for minute in first..=last.min(first + 24 * 60) {
            let Some(flow) = window.inside(minute) else {
                known = false;
                continue;
            };
            known &= flow.whole;
            let against = match side {
                BookSide::Bid => Taken::Sold,
                BookSide::Ask => Taken::Bought,
            };
            let against = flow.rows.taken(against, wall.bucket, wall.bucket);
            let spent = used.entry(minute).or_default();
            let taken = (against - *spent).min(loss - consumed);
            *spent += taken;
            consumed += taken;
        }
        let rest = loss - consumed;
        losses.consumed += consumed;
        if !known {
            losses.unjudged += rest;
            continue;
        }
        losses.unattributed += rest;
        if came_nearer(older, newer, wall.bucket, grid) {
            if rest * PULL_DIVISOR > before {
                losses.unattributed_near += rest;
            }
            if index > 1 {
                losses.consumed_near_before += consumed;
            }
        }
    }
    losses
}

/// Quantity resting in a bucket; zero where the market has gone through it, none where it is not seen.
fn resting(book: &BucketedBook, side: BookSide, bucket: i64) -> Option<Amount> {
    let half = book.half(side);
    match half.offset(bucket) {
        Some(offset) => half.buckets.get(offset).copied(),
        None => half.is_passed(bucket).then_some(0),
    }
}

fn came_nearer(older: &BucketedBook, newer: &BucketedBook, bucket: i64, grid: Grid) -> bool {
    let distance = |book: &BucketedBook| {
        book.mid()
            .map(|mid| (crate::num::to_f64(mid) - grid.middle(bucket)).abs())
    };
    matches!((distance(older), distance(newer)), (Some(before), Some(after)) if after < before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Params;
    use crate::analysis::book::tests::snapshot;
    use crate::analysis::walls;
    use crate::analysis::window::tests::{minute, window};

    /// A book whose bids lie from `top` down, one unit a bucket, with a wall in bucket 170.
    fn book(at: i64, top: i64, wall: &str) -> BucketedBook {
        let rows: Vec<(String, &str)> = (0..100)
            .map(|offset| (top - offset, if top - offset == 170 { wall } else { "1" }))
            .map(|(bucket, quantity)| (format!("{bucket}.5"), quantity))
            .collect();
        let rows: Vec<(&str, &str)> = rows
            .iter()
            .map(|(price, quantity)| (price.as_str(), *quantity))
            .collect();
        let ask = format!("{}.5", top + 1);
        BucketedBook::new(
            &snapshot(at, &rows, &[(&ask, "1")]),
            Grid::new(Params::default().bucket_width),
        )
    }

    fn life(books: &[BucketedBook], window: &Window) -> Life {
        let books: Vec<&BucketedBook> = books.iter().rev().collect();
        let wall = walls::find(&books[0].bids, &Params::default()).remove(0);
        follow(
            &wall,
            BookSide::Bid,
            &books,
            window,
            Grid::new(Params::default().bucket_width),
        )
    }

    #[test]
    fn trades_at_the_price_explain_a_loss_once() {
        let books = [book(1, 200, "50"), book(2, 200, "40"), book(3, 200, "30")];
        // Eight sold in the minute both losses share: the first loss takes them all.
        let window = window(
            10,
            &[
                minute(1, true, &[]),
                minute(2, true, &[(170, 300, 800)]),
                minute(3, true, &[]),
            ],
        );
        let life = life(&books, &window);
        assert_eq!(life.shown.consumed, number(8_000_000_000_000));
        assert_eq!(life.shown.unattributed, number(12_000_000_000_000));
        assert_eq!((life.shown.snapshots_seen, life.shown.snapshots_present), (3, 3));
        assert_eq!(life.shown.age_seconds, 120);
        assert!(!life.fleeting, "price did not come nearer");
    }

    #[test]
    fn a_loss_over_a_minute_with_missing_trades_is_not_judged() {
        let books = [book(1, 200, "50"), book(2, 200, "40")];
        let window = window(10, &[minute(1, true, &[]), minute(2, false, &[(170, 0, 100)])]);
        let life = life(&books, &window);
        assert_eq!(life.shown.consumed, number(1_000_000_000_000));
        assert_eq!(life.shown.unattributed, number(0));
        assert_eq!(life.shown.unjudged, number(9_000_000_000_000));
    }

    #[test]
    fn a_wall_that_goes_without_trades_as_price_nears_is_fleeting() {
        let quiet: Vec<_> = (1..5).map(|number| minute(number, true, &[])).collect();
        let window = window(10, &quiet);
        let pulled = [book(1, 200, "50"), book(2, 190, "10"), book(3, 200, "50")];
        assert!(life(&pulled, &window).fleeting);
        let away = [book(1, 190, "50"), book(2, 200, "10"), book(3, 200, "50")];
        assert!(!life(&away, &window).fleeting);
    }

    #[test]
    fn a_wall_that_is_rarely_there_is_fleeting_only_once_enough_was_seen() {
        let quiet: Vec<_> = (1..20).map(|number| minute(number, true, &[])).collect();
        let window = window(30, &quiet);
        let books = |count: i64| -> Vec<BucketedBook> {
            (1..=count)
                .map(|at| book(at, 200, if at == count { "50" } else { "1" }))
                .collect()
        };
        assert!(!life(&books(9), &window).fleeting);
        let seen = life(&books(10), &window);
        assert!(seen.fleeting);
        assert_eq!((seen.shown.snapshots_seen, seen.shown.snapshots_present), (10, 1));
    }
}

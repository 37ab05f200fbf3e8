//! The minutes of a window, prepared for testing many levels: where price was, minute by minute, and in blocks of
//! minutes that are kept from cycle to cycle.

use crate::analysis::rows::MinuteFlow;
use crate::analysis::units::Grid;
use crate::analysis::window::Window;

/// Minutes of a block. A level that no minute of a block comes near is done with the block in one step, so that the tests
/// of thirty levels in a week's window look at a sixth of its minutes (`docs/benchmarks.md`).
pub(crate) const BLOCK_MINUTES: i64 = 32;

/// One minute, or several that can be looked at as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    /// The minute, the last one of several.
    pub(crate) minute: i64,
    /// Middles of the lowest and the highest bucket traded in; none without trades.
    pub(crate) range: Option<(f64, f64)>,
    /// Every trade is in the range, and the minute before is there.
    pub(crate) sure: bool,
}

/// The minutes of a stretch that are there.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Block {
    /// Oldest first.
    pub(crate) spans: Vec<Span>,
    /// All of them as one; none unless each is sure.
    pub(crate) together: Option<Span>,
}

impl Block {
    /// `before` is the minute that the first of these follows.
    fn new<'a>(
        minutes: impl Iterator<Item = (i64, &'a MinuteFlow)>,
        before: Option<i64>,
        grid: Grid,
    ) -> Self {
        let mut before = before;
        let spans: Vec<Span> = minutes
            .map(|(minute, flow)| {
                let follows = before.replace(minute) == Some(minute - 1);
                let range = flow.rows.range();
                Span {
                    minute,
                    range: range.map(|(low, high)| (grid.middle(low), grid.middle(high))),
                    sure: follows && flow.whole,
                }
            })
            .collect();
        let ranges = || spans.iter().filter_map(|span| span.range);
        let range = ranges().reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let together = spans.last().filter(|_| spans.iter().all(|span| span.sure));
        Self {
            together: together.map(|last| Span { range, ..*last }),
            spans,
        }
    }
}

/// The minutes of a window.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    pub(crate) window: &'a Window,
    pub(crate) grid: Grid,
    /// From the oldest minute to the end of its block.
    head: Block,
    whole: Vec<&'a Block>,
    /// From the beginning of the newest minute's block, if that is a later one and not whole.
    tail: Option<Block>,
}

/// The whole blocks of a window behind the one that its oldest minute is in.
fn whole_blocks(window: &Window) -> Option<(i64, i64)> {
    let (oldest, _) = window.minutes().next()?;
    let after_last = window.bounds().1 + 1;
    Some((
        oldest.div_euclid(BLOCK_MINUTES) + 1,
        after_last.div_euclid(BLOCK_MINUTES) - 1,
    ))
}

/// The minutes of a block, but for those after the window.
fn block(window: &Window, block: i64, grid: Grid) -> Block {
    let first = block * BLOCK_MINUTES;
    let before = window.inside(first - 1).map(|_| first - 1);
    Block::new(window.range(first, first + BLOCK_MINUTES - 1), before, grid)
}

impl<'a> Tape<'a> {
    /// Prepares the minutes of a window.
    pub(crate) fn new(window: &'a mut Window, grid: Grid) -> Self {
        let (first, last) = whole_blocks(window).unwrap_or((0, -1));
        window.blocks.keep(first, last);
        for number in first..=last {
            if window.blocks.get(number).is_none() {
                let found = block(window, number, grid);
                window.blocks.put(number, found);
            }
        }
        let window: &Window = window;
        let oldest = window.minutes().next().map_or(0, |(minute, _)| minute);
        // Nothing came before the oldest minute, so that nothing is missing there.
        let head = window.range(oldest, first * BLOCK_MINUTES - 1);
        let next = first.max(last + 1);
        Self {
            window,
            grid,
            head: Block::new(head, Some(oldest - 1), grid),
            whole: (first..=last)
                .filter_map(|number| window.blocks.get(number))
                .collect(),
            tail: (next * BLOCK_MINUTES <= window.bounds().1).then(|| block(window, next, grid)),
        }
    }

    /// The minutes by blocks, oldest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        let whole = self.whole.iter().copied();
        std::iter::once(&self.head).chain(whole).chain(&self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::window::tests::{minute, put, window};
    use crate::num::BucketWidth;

    #[test]
    fn a_tape_has_every_minute_of_its_window_once_in_order() {
        let grid = Grid::new(BucketWidth::ONE);
        for (first, last) in [(0, 31), (1, 32), (5, 5), (30, 33), (31, 64), (32, 95), (7, 200)] {
            let minutes: Vec<_> = (first..=last)
                .map(|number| minute(number, true, &[(number, 1, 1)]))
                .collect();
            let mut window = window(1000, &minutes);
            for _ in 0..2 {
                let tape = Tape::new(&mut window, grid);
                let spans: Vec<Span> = tape.blocks().flat_map(|block| block.spans.clone()).collect();
                let expected = (first..=last).map(|number| Span {
                    minute: number,
                    range: Some((number as f64 + 0.5, number as f64 + 0.5)),
                    sure: true,
                });
                assert_eq!(spans, expected.collect::<Vec<_>>(), "{first} to {last}");
                let together = tape.blocks().filter_map(|block| block.together?.range);
                let (lows, highs): (Vec<f64>, Vec<f64>) = together.unzip();
                assert_eq!(lows.first().copied(), Some(first as f64 + 0.5));
                assert_eq!(highs.last().copied(), Some(last as f64 + 0.5));
            }
        }
    }

    #[test]
    fn a_minute_that_comes_late_makes_the_first_of_the_next_block_sure() {
        let grid = Grid::new(BucketWidth::ONE);
        let at = |number| minute(number, true, &[(number, 1, 1)]);
        let without: Vec<_> = (0..200).filter(|number| *number != 63).map(at).collect();
        let mut window = window(1000, &without);
        let unsure = |window: &mut Window| -> Vec<i64> {
            let tape = Tape::new(window, grid);
            let spans = tape.blocks().flat_map(|block| &block.spans);
            spans.filter(|span| !span.sure).map(|span| span.minute).collect()
        };
        assert_eq!(unsure(&mut window), [64]);
        put(&mut window, &at(63));
        assert_eq!(unsure(&mut window), [0_i64; 0]);
    }
}

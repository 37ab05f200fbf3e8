//! The minutes of a window, prepared for testing many levels: where price was, minute by minute, and in blocks of
//! minutes that are kept from cycle to cycle.

use std::ops::RangeInclusive;

use crate::analysis::units::Grid;
use crate::analysis::window::Window;

/// Minutes of a block. A level that no minute of a block means anything to is done with the block in one step, so that the tests
/// of thirty levels in a week's window look at few of its minutes (`docs/benchmarks.md`).
pub(crate) const BLOCK_MINUTES: i64 = 32;

/// Where price was in a minute: the lowest and the highest bucket traded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Span {
    /// Of a minute without trades.
    pub(crate) const QUIET: Self = Self {
        low: i64::MAX,
        high: i64::MIN,
    };
    /// Of a minute that is missing or not wholly known: price may have been anywhere.
    pub(crate) const OPEN: Self = Self {
        low: i64::MIN + 1,
        high: i64::MAX - 1,
    };

    fn of(window: &Window, minute: i64) -> Self {
        match window.inside(minute) {
            Some(flow) if flow.whole => {
                let range = flow.rows.range();
                range.map_or(Self::QUIET, |(low, high)| Self { low, high })
            }
            _ => Self::OPEN,
        }
    }
}

/// Between which buckets the low ends and the high ends of spans lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The lowest and the highest of the low ends.
    pub(crate) lows: (i64, i64),
    /// The lowest and the highest of the high ends.
    pub(crate) highs: (i64, i64),
}

impl Extent {
    /// Of no span: it reaches nothing.
    const NONE: Self = Self {
        lows: (i64::MAX, i64::MIN),
        highs: (i64::MAX, i64::MIN),
    };

    fn with(self, span: &Span) -> Self {
        if *span == Span::QUIET {
            return self;
        }
        Self {
            lows: (self.lows.0.min(span.low), self.lows.1.max(span.low)),
            highs: (self.highs.0.min(span.high), self.highs.1.max(span.high)),
        }
    }
}

/// Minutes one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// The oldest of them.
    pub(crate) first: i64,
    /// Oldest first.
    pub(crate) spans: Vec<Span>,
    /// All of them together.
    pub(crate) extent: Extent,
}

impl Block {
    fn new(window: &Window, minutes: RangeInclusive<i64>) -> Self {
        let first = *minutes.start();
        let spans: Vec<Span> = minutes.map(|minute| Span::of(window, minute)).collect();
        Self {
            first,
            extent: spans.iter().fold(Extent::NONE, Extent::with),
            spans,
        }
    }
}

/// The minutes of a window.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    pub(crate) window: &'a Window,
    pub(crate) grid: Grid,
    /// Every minute from the oldest to the end of the window, oldest first.
    pub(crate) blocks: Vec<&'a Block>,
}

impl<'a> Tape<'a> {
    /// Prepares the minutes of a window.
    pub(crate) fn new(window: &'a mut Window, grid: Grid) -> Self {
        let last = window.bounds().1;
        let oldest = window.minutes().next().map_or(last + 1, |(minute, _)| minute);
        let numbers = (oldest.div_euclid(BLOCK_MINUTES), last.div_euclid(BLOCK_MINUTES));
        window.blocks.keep(numbers.0, numbers.1);
        for number in window.blocks.missing(numbers.0, numbers.1) {
            let start = number * BLOCK_MINUTES;
            let minutes = start.max(oldest)..=(start + BLOCK_MINUTES - 1).min(last);
            let block = Block::new(window, minutes);
            window.blocks.put(number, block);
        }
        let window: &Window = window;
        Self {
            window,
            grid,
            blocks: window.blocks.all().collect(),
        }
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
                .map(|number| minute(number, true, &[(number, 1, 1), (number + 2, 1, 1)]))
                .collect();
            let mut window = window(1000, &minutes);
            for _ in 0..2 {
                let tape = Tape::new(&mut window, grid);
                let mut expected = first;
                for block in &tape.blocks {
                    let begun = expected;
                    assert_eq!(block.first, begun, "{first} to {last}");
                    for span in &block.spans {
                        assert_eq!((span.low, span.high), (expected, expected + 2));
                        expected += 1;
                    }
                    assert_eq!(block.extent.lows, (begun, expected - 1));
                    assert_eq!(block.extent.highs, (begun + 2, expected + 1));
                }
                assert_eq!(expected, last + 1);
            }
        }
    }

    #[test]
    fn a_minute_that_comes_late_is_known_from_then_on() {
        let grid = Grid::new(BucketWidth::ONE);
        let at = |number| minute(number, true, &[(number, 1, 1)]);
        let without: Vec<_> = (0..200).filter(|number| *number != 63).map(at).collect();
        let mut window = window(1000, &without);
        let open = |window: &mut Window| -> Vec<i64> {
            let tape = Tape::new(window, grid);
            let spans = tape
                .blocks
                .iter()
                .flat_map(|block| (block.first..).zip(&block.spans));
            let open = spans.filter(|(_, span)| **span == Span::OPEN);
            open.map(|(minute, _)| minute).collect()
        };
        assert_eq!(open(&mut window), [63]);
        put(&mut window, &at(63));
        assert_eq!(open(&mut window), [0_i64; 0]);
    }
}

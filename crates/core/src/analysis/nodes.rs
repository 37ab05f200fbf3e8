//! High- and low-volume nodes: the hills of the smoothed profile and the valleys between them.

use std::cmp::Ordering;

use crate::analysis::units::{Amount, ratio};

/// Rows on either side that the kernel reaches: weights 6 5 4 3 2 1, a triangle of eleven rows.
const KERNEL_REACH: usize = 5;
/// A hill's prominence is at least this part of the highest smoothed row: one in so many.
const PROMINENCE_DIVISOR: Amount = 5;
/// Sum of the weights of the kernel.
pub(crate) const KERNEL_WEIGHT: u32 = 36;
/// Least prominence that is published, as a share.
pub(crate) const LEAST_PROMINENCE: f64 = 0.2;
/// Most nodes of a kind.
const MOST: usize = 10;

/// A hill or a valley.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// Index of the row.
    pub(crate) row: usize,
    /// Volume of the smoothed row, 36 times the scale of the profile.
    pub(crate) smoothed: Amount,
    /// The higher of the two saddles of a hill, the lower of the two hills beside a valley; same scale.
    pub(crate) saddle: Amount,
    /// Height over the saddle, or depth under it, over the highest smoothed row; 0..1.
    pub(crate) prominence: f64,
}

/// What the profile consists of, besides its point of control.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Nodes {
    /// Volume of the highest smoothed row, 36 times the scale of the profile.
    pub(crate) highest: Amount,
    /// Hills by smoothed volume, without the one the point of control stands on.
    pub(crate) hills: Vec<Node>,
    /// Valleys by depth.
    pub(crate) valleys: Vec<Node>,
}

/// At most ten hills and ten valleys of a profile; of equals the lower row first.
pub(crate) fn find(rows: &[Amount], poc: usize) -> Nodes {
    let smoothed = smooth(rows);
    let Some(highest) = smoothed.iter().max().copied().filter(|highest| *highest > 0) else {
        return Nodes::default();
    };
    let heights = prominences(&smoothed);
    let hills: Vec<Node> = peaks(&smoothed)
        .into_iter()
        .filter_map(|row| {
            let height = heights[row];
            (height * PROMINENCE_DIVISOR >= highest).then_some(Node {
                row,
                smoothed: smoothed[row],
                saddle: smoothed[row] - height,
                prominence: ratio(height, highest),
            })
        })
        .collect();
    let mut valleys: Vec<Node> = hills
        .windows(2)
        .filter_map(|pair| {
            let row = lowest(&smoothed, pair[0].row, pair[1].row)?;
            let saddle = pair[0].smoothed.min(pair[1].smoothed);
            let depth = saddle - smoothed[row];
            Some(Node {
                row,
                smoothed: smoothed[row],
                saddle,
                prominence: ratio(depth, highest),
            })
        })
        .collect();
    let own = own_hill(&hills, &valleys, poc);
    let mut hills: Vec<Node> = hills
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index != own)
        .map(|(_, hill)| hill)
        .collect();
    hills.sort_by_key(|hill| std::cmp::Reverse(hill.smoothed));
    valleys.sort_by(|one, other| other.prominence.total_cmp(&one.prominence));
    hills.truncate(MOST);
    valleys.truncate(MOST);
    Nodes {
        highest,
        hills,
        valleys,
    }
}

/// Index of the hill the point of control stands on: the one between the same two valleys.
fn own_hill(hills: &[Node], valleys: &[Node], poc: usize) -> usize {
    let below = valleys.iter().filter(|valley| valley.row < poc).count();
    below.min(hills.len().saturating_sub(1))
}

/// Beyond the ends of the profile nothing was traded. A triangle is a box summed over a box, which takes two sums a row
/// instead of eleven.
fn smooth(rows: &[Amount]) -> Vec<Amount> {
    let mut smoothed = boxes(&boxes(rows));
    smoothed.truncate(rows.len() + KERNEL_REACH);
    smoothed.drain(..KERNEL_REACH.min(smoothed.len()));
    smoothed
}

/// The sum of each row and the five before it, and of what is left of them beyond the last row.
fn boxes(rows: &[Amount]) -> Vec<Amount> {
    let mut sum = 0;
    let left = std::iter::repeat_n(&0, KERNEL_REACH + 1).chain(rows);
    let come = rows.iter().chain(std::iter::repeat_n(&0, KERNEL_REACH));
    come.zip(left)
        .map(|(come, left)| {
            sum += come - left;
            sum
        })
        .collect()
}

/// Local maxima; of a plateau its middle row, the lower of two.
fn peaks(rows: &[Amount]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let mut end = start;
        while end + 1 < rows.len() && rows[end + 1] == rows[start] {
            end += 1;
        }
        let rises = start == 0 || rows[start - 1] < rows[start];
        let falls = end + 1 == rows.len() || rows[end + 1] < rows[start];
        if rises && falls {
            found.push(usize::midpoint(start, end));
        }
        start = end + 1;
    }
    found
}

/// Height of every row over the higher of the lowest rows between it and higher ground on either side; where
/// there is no higher ground on either side, over nothing. Of two equal heights with a dip between them the lower row
/// counts as the higher ground, so that a ripple does not make two hills of one.
fn prominences(rows: &[Amount]) -> Vec<Amount> {
    let below = saddles(rows.iter(), true);
    let above = saddles(rows.iter().rev(), false);
    rows.iter()
        .zip(below.iter().zip(above.iter().rev()))
        .map(|(height, (below, above))| height - below.iter().chain(above).max().unwrap_or(&0))
        .collect()
}

/// For every row the lowest row between it and the last higher one before it; none without a higher one. Where `equal`
/// one that is as high counts as higher, unless they are the same plateau.
fn saddles<'a>(rows: impl Iterator<Item = &'a Amount>, equal: bool) -> Vec<Option<Amount>> {
    // Falling heights, each with the lowest row since the height before it.
    let mut falling: Vec<(Amount, Amount)> = Vec::new();
    rows.map(|height| {
        let mut lowest = *height;
        let passes = |before: Amount, lowest: Amount| match before.cmp(height) {
            Ordering::Less => true,
            Ordering::Equal => !equal || lowest == *height,
            Ordering::Greater => false,
        };
        while let Some((_, since)) = falling.pop_if(|(before, _)| passes(*before, lowest)) {
            lowest = lowest.min(since);
        }
        let saddle = (!falling.is_empty()).then_some(lowest);
        falling.push((*height, lowest));
        saddle
    })
    .collect()
}

/// The lowest row between two others; of a plateau its middle row, the lower of two.
fn lowest(rows: &[Amount], from: usize, to: usize) -> Option<usize> {
    let floor = *rows.get(from..=to)?.iter().min()?;
    let first = (from..=to).find(|row| rows[*row] == floor)?;
    let last = (first..=to).take_while(|row| rows[*row] == floor).last()?;
    Some(usize::midpoint(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hills_have_a_valley_between_them() {
        let mut rows = vec![10; 60];
        rows[15] = 500;
        rows[40] = 300;
        let found = find(&rows, 15);
        let hills: Vec<usize> = found.hills.iter().map(|hill| hill.row).collect();
        assert_eq!(hills, [40], "the hill of the point of control is left out");
        assert_eq!(find(&rows, 40).hills[0].row, 15);
        // The smoothed floor runs from row 21 to row 34.
        let valleys: Vec<usize> = found.valleys.iter().map(|valley| valley.row).collect();
        assert_eq!(valleys, [27]);
    }

    #[test]
    fn a_ripple_is_no_hill() {
        let mut rows = vec![100; 60];
        rows[30] = 1000;
        rows[50] = 130;
        let found = find(&rows, 30);
        assert_eq!((found.hills, found.valleys), (vec![], vec![]));
        assert_eq!(find(&[], 0), Nodes::default());
        assert_eq!(find(&[0, 0], 0), Nodes::default());
    }

    #[test]
    fn prominence_is_measured_from_the_higher_saddle() {
        assert_eq!(prominences(&[9, 2, 5, 3, 7]), [9, 0, 2, 0, 5]);
        assert_eq!(prominences(&[1, 2, 5, 3, 7])[2], 2);
        // The same plateau, and two equal heights with a dip between them.
        assert_eq!(prominences(&[1, 5, 5, 5, 2])[2], 5);
        assert_eq!(prominences(&[1, 5, 5, 4, 5, 0]), [0, 5, 5, 0, 1, 0]);
    }

    // A valley of a hundredth of the profile was published, though a fifth is the least.
    #[test]
    fn a_ripple_between_two_equal_heights_is_no_valley() {
        let mut rows = vec![0; 60];
        for row in [20, 27] {
            rows[row] = 1000;
        }
        let smoothed = smooth(&rows);
        assert_eq!(smoothed[20], smoothed[27]);
        assert!(smoothed[24] < smoothed[20]);
        assert_eq!(find(&rows, 20).valleys, []);
        rows[50] = 900;
        let valleys: Vec<usize> = find(&rows, 20).valleys.iter().map(|valley| valley.row).collect();
        assert_eq!(valleys, [38]);
    }

    #[test]
    fn smoothing_weighs_by_the_triangle_up_to_the_ends() {
        for length in [0, 1, 4, 5, 6, 11, 12, 40] {
            let rows: Vec<Amount> = (0..length).map(|row| (row * row * 37) % 101).collect();
            let reach = KERNEL_REACH as Amount;
            let weighed = |center: Amount| -> Amount {
                let weight = |row: Amount| (reach + 1 - (row - center).abs()).max(0);
                (0..length)
                    .zip(&rows)
                    .map(|(row, volume)| volume * weight(row))
                    .sum()
            };
            assert_eq!(
                smooth(&rows),
                (0..length).map(weighed).collect::<Vec<_>>(),
                "{length} rows"
            );
        }
    }
}

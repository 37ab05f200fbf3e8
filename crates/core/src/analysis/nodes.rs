//! High- and low-volume nodes: the hills of the smoothed profile and the valleys between them.

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
    let peaks = peaks(&smoothed);
    let hills: Vec<Node> = peaks
        .iter()
        .zip(saddles(&peaks))
        .filter_map(|(peak, saddle)| {
            let prominence = peak.height - saddle;
            (prominence * PROMINENCE_DIVISOR >= highest).then_some(Node {
                row: peak.row,
                smoothed: peak.height,
                saddle,
                prominence: ratio(prominence, highest),
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
    let sums = (0..rows.len() + KERNEL_REACH).map(|index| {
        sum += rows.get(index).copied().unwrap_or_default();
        if let Some(left) = index.checked_sub(KERNEL_REACH + 1) {
            sum -= rows[left];
        }
        sum
    });
    sums.collect()
}

/// A local maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peak {
    /// Its row; of a plateau the middle one, the lower of two.
    row: usize,
    height: Amount,
    /// The lowest row since the peak before it, or since the first row.
    dip: Amount,
}

/// Local maxima, lowest row first. There is a dip between two of them.
fn peaks(rows: &[Amount]) -> Vec<Peak> {
    let mut found = Vec::new();
    let mut dip = Amount::MAX;
    let mut before = None;
    let mut start = 0;
    while let Some(height) = rows.get(start).copied() {
        let mut end = start + 1;
        while rows.get(end) == Some(&height) {
            end += 1;
        }
        dip = dip.min(height);
        let rises = before.is_none_or(|before| before < height);
        let falls = rows.get(end).is_none_or(|after| *after < height);
        if rises && falls {
            let row = usize::midpoint(start, end - 1);
            found.push(Peak { row, height, dip });
            dip = height;
        }
        before = Some(height);
        start = end;
    }
    found
}

/// For every peak the higher of the lowest rows between it and higher ground on either side; nothing where there is no higher
/// ground on either side. Of two equal peaks the one in the lower row counts as the higher ground, so that a ripple does not make two hills
/// of one.
fn saddles(peaks: &[Peak]) -> Vec<Amount> {
    let heights = || peaks.iter().map(|peak| peak.height);
    let dips = || peaks.iter().map(|peak| peak.dip);
    let below = beside(heights().zip(dips()), |before, height| before >= height);
    // Downwards the dip before a peak is the one of the peak above it; before the topmost there is none.
    let dips = std::iter::once(Amount::MAX).chain(dips().rev());
    let above = beside(heights().rev().zip(dips), |before, height| before > height);
    below
        .into_iter()
        .zip(above.into_iter().rev())
        .map(|(below, above)| below.max(above))
        .collect()
}

/// For every peak of heights and the dips before them the lowest dip since the last one that is higher ground; nothing without such a one.
fn beside(
    peaks: impl Iterator<Item = (Amount, Amount)>,
    is_higher: impl Fn(Amount, Amount) -> bool,
) -> Vec<Amount> {
    // Falling heights, each with the lowest dip since the one before it.
    let mut falling: Vec<(Amount, Amount)> = Vec::new();
    peaks
        .map(|(height, dip)| {
            let mut lowest = dip;
            while let Some((_, since)) = falling.pop_if(|(before, _)| !is_higher(*before, height)) {
                lowest = lowest.min(since);
            }
            let saddle = if falling.is_empty() { 0 } else { lowest };
            falling.push((height, lowest));
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
    use proptest::prelude::*;

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

    /// Row and prominence of every peak.
    fn prominences(rows: &[Amount]) -> Vec<(usize, Amount)> {
        let peaks = peaks(rows);
        let found = peaks.iter().zip(saddles(&peaks));
        found
            .map(|(peak, saddle)| (peak.row, peak.height - saddle))
            .collect()
    }

    #[test]
    fn prominence_is_measured_from_the_higher_saddle() {
        assert_eq!(prominences(&[9, 2, 5, 3, 7]), [(0, 9), (2, 2), (4, 5)]);
        assert_eq!(prominences(&[1, 2, 5, 3, 7]), [(2, 2), (4, 7)]);
        // The same plateau, and two equal heights with a dip between them.
        assert_eq!(prominences(&[1, 5, 5, 5, 2]), [(2, 5)]);
        assert_eq!(prominences(&[1, 5, 5, 4, 5, 0]), [(1, 5), (4, 1)]);
        assert_eq!(prominences(&[]), []);
    }

    proptest! {
        #[test]
        fn prominences_are_those_of_the_definition(rows in prop::collection::vec(0_i64..12, 0..40)) {
            let rows: Vec<Amount> = rows.into_iter().map(Amount::from).collect();
            // What a row stands over, looked for row by row: on the way to higher ground on either side the lowest row, of
            // these two the higher one.
            let saddle = |row: usize| {
                let height = rows[row];
                let lowest = |way: &mut dyn Iterator<Item = usize>, equal: bool| {
                    let mut lowest = height;
                    for other in way {
                        let dipped = lowest < height;
                        if rows[other] > height || rows[other] == height && equal && dipped {
                            return lowest;
                        }
                        lowest = lowest.min(rows[other]);
                    }
                    0
                };
                lowest(&mut (0..row).rev(), true).max(lowest(&mut (row + 1..rows.len()), false))
            };
            for (row, prominence) in prominences(&rows) {
                prop_assert_eq!(prominence, rows[row] - saddle(row), "{}", row);
            }
            let is_top = |row: usize| {
                let side = |mut way: Box<dyn Iterator<Item = usize> + '_>| {
                    way.find(|other| rows[*other] != rows[row]).is_none_or(|other| rows[other] < rows[row])
                };
                side(Box::new((0..row).rev())) && side(Box::new(row + 1..rows.len()))
            };
            let tops = (0..rows.len()).filter(|row| is_top(*row)).filter(|row| *row == 0 || rows[row - 1] != rows[*row]);
            prop_assert_eq!(prominences(&rows).len(), tops.count());
        }
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

//! The volume profile: point of control and value area.
//!
//! Rows are buckets, and every bucket between the lowest and the highest traded one is a row, traded in
//! or not, as on a chart. A row is named by its lower edge.

use crate::analysis::pages::Pages;
use crate::analysis::rows::Flow;
use crate::analysis::units::Amount;

use crate::model::report::ValueAreaRule;

/// Rows on either side of the largest one that are looked at.
const MAX_REACH: i64 = 100_000;

/// Part of the volume that makes the value area, in tenths.
const VALUE_AREA_TENTHS: Amount = 7;

/// Volume per row over a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    /// Bucket of the first row.
    pub(crate) first: i64,
    /// Volume per row, from the lowest bucket up.
    pub(crate) rows: Vec<Amount>,
    /// Index of the point of control.
    pub(crate) poc: usize,
    /// Rows were left out because they lie more than 100 000 rows from the largest one.
    pub(crate) cut: bool,
}

/// First and last row of a value area, both included, and its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    /// Index of the lowest row.
    pub(crate) low: usize,
    /// Index of the highest row.
    pub(crate) high: usize,
    /// Volume of the rows.
    pub(crate) volume: Amount,
    /// The step that reached 70 %; none when the point of control alone holds as much.
    pub(crate) last_step: Option<Step>,
}

/// One step of a value area that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Volume before it.
    pub(crate) before: Amount,
    /// Volume of the rows above that it looked at.
    pub(crate) above: Amount,
    /// Volume of the rows below that it looked at.
    pub(crate) below: Amount,
}

impl Profile {
    /// The profile of flows per bucket; none when nothing was traded.
    pub(crate) fn new(flows: &Pages<Flow>) -> Option<Self> {
        let ends = |first: i64, last: i64| {
            let mut buckets = flows.range(first, last).map(|(bucket, _)| bucket);
            let first = buckets.next()?;
            Some((first, buckets.next_back().unwrap_or(first)))
        };
        let all = ends(i64::MIN, i64::MAX)?;
        let (mut first, mut last) = all;
        if last - first > MAX_REACH {
            let by_volume = |one: &(i64, &Flow), other: &(i64, &Flow)| one.1.total().cmp(&other.1.total());
            // Of equals the lowest.
            let largest = flows.all().rev().max_by(by_volume)?.0;
            (first, last) = ends(largest - MAX_REACH, largest + MAX_REACH)?;
        }
        let mut rows = vec![0; usize::try_from(last - first).ok()? + 1];
        for (bucket, flow) in flows.range(first, last) {
            if let Some(row) = usize::try_from(bucket - first)
                .ok()
                .and_then(|index| rows.get_mut(index))
            {
                *row = flow.total();
            }
        }
        let poc = point_of_control(&rows)?;
        Some(Self {
            first,
            rows,
            poc,
            cut: (first, last) != all,
        })
    }

    /// Bucket of a row.
    pub(crate) fn bucket(&self, row: usize) -> i64 {
        self.first.saturating_add(i64::try_from(row).unwrap_or(i64::MAX))
    }

    /// Volume of all rows.
    pub(crate) fn total(&self) -> Amount {
        self.rows.iter().sum()
    }

    /// The value area by the given rule.
    pub(crate) fn value_area(&self, rule: ValueAreaRule) -> Area {
        value_area(&self.rows, self.poc, rule)
    }
}

/// The row with most volume; of equals the one nearest the middle of the range, then the lower.
fn point_of_control(rows: &[Amount]) -> Option<usize> {
    let most = *rows.iter().max()?;
    let twice_middle = rows.len() - 1;
    rows.iter()
        .enumerate()
        .filter(|(_, volume)| **volume == most)
        .min_by_key(|(index, _)| ((2 * index).abs_diff(twice_middle), *index))
        .map(|(index, _)| index)
}

/// 70 % of a volume in base units of the profile, for a person to compare with.
pub(crate) fn target(total: Amount) -> Amount {
    total * VALUE_AREA_TENTHS / 10
}

/// Grows from the point of control until 70 % of the volume is inside: the larger of the next rows above
/// and the next rows below first, a tie goes up; where only one row is left it stands alone.
fn value_area(rows: &[Amount], poc: usize, rule: ValueAreaRule) -> Area {
    let step = match rule {
        ValueAreaRule::TwoRow => 2,
        ValueAreaRule::OneRow => 1,
    };
    let total: Amount = rows.iter().sum();
    let (mut low, mut high) = (poc, poc);
    let mut volume = rows.get(poc).copied().unwrap_or(0);
    let mut last_step = None;
    while volume * 10 < total * VALUE_AREA_TENTHS {
        let above_end = (high + step).min(rows.len() - 1);
        let below_end = low.saturating_sub(step);
        let above: Amount = rows[high + 1..=above_end].iter().sum();
        let below: Amount = rows[below_end..low].iter().sum();
        last_step = Some(Step {
            before: volume,
            above,
            below,
        });
        if above_end > high && (above >= below || below_end == low) {
            high = above_end;
            volume += above;
        } else if below_end < low {
            low = below_end;
            volume += below;
        } else {
            break;
        }
    }
    Area {
        low,
        high,
        volume,
        last_step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[Amount], rule: ValueAreaRule, expected: (usize, usize, usize)) {
        let poc = point_of_control(rows).unwrap();
        let area = value_area(rows, poc, rule);
        assert_eq!((poc, area.low, area.high), expected, "{rows:?} {rule:?}");
        assert_eq!(area.volume, rows[area.low..=area.high].iter().sum::<Amount>());
    }

    #[test]
    fn the_point_of_control_of_equals_is_nearest_the_middle_and_then_the_lower() {
        for (rows, expected) in [
            (&[1, 9, 2, 3, 9][..], 1), // row 1 is nearer the middle than row 4
            (&[9, 1, 1, 9], 0),        // equally far: the lower
            (&[9, 1, 9, 1], 2),        // middle 1.5: row 2
            (&[1, 9, 9, 1], 1),        // equally far: the lower
            (&[5], 0),
        ] {
            assert_eq!(point_of_control(rows), Some(expected), "{rows:?}");
        }
        assert_eq!(point_of_control(&[]), None);
    }

    /// Every vector under both rules, worked out by hand: rows, control row, (low, high) by two rows and by one.
    #[test]
    fn both_rules_give_the_areas_worked_out_by_hand() {
        type Vector<'a> = (&'a [Amount], usize, (usize, usize), (usize, usize), &'a str);
        let vectors: [Vector<'_>; 14] = [
            // Total 100, 70 wanted, 30 at row 5. Two rows: up 12 + 1 = 13, down 9 + 8 = 17: down, 47; up 13, down
            // 11 + 3 = 14: down, 61; up 13, down 6 alone at the end: up, 74. One row: up 12 (42), down 9 (51),
            // down 8 (59), down 11 (70), reached.
            (
                &[6, 3, 11, 8, 9, 30, 12, 1, 10, 10],
                5,
                (1, 7),
                (2, 6),
                "the rules differ; even number of rows",
            ),
            // Total 20, 14 wanted, 10 at row 2. Two rows: 2 + 3 = 5 on both sides: up, 15. One row: 2 and 2: up, 12;
            // 3 above, 2 below: up, 15.
            (
                &[3, 2, 10, 2, 3],
                2,
                (2, 4),
                (2, 4),
                "a tie goes up; odd number of rows",
            ),
            // Total 18, 12.6 wanted. Two rows: 4 and 4: up, 14. One row: up 12; 2 above, 2 below: up again, 14.
            (&[2, 2, 10, 2, 2], 2, (2, 4), (2, 4), "ties all the way"),
            // Total 20, 14 wanted, 7 at row 1. Two rows: up 3 + 3 = 6, down 4 alone: up, 13; up 2 + 1 = 3, down 4:
            // down, 17. One row: up 3, down 4: down, 11; up 3, 14.
            (
                &[4, 7, 3, 3, 2, 1],
                1,
                (0, 3),
                (0, 2),
                "a single row stands alone at the lower end",
            ),
            // Total 20, 14 wanted, 9 at row 3, nothing above. Two rows: 1 + 5: 15. One row: 1, 10; 5, 15.
            (&[5, 5, 1, 9], 3, (1, 3), (1, 3), "only down is left"),
            // Total 20, 14 wanted, 9 at row 0, nothing below.
            (&[9, 1, 5, 5], 0, (0, 2), (0, 2), "only up is left"),
            // Total 10, 7 wanted, 8 at row 2.
            (&[1, 1, 8], 2, (2, 2), (2, 2), "the control row alone"),
            // Total 10, exactly 7 at row 1.
            (&[0, 7, 3], 1, (1, 1), (1, 1), "exactly seventy percent is enough"),
            // Total 12, 8.4 wanted, 6 at row 3. Two rows: up 0 + 3, down 0 + 0: up, 9. One row: 0 and 0, up, 6; 3
            // above, 0 below: up, 9.
            (&[3, 0, 0, 6, 0, 3], 3, (3, 5), (3, 5), "empty rows are rows"),
            // Total 12, 8.4 wanted, 6 at row 2. Two rows: up 0 + 0, down 0 + 3: down, 9. One row: 0 and 0: up, 6; 0
            // and 0: up, 6; 3 above, 0 below: up, 9.
            (
                &[3, 0, 6, 0, 0, 3],
                2,
                (0, 2),
                (2, 5),
                "a tie of empty rows goes up, too",
            ),
            // Control rows 1 and 2 equal, middle 1.5: the lower. Total 20, 14 wanted, 8. Two rows: up 8 + 2 = 10:
            // 18. One row: up 8, 16.
            (
                &[2, 8, 8, 2],
                1,
                (1, 3),
                (1, 2),
                "equal control rows, even number of rows",
            ),
            // Rows 0 and 4 equal, middle 2, equally far: the lower. Total 25, 17.5 wanted, 9: up 2 + 3 = 5, 14; up
            // 2 + 9, 25. One row: 2, 11; 3, 14; 2, 16; 9, 25.
            (
                &[9, 2, 3, 2, 9],
                0,
                (0, 4),
                (0, 4),
                "equal control rows at both ends, odd number of rows",
            ),
            // Total 6, 4.2 wanted; middle row 2.5, rows 2 and 3 equally near: 2. Two rows: 1 + 1 both: up, 3; up 1
            // alone, down 1 + 1: down, 5. One row: up, 2; up, 3; up, 4; down, 5.
            (
                &[1, 1, 1, 1, 1, 1],
                2,
                (0, 4),
                (1, 5),
                "a flat profile, even number of rows",
            ),
            // Total 5, 3.5 wanted, row 2. Two rows: up, 3; down, 5. One row: up, 2; up, 3; down, 4.
            (
                &[1, 1, 1, 1, 1],
                2,
                (0, 4),
                (1, 4),
                "a flat profile, odd number of rows",
            ),
        ];
        for (rows, poc, two_row, one_row, what) in vectors {
            check(rows, ValueAreaRule::TwoRow, (poc, two_row.0, two_row.1));
            check(rows, ValueAreaRule::OneRow, (poc, one_row.0, one_row.1));
            assert!(!what.is_empty());
        }
    }

    #[test]
    fn the_last_step_says_why_the_area_ends_where_it_does() {
        let last = |rule| value_area(&[6, 3, 11, 8, 9, 30, 12, 1, 10, 10], 5, rule).last_step;
        let step = |before, above, below| Some(Step { before, above, below });
        assert_eq!(last(ValueAreaRule::TwoRow), step(61, 13, 6));
        assert_eq!(last(ValueAreaRule::OneRow), step(59, 1, 11));
        assert_eq!(value_area(&[1, 1, 8], 2, ValueAreaRule::TwoRow).last_step, None);
    }

    #[test]
    fn rows_absurdly_far_away_are_left_out_and_it_says_so() {
        let of = |flows: &[(i64, Amount)]| {
            let mut pages = Pages::new(64);
            let flows = flows
                .iter()
                .map(|(bucket, buy)| (*bucket, Flow { buy: *buy, sell: 0 }));
            pages.change(flows, Flow::add);
            Profile::new(&pages)
        };
        let profile = of(&[(0, 5), (3, 9), (9_000_000, 1)]).unwrap();
        assert_eq!(
            (profile.rows.as_slice(), profile.cut, profile.bucket(profile.poc)),
            (&[5, 0, 0, 9][..], true, 3)
        );
        let profile = of(&[(-100_000, 5), (0, 9), (100_000, 9)]).unwrap();
        assert_eq!((profile.rows.len(), profile.cut), (200_001, false));
        let profile = of(&[(-100_000, 9), (0, 9), (1, 9)]).unwrap();
        assert_eq!((profile.rows.len(), profile.cut), (100_001, true));
        assert_eq!(of(&[]), None);
    }
}

#[cfg(test)]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_holds_seventy_percent_and_no_row_too_many(rows in prop::collection::vec(0_i64..50, 1..60)) {
            let rows: Vec<Amount> = rows.into_iter().map(Amount::from).collect();
            let total: Amount = rows.iter().sum();
            prop_assume!(total > 0);
            let poc = point_of_control(&rows).unwrap();
            for (rule, step) in [(ValueAreaRule::TwoRow, 2), (ValueAreaRule::OneRow, 1)] {
                let area = value_area(&rows, poc, rule);
                prop_assert!(area.low <= poc && poc <= area.high && area.high < rows.len());
                prop_assert_eq!(area.volume, rows[area.low..=area.high].iter().sum::<Amount>());
                prop_assert!(area.volume * 10 >= total * 7);
                // Without the rows added last it was not enough: on one of the two sides.
                let without = |low: usize, high: usize| rows[low..=high].iter().sum::<Amount>() * 10 < total * 7;
                let grown = area.low < poc || area.high > poc;
                let top = area.high.saturating_sub(step).max(poc);
                let bottom = (area.low + step).min(poc);
                prop_assert!(!grown || without(area.low, top) || without(bottom, area.high));
            }
        }
    }
}

//! The volume profile: point of control and value area.
//!
//! Rows are buckets, and every bucket between the lowest and the highest traded one is a row, traded in
//! or not, as on a chart. A row is named by its lower edge.

use std::collections::BTreeMap;

use crate::analysis::units::Amount;
use crate::analysis::window::Flow;
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
    pub(crate) fn new(flows: &BTreeMap<i64, Flow>) -> Option<Self> {
        let largest = flows
            .iter()
            .max_by(|one, other| one.1.total().cmp(&other.1.total()).then(other.0.cmp(one.0)))
            .filter(|(_, flow)| flow.total() > 0)?;
        let (reach_low, reach_high) = (largest.0 - MAX_REACH, largest.0 + MAX_REACH);
        let inside = || flows.range(reach_low..=reach_high);
        let (first, last) = (*inside().next()?.0, *inside().next_back()?.0);
        let mut rows = vec![0; usize::try_from(last - first).ok()? + 1];
        for (bucket, flow) in inside() {
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
            cut: inside().count() < flows.len(),
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

    #[test]
    fn two_rows_at_a_time_gives_another_area_than_one_row() {
        // Total 100, 70 wanted, control row 5 with 30. Two rows: above 12 + 1 = 13 against below 9 + 8 = 17:
        // down, 47; above 13 against below 11 + 3 = 14: down, 61; above 13 against below 6, alone at the end:
        // up, 74.
        let rows = [6, 3, 11, 8, 9, 30, 12, 1, 10, 10];
        check(&rows, ValueAreaRule::TwoRow, (5, 1, 7));
        // One row: up 12 (42), down 9 (51), down 8 (59), down 11 (70): reached.
        check(&rows, ValueAreaRule::OneRow, (5, 2, 6));
    }

    #[test]
    fn a_tie_goes_up() {
        // Total 20, 14 wanted, control 10: two rows above 2 + 3 equal two rows below.
        check(&[3, 2, 10, 2, 3], ValueAreaRule::TwoRow, (2, 2, 4));
        // One row: 2 up (12), then 3 up against 2 down: up (15).
        check(&[3, 2, 10, 2, 3], ValueAreaRule::OneRow, (2, 2, 4));
        // Total 18, 12.6 wanted: one row 2 up (12), then 2 up against 2 down: up (14).
        check(&[2, 2, 10, 2, 2], ValueAreaRule::OneRow, (2, 2, 4));
    }

    #[test]
    fn at_the_end_of_the_range_a_single_row_stands_alone() {
        // Even number of rows; control at row 1. Total 20, 14 wanted. Below only row 0 with 4, above 3 + 3 = 6.
        check(&[4, 7, 3, 3, 2, 1], ValueAreaRule::TwoRow, (1, 0, 3));
        // Nothing above the control row: only down is left, two at a time.
        check(&[5, 5, 1, 9], ValueAreaRule::TwoRow, (3, 1, 3));
        check(&[1, 1, 8], ValueAreaRule::TwoRow, (2, 2, 2));
    }

    #[test]
    fn exactly_seventy_percent_is_enough_and_empty_rows_count_as_rows() {
        check(&[0, 7, 3], ValueAreaRule::TwoRow, (1, 1, 1));
        // Up: 0 + 3 against below 0 + 0.
        check(&[3, 0, 0, 6, 0, 3], ValueAreaRule::TwoRow, (3, 3, 5));
    }

    #[test]
    fn rows_absurdly_far_away_are_left_out_and_it_says_so() {
        let flow = |buy| Flow { buy, sell: 0 };
        let profile = Profile::new(&BTreeMap::from([
            (0, flow(5)),
            (3, flow(9)),
            (9_000_000, flow(1)),
        ]))
        .unwrap();
        assert_eq!(
            (profile.rows.as_slice(), profile.cut, profile.bucket(profile.poc)),
            (&[5, 0, 0, 9][..], true, 3)
        );
        assert_eq!(Profile::new(&BTreeMap::new()), None);
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

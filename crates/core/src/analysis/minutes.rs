//! Minutes by number. Those next to each other lie together, so that a stretch of a long window is found in one step.

use std::collections::BTreeMap;

use crate::analysis::rows::MinuteFlow;

/// Minutes of a page.
const PAGE: i64 = 32;

/// Any minutes, in pages of so many consecutive ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Minutes {
    /// Page `n` begins with minute `n × PAGE` and is not empty.
    pages: BTreeMap<i64, Page>,
}

#[derive(Debug, Clone)]
struct Page {
    /// All there can be, of which some are there.
    minutes: Vec<Option<MinuteFlow>>,
    count: usize,
}

/// The page of a minute, and its place there.
fn place(number: i64) -> (i64, usize) {
    let place = usize::try_from(number.rem_euclid(PAGE)).unwrap_or_default();
    (number.div_euclid(PAGE), place)
}

impl Minutes {
    /// One minute.
    pub(crate) fn get(&self, number: i64) -> Option<&MinuteFlow> {
        let (page, place) = place(number);
        self.pages.get(&page)?.minutes.get(place)?.as_ref()
    }

    /// Puts a minute in the place of an earlier version, which it gives back.
    pub(crate) fn insert(&mut self, number: i64, flow: MinuteFlow) -> Option<MinuteFlow> {
        let (page, place) = place(number);
        let page = self.pages.entry(page).or_insert_with(|| Page {
            minutes: (0..PAGE).map(|_| None).collect(),
            count: 0,
        });
        let before = page.minutes.get_mut(place)?.replace(flow);
        page.count += usize::from(before.is_none());
        before
    }

    /// Takes a minute away.
    pub(crate) fn remove(&mut self, number: i64) -> Option<MinuteFlow> {
        let (number, place) = place(number);
        let page = self.pages.get_mut(&number)?;
        let removed = page.minutes.get_mut(place)?.take()?;
        page.count -= 1;
        if page.count == 0 {
            self.pages.remove(&number);
        }
        Some(removed)
    }

    /// The minutes from `first` to `last`, both included, oldest first.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl DoubleEndedIterator<Item = (i64, &MinuteFlow)> {
        let (from, to) = (place(first).0, place(last).0);
        let pages = self.pages.range(from..=to.max(from));
        pages.flat_map(move |(page, content)| {
            let start = page * PAGE;
            let within = |number: i64| {
                usize::try_from(number.saturating_sub(start).clamp(0, PAGE)).unwrap_or_default()
            };
            let places = within(first)..within(last.saturating_add(1));
            let skipped = places.start;
            let minutes = content.minutes.get(places).unwrap_or_default().iter();
            minutes.enumerate().filter_map(move |(index, minute)| {
                let number = start + i64::try_from(skipped + index).unwrap_or_default();
                Some((number, minute.as_ref()?))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::units::Grid;
    use crate::num::BucketWidth;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_hold_what_a_map_holds(
            changes in prop::collection::vec((-100_i64..100, any::<bool>(), any::<bool>()), 0..200),
            ranges in prop::collection::vec((-120_i64..120, -120_i64..120), 1..20),
        ) {
            let grid = Grid::new(BucketWidth::ONE);
            let (mut pages, mut map) = (Minutes::default(), BTreeMap::new());
            for (number, comes, complete) in changes {
                let flow = MinuteFlow::new(std::iter::empty(), complete, 0, grid);
                let (one, other) = if comes {
                    (pages.insert(number, flow.clone()), map.insert(number, flow))
                } else {
                    (pages.remove(number), map.remove(&number))
                };
                prop_assert_eq!(one, other);
            }
            let ends = [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN)];
            for (first, last) in ranges.into_iter().chain(ends) {
                let one: Vec<_> = pages.range(first, last).collect();
                let other: Vec<_> = map.iter().map(|(number, flow)| (*number, flow)).filter(|(number, _)| (first..=last).contains(number)).collect();
                prop_assert_eq!(&one, &other);
                let back: Vec<_> = pages.range(first, last).rev().collect();
                prop_assert_eq!(back, other.into_iter().rev().collect::<Vec<_>>());
                prop_assert_eq!(pages.get(first), map.get(&first));
            }
            prop_assert!(map.is_empty() == pages.pages.is_empty(), "no empty page stays");
        }
    }
}

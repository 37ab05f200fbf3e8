//! Values by number, of which many are next to each other: those lie together, so that a stretch of them is found in one step
//! and read from one place.

use std::collections::VecDeque;

/// Values by number, in pages of consecutive ones. A value that equals the default is not there.
#[derive(Debug, Clone)]
pub(crate) struct Pages<T> {
    length: i64,
    /// Page `n` has the values from number `n × length` on, so many of them, and not all are default. By number, without those that
    /// are empty.
    pages: VecDeque<(i64, Vec<T>)>,
}

impl<T: Default + PartialEq> Pages<T> {
    /// Nothing, in pages of this length.
    pub(crate) fn new(length: i64) -> Self {
        Self {
            length,
            pages: VecDeque::new(),
        }
    }

    /// The page of a number, and its place there.
    fn place(&self, number: i64) -> (i64, usize) {
        let place = usize::try_from(number.rem_euclid(self.length)).unwrap_or_default();
        (number.div_euclid(self.length), place)
    }

    /// Where a page is, or would be.
    fn find(&self, page: i64) -> Result<usize, usize> {
        // Mostly there is every page from the first on.
        let first = self.pages.front().map_or(0, |(first, _)| *first);
        let guess = usize::try_from(page.saturating_sub(first)).unwrap_or(usize::MAX);
        match self.pages.get(guess) {
            Some((number, _)) if *number == page => Ok(guess),
            _ => self.pages.binary_search_by_key(&page, |(number, _)| *number),
        }
    }

    /// One value.
    pub(crate) fn get(&self, number: i64) -> Option<&T> {
        let (page, place) = self.place(number);
        let value = self.pages.get(self.find(page).ok()?)?.1.get(place)?;
        (*value != T::default()).then_some(value)
    }

    /// Changes the values of these numbers; one that is not there is changed from the default. Quickest when they come lowest first.
    pub(crate) fn change<U>(
        &mut self,
        numbers: impl Iterator<Item = (i64, U)>,
        mut change: impl FnMut(&mut T, U),
    ) {
        let length = self.length;
        let mut numbers = numbers.peekable();
        while let Some((number, _)) = numbers.peek() {
            let (current, _) = self.place(*number);
            let index = self.find(current).unwrap_or_else(|index| {
                let empty = (0..length).map(|_| T::default()).collect();
                self.pages.insert(index, (current, empty));
                index
            });
            let page = &mut self.pages[index].1;
            let start = current * length;
            // One after the other in the same page: to look up each of them would take several times as long.
            while let Some((number, with)) =
                numbers.next_if(|(number, _)| (0..length).contains(&(number - start)))
            {
                let place = usize::try_from(number - start).ok();
                if let Some(value) = place.and_then(|place| page.get_mut(place)) {
                    change(value, with);
                }
            }
            if page.iter().all(|value| *value == T::default()) {
                self.pages.remove(index);
            }
        }
    }

    /// The values from number `first` to `last`, both included, lowest first.
    pub(crate) fn range(&self, first: i64, last: i64) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        let length = self.length;
        let from = self.find(self.place(first).0).unwrap_or_else(|index| index);
        let to = self
            .find(self.place(last).0)
            .map_or_else(|index| index, |index| index + 1);
        self.pages
            .range(from..to.max(from))
            .flat_map(move |(page, values)| {
                let start = page * length;
                let within = |number: i64| {
                    usize::try_from(number.saturating_sub(start).clamp(0, length)).unwrap_or_default()
                };
                let places = within(first)..within(last.saturating_add(1));
                let skipped = places.start;
                let values = values.get(places).unwrap_or_default().iter();
                values.enumerate().filter_map(move |(index, value)| {
                    let number = start + i64::try_from(skipped + index).unwrap_or_default();
                    (*value != T::default()).then_some((number, value))
                })
            })
    }

    /// All values, lowest number first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        self.range(i64::MIN, i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn pages_hold_what_a_map_holds(
            changes in prop::collection::vec(prop::collection::vec((-100_i64..100, -2_i32..3), 0..20), 0..20),
            ranges in prop::collection::vec((-120_i64..120, -120_i64..120), 1..20),
        ) {
            let mut pages = Pages::new(8);
            let mut map: BTreeMap<i64, i32> = BTreeMap::new();
            for change in changes {
                pages.change(change.iter().copied(), |value, by| *value += by);
                for (number, by) in change {
                    *map.entry(number).or_default() += by;
                }
                map.retain(|_, value| *value != 0);
            }
            let ends = [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN)];
            for (first, last) in ranges.into_iter().chain(ends) {
                let found: Vec<_> = pages.range(first, last).collect();
                let within = |number: &i64| (first..=last).contains(number);
                let expected: Vec<_> = map.iter().map(|(number, value)| (*number, value)).filter(|(number, _)| within(number)).collect();
                prop_assert_eq!(&found, &expected);
                let back: Vec<_> = pages.range(first, last).rev().collect();
                prop_assert_eq!(back, expected.into_iter().rev().collect::<Vec<_>>());
                prop_assert_eq!(pages.get(first), map.get(&first));
            }
            prop_assert!(!map.is_empty() || pages.pages.is_empty(), "no empty page stays");
        }
    }
}

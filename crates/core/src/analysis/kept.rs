//! What was worked out of stretches of minutes, kept until one of the minutes changes.

use std::collections::BTreeMap;

/// Findings by stretch: stretch `n` is the minutes from `n × length` on.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    length: i64,
    found: BTreeMap<i64, T>,
}

impl<T> Kept<T> {
    /// Nothing of stretches of so many minutes.
    pub(crate) fn new(length: i64) -> Self {
        Self {
            length,
            found: BTreeMap::new(),
        }
    }

    /// Forgets what rests on this minute.
    pub(crate) fn forget(&mut self, minute: i64) {
        self.found.remove(&minute.div_euclid(self.length));
    }

    /// Forgets what does not lie from stretch `first` to stretch `last`, both included.
    pub(crate) fn keep(&mut self, first: i64, last: i64) {
        while let Some(stretch) = self.found.first_entry().filter(|entry| *entry.key() < first) {
            stretch.remove();
        }
        while let Some(stretch) = self.found.last_entry().filter(|entry| *entry.key() > last) {
            stretch.remove();
        }
    }

    /// What is known of a stretch.
    pub(crate) fn get(&self, stretch: i64) -> Option<&T> {
        self.found.get(&stretch)
    }

    /// Keeps what was found out about a stretch.
    pub(crate) fn put(&mut self, stretch: i64, found: T) {
        self.found.insert(stretch, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_forgets_its_stretch_and_no_other() {
        let mut kept = Kept::new(10);
        for stretch in -1..3 {
            kept.put(stretch, stretch * 100);
        }
        kept.forget(-1);
        kept.forget(19);
        assert_eq!(
            [-1, 0, 1, 2].map(|stretch| kept.get(stretch).copied()),
            [None, Some(0), None, Some(200)]
        );
        kept.keep(1, 1);
        assert_eq!([0, 2].map(|stretch| kept.get(stretch).copied()), [None, None]);
    }
}

//! What was worked out of stretches of minutes, kept until one of the minutes changes.

use std::collections::BTreeMap;

/// Findings by stretch: stretch `n` is the minutes from `n × length` on.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    length: i64,
    found: BTreeMap<i64, T>,
    /// The first and the last one.
    ends: [i64; 2],
}

impl<T> Kept<T> {
    /// Nothing of stretches of so many minutes.
    pub(crate) fn new(length: i64) -> Self {
        Self {
            length,
            found: BTreeMap::new(),
            ends: [0; 2],
        }
    }

    /// Forgets what rests on this minute.
    pub(crate) fn forget(&mut self, minute: i64) {
        self.found.remove(&minute.div_euclid(self.length));
    }

    /// Forgets what does not lie between stretch `first` and stretch `last`, and what did not the last time: what a window begins and
    /// ends with changes as it moves.
    pub(crate) fn keep(&mut self, first: i64, last: i64) {
        for end in self.ends {
            self.found.remove(&end);
        }
        self.ends = [first, last];
        while let Some(stretch) = self.found.first_entry().filter(|entry| *entry.key() <= first) {
            stretch.remove();
        }
        while let Some(stretch) = self.found.last_entry().filter(|entry| *entry.key() >= last) {
            stretch.remove();
        }
    }

    /// The stretches from `first` to `last` of which nothing is known, after everything else was forgotten.
    pub(crate) fn missing(&self, first: i64, last: i64) -> Vec<i64> {
        let wanted = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0);
        if self.found.len() == wanted {
            return Vec::new();
        }
        (first..=last)
            .filter(|stretch| !self.found.contains_key(stretch))
            .collect()
    }

    /// Everything that is known, by stretch.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.found.values()
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
        assert_eq!(kept.missing(-1, 2), [0_i64; 0]);
        kept.forget(-1);
        kept.forget(19);
        assert_eq!(kept.missing(-1, 2), [-1, 1]);
        assert_eq!(kept.all().copied().collect::<Vec<_>>(), [0, 200]);
    }

    #[test]
    fn the_ends_are_found_out_anew_now_and_the_next_time() {
        let mut kept = Kept::new(10);
        for (first, last, unknown) in [
            (0, 4, vec![0, 1, 2, 3, 4]),
            (0, 4, vec![0, 4]),
            (1, 5, vec![1, 4, 5]),
            (1, 3, vec![1, 3]),
            (2, 9, (2..10).collect()),
        ] {
            kept.keep(first, last);
            assert_eq!(kept.missing(first, last), unknown, "{first} to {last}");
            for stretch in unknown {
                kept.put(stretch, ());
            }
        }
    }
}

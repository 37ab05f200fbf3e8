//! Since when something is wrong, in the words of the status. Pure.

use chrono::{DateTime, Utc};

/// What is wrong with one part, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    words: String,
    since: DateTime<Utc>,
}

impl Reason {
    /// Something that went wrong now.
    pub fn new(words: String, now: DateTime<Utc>) -> Self {
        Self { words, since: now }
    }

    /// Other words for what is still wrong.
    pub fn rephrase(&mut self, words: String) {
        self.words = words;
    }

    /// For a person: `storage: no space left on device since 07:12 UTC`, with the date when that was not today.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let form = if self.since.date_naive() == now.date_naive() {
            "%H:%M UTC"
        } else {
            "%Y-%m-%d %H:%M UTC"
        };
        format!("{} since {}", self.words, self.since.format(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_since_when() {
        let since: DateTime<Utc> = "2026-11-22T07:12:59Z".parse().unwrap();
        let mut reason = Reason::new("storage: read-only".to_owned(), since);
        reason.rephrase("storage: no space left on device".to_owned());
        let soon = since + chrono::Duration::hours(3);
        assert_eq!(
            reason.text(soon),
            "storage: no space left on device since 07:12 UTC"
        );
        let tomorrow = since + chrono::Duration::hours(17);
        assert_eq!(
            reason.text(tomorrow),
            "storage: no space left on device since 2026-11-22 07:12 UTC"
        );
    }
}

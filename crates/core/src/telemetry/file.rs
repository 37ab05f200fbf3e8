//! The log file as a place lines go to, and how it is doing.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::degraded::Reason;
use crate::rotating_file::RotatingFile;

/// The log file and how it is doing.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    file: RotatingFile,
    trouble: Option<Reason>,
    lost: u64,
}

/// What there is to say after a line was written, or was not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// From now on lines are missing.
    Fails(String),
    /// From now on lines are there again. The file is told too.
    Recovered(String),
}

impl FileSink {
    pub(super) fn new(path: PathBuf, max_size: u64, backups: u32) -> Self {
        Self {
            file: RotatingFile::new(&path, max_size, backups),
            path,
            trouble: None,
            lost: 0,
        }
    }

    /// Appends a line; says what there is to say when the file starts or stops failing.
    pub(super) fn append(&mut self, line: &str, now: DateTime<Utc>) -> Option<News> {
        let outcome = self.file.append(line.as_bytes());
        self.lost += u64::from(outcome.is_err());
        self.note(outcome, now)
    }

    /// Looks whether a file that fails can be written again: a program that has little to say would not notice
    /// for long. `line` makes of words a line.
    pub(super) fn retry(&mut self, now: DateTime<Utc>, line: impl FnOnce(&str) -> String) -> Option<News> {
        self.trouble.as_ref()?;
        let outcome = self.file.append(line(&self.recovery()).as_bytes());
        self.note(outcome, now)
    }

    fn note(&mut self, outcome: io::Result<()>, now: DateTime<Utc>) -> Option<News> {
        match (outcome, &mut self.trouble) {
            (Ok(()), None) => None,
            (Ok(()), Some(_)) => {
                self.trouble = None;
                Some(News::Recovered(self.recovery()))
            }
            (Err(error), trouble) => {
                let words = format!("the log file {} cannot be written: {error}", self.path.display());
                if let Some(known) = trouble {
                    known.rephrase(words);
                    return None;
                }
                *trouble = Some(Reason::new(words.clone(), now));
                Some(News::Fails(words))
            }
        }
    }

    fn recovery(&self) -> String {
        format!(
            "the log file is written again, {} lines are missing in it",
            self.lost
        )
    }

    /// What is wrong and since when; none while lines get into the file.
    pub(super) fn trouble(&self, now: DateTime<Utc>) -> Option<String> {
        self.trouble.as_ref().map(|reason| reason.text(now))
    }

    /// Lines that are missing since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_file_is_reported_once_per_change_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let blocker = directory.path().join("logs");
        std::fs::write(&blocker, "x").unwrap();
        let path = blocker.join("app.log");
        let mut sink = FileSink::new(path.clone(), 1000, 1);
        let now = DateTime::UNIX_EPOCH;
        let words = format!(
            "the log file {} cannot be written: the directory {} cannot be made: File exists (os error 17)",
            path.display(),
            blocker.display()
        );
        assert_eq!(sink.append("one\n", now), Some(News::Fails(words.clone())));
        assert_eq!(sink.append("two\n", now), None);
        assert_eq!(sink.retry(now, |_| "again\n".to_owned()), None);
        assert_eq!(sink.trouble(now), Some(format!("{words} since 00:00 UTC")));
        std::fs::remove_file(&blocker).unwrap();
        let news = sink.append("three\n", now);
        let again = "the log file is written again, 2 lines are missing in it".to_owned();
        assert_eq!(news, Some(News::Recovered(again)));
        assert_eq!(
            (sink.append("four\n", now), sink.trouble(now), sink.lost()),
            (None, None, 2)
        );
    }

    #[test]
    fn a_file_that_can_be_written_again_is_noticed_without_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let blocker = directory.path().join("logs");
        std::fs::write(&blocker, "x").unwrap();
        let mut sink = FileSink::new(blocker.join("app.log"), 1000, 1);
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(sink.retry(now, |_| "not said\n".to_owned()), None);
        assert!(sink.append("one\n", now).is_some());
        std::fs::remove_file(&blocker).unwrap();
        let news = sink.retry(now, |words| format!("{words}\n"));
        assert!(matches!(news, Some(News::Recovered(_))), "{news:?}");
        let text = std::fs::read_to_string(blocker.join("app.log")).unwrap();
        assert_eq!(text, "the log file is written again, 1 lines are missing in it\n");
        assert_eq!(sink.trouble(now), None);
    }
}

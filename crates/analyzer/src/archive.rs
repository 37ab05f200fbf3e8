//! The archive of conversations: `model/YYYYMMDD.jsonl` beside the log file, one record a line.
//!
//! `cycle` hands records over. What must stay true: a day's file never exceeds its limit, files older than
//! the retention go and nothing else does, and a failure costs the record and nothing more.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use strategy_core::config::ArchiveConfig;
use strategy_core::json;
use strategy_core::rotating_file::{FILE_MODE, create_parent};

use crate::journal::end_line;
use crate::llm::record::Record;

/// Where records go, and how many are kept.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    config: ArchiveConfig,
    pruned_on: Option<NaiveDate>,
}

/// Why a record was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The day's file is as large as it may be.
    #[error("{path} has reached its limit of {limit} bytes")]
    Full {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The disk refused.
    #[error("{path} cannot be written")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The record cannot be written as JSON.
    #[error("the record cannot be written as json")]
    Encode(#[source] serde_json::Error),
}

impl Archive {
    /// An archive in `model/` beside the log file; nothing is opened yet.
    pub fn beside(log_file: &Path, config: ArchiveConfig) -> Self {
        Self {
            directory: log_file.with_file_name("model"),
            config,
            pruned_on: None,
        }
    }

    /// Appends a record to its day's file; removes old files on the first record of a day.
    ///
    /// # Errors
    /// [`ArchiveError`]; the record is lost then.
    pub fn append(&mut self, record: &Record) -> Result<(), ArchiveError> {
        if !self.config.enabled {
            return Ok(());
        }
        let day = record.timestamp.date_naive();
        let path = self.directory.join(file_name(day));
        let mut line = json::to_string(record).map_err(ArchiveError::Encode)?;
        line.push('\n');
        let limit = self.config.max_bytes_per_day;
        match append(&path, line.as_bytes(), limit) {
            Ok(true) => {}
            Ok(false) => return Err(ArchiveError::Full { path, limit }),
            Err(source) => return Err(ArchiveError::Disk { path, source }),
        }
        if self.pruned_on != Some(day) {
            self.pruned_on = Some(day);
            self.prune(record.timestamp);
        }
        Ok(())
    }

    /// Removes files of days before the retention. One that cannot be removed is tried again tomorrow.
    fn prune(&self, now: DateTime<Utc>) {
        // Today is one of the days that are kept.
        let earlier = TimeDelta::days(i64::from(self.config.retention_days) - 1);
        let oldest = now.date_naive() - earlier;
        let Ok(entries) = std::fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let day = name.to_str().and_then(day_of);
            if day.is_some_and(|day| day < oldest) && std::fs::remove_file(entry.path()).is_ok() {
                tracing::info!(path = %entry.path().display(), "removed an old record of the model");
            }
        }
    }
}

fn file_name(day: NaiveDate) -> String {
    day.format("%Y%m%d.jsonl").to_string()
}

/// The day of a file of this archive; `None` for any other file.
fn day_of(name: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(name.strip_suffix(".jsonl")?, "%Y%m%d").ok()?;
    (file_name(day) == name).then_some(day)
}

/// Appends a line unless the file would grow beyond the limit; answers whether it did.
fn append(path: &Path, line: &[u8], limit: u64) -> io::Result<bool> {
    create_parent(path)?;
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .open(path)?;
    if file.metadata()?.len() + line.len() as u64 > limit {
        return Ok(false);
    }
    end_line(&mut file)?;
    let before = file.metadata()?.len();
    if let Err(error) = file.write_all(line) {
        file.set_len(before)?;
        return Err(error);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strategy_core::store::Spending;
    use strategy_core::symbol::Symbol;

    fn record(day: &str) -> Record {
        Record {
            timestamp: format!("{day}T12:00:00Z").parse().unwrap(),
            symbol: Symbol::new("BTCFDUSD").unwrap(),
            book: None,
            outcome: "accepted".to_owned(),
            spending: Spending::default(),
            messages: Vec::new(),
            turns: vec![serde_json::json!({"a": "\u{1b}\n"})],
        }
    }

    fn archive(directory: &Path, max_bytes_per_day: u64) -> Archive {
        let config = ArchiveConfig {
            enabled: true,
            max_bytes_per_day,
            retention_days: 2,
        };
        Archive::beside(&directory.join("app.log"), config)
    }

    #[test]
    fn a_record_is_a_line_in_its_days_file_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = archive(directory.path(), 700);
        archive.append(&record("2026-11-20")).unwrap();
        archive.append(&record("2026-11-20")).unwrap();
        let full = archive.append(&record("2026-11-20"));
        assert!(
            matches!(full, Err(ArchiveError::Full { limit: 700, .. })),
            "{full:?}"
        );
        let text = std::fs::read_to_string(directory.path().join("model/20261120.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn only_old_files_of_the_archive_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("model");
        std::fs::create_dir(&model).unwrap();
        for name in [
            "20261117.jsonl",
            "20261118.jsonl",
            "20261119.jsonl",
            "20250101.txt",
            "notes.jsonl",
            "2025011.jsonl",
        ] {
            std::fs::write(model.join(name), "x").unwrap();
        }
        archive(directory.path(), 1000)
            .append(&record("2026-11-20"))
            .unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&model)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected = [
            "20250101.txt",
            "2025011.jsonl",
            "20261119.jsonl",
            "20261120.jsonl",
            "notes.jsonl",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn switched_off_it_keeps_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut archive = archive(directory.path(), 1000);
        archive.config.enabled = false;
        archive.append(&record("2026-11-20")).unwrap();
        assert!(!directory.path().join("model").exists());
    }

    #[test]
    fn a_line_that_a_crash_left_torn_does_not_spoil_the_next() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("model")).unwrap();
        let path = directory.path().join("model/20261120.jsonl");
        std::fs::write(&path, "{\"torn").unwrap();
        archive(directory.path(), 1000)
            .append(&record("2026-11-20"))
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "{\"torn"));
        assert!(serde_json::from_str::<serde_json::Value>(lines[1]).is_ok());
    }

    #[test]
    fn a_disk_that_refuses_is_an_error_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("model"), "").unwrap();
        let refused = archive(directory.path(), 1000).append(&record("2026-11-20"));
        assert!(matches!(refused, Err(ArchiveError::Disk { .. })), "{refused:?}");
    }
}

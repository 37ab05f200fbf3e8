//! What the model cost today: counted before a request goes out, corrected when the vendor states it, and
//! written to a small file each time.
//!
//! The adviser holds one. What must stay true: money is never forgotten and never counted too low. A request
//! is counted at its upper estimate in the file before it is sent, so that neither a crash nor an answer that
//! never comes makes it free. Where records of the day differ (this file, Redis, the recommendation log) the
//! greater wins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use strategy_core::json;
use strategy_core::rotating_file::{FILE_MODE, create_parent};
use strategy_core::store::{DaySpending, Spending};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;

/// Largest file that is read; a record has a few hundred bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Money and tokens of the day and of the conversation that is going on or was last.
#[derive(Debug)]
pub struct Purse {
    /// None in tests.
    path: Option<PathBuf>,
    today: DaySpending,
    call: Spending,
    /// The estimate of the request that is on its way.
    reserved: Option<Spending>,
    trouble: Option<String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurseError {
    /// The disk refuses.
    #[error("the record of the model's cost {path} cannot be {action}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} is no record of the model's cost")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

impl Purse {
    /// Nothing spent yet on the day of `now`; without a file.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            path: None,
            today: DaySpending {
                day: now.date_naive(),
                spending: Spending::default(),
            },
            call: Spending::default(),
            reserved: None,
            trouble: None,
        }
    }

    /// With a file beside the log file; what it holds of the day of `now` counts.
    pub fn beside(log_file: &Path, symbol: &Symbol, now: DateTime<Utc>) -> Self {
        let name = format!("model_spending_{}.json", symbol.lower());
        let mut purse = Self {
            path: Some(log_file.with_file_name(name)),
            ..Self::new(now)
        };
        if let Err(error) = purse.read_again() {
            purse.note(Some(&error));
        }
        purse
    }

    /// What was spent on the day of `now`.
    pub fn today(&self, now: DateTime<Utc>) -> DaySpending {
        if self.is_today(now.date_naive()) {
            self.today
        } else {
            Self::new(now).today
        }
    }

    /// What the last conversation cost, or the one that is going on.
    pub fn call(&self) -> Spending {
        self.call
    }

    /// What is wrong with the file, for a person.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Another record of the same day: the greater of both counts. Those of other days say nothing.
    pub fn absorb(&mut self, other: DaySpending, now: DateTime<Utc>) {
        self.turn_to(now.date_naive());
        if other.day == self.today.day {
            self.today.spending = self.today.spending.greater(other.spending);
        }
    }

    /// A conversation begins.
    pub fn begin(&mut self) {
        self.call = Spending::default();
        self.reserved = None;
    }

    /// A request goes out that costs at most so much: it is counted, on disk if the disk takes it.
    pub fn sending(&mut self, estimate: Spending, at: DateTime<Utc>) {
        self.turn_to(at.date_naive());
        self.change(Spending::default(), estimate);
        self.reserved = Some(estimate);
    }

    /// The request cost this.
    pub fn cost(&mut self, actual: Spending) {
        if let Some(estimate) = self.reserved.take() {
            self.change(estimate, actual);
        }
    }

    /// The vendor refused the request: it counts as one and costs nothing.
    pub fn refused(&mut self) {
        self.cost(Spending {
            requests: 1,
            ..Spending::default()
        });
    }

    /// The request did not leave this machine.
    pub fn unsent(&mut self) {
        self.cost(Spending::default());
    }

    /// Nobody knows what the request cost: the estimate stands.
    pub fn unknown(&mut self) {
        self.reserved = None;
    }

    /// A day begins, or the clock was set back by more than one. A step back over midnight opens no new day.
    fn turn_to(&mut self, day: NaiveDate) {
        if !self.is_today(day) {
            self.today = DaySpending {
                day,
                spending: Spending::default(),
            };
        }
    }

    fn is_today(&self, day: NaiveDate) -> bool {
        day == self.today.day || day == self.today.day - TimeDelta::days(1)
    }

    /// Counts `new` in place of `old`, on top of what the file says by now: `--once` may run beside a daemon.
    fn change(&mut self, old: Spending, new: Spending) {
        let read = self.read_again();
        self.today.spending = self.today.spending.minus(old).plus(new);
        self.call = self.call.minus(old).plus(new);
        if let Some(path) = &self.path {
            let written = write(path, &self.today);
            if let (Err(error), Ok(())) = (&read, &written) {
                let error = error as &dyn std::error::Error;
                tracing::warn!(error, "it is replaced by a new one");
            }
            self.note(written.as_ref().err());
        }
    }

    /// Takes the file's record of the day if it is greater.
    fn read_again(&mut self) -> Result<(), PurseError> {
        let record = self.path.as_deref().map(read).transpose()?.flatten();
        if let Some(other) = record.filter(|other| other.day == self.today.day) {
            self.today.spending = self.today.spending.greater(other.spending);
        }
        Ok(())
    }

    fn note(&mut self, error: Option<&PurseError>) {
        let words = error.map(|error| error_chain(error));
        if words != self.trouble {
            if let Some(error) = error {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the model's cost is kept in redis only"
                );
            } else {
                tracing::info!("the record of the model's cost is written again");
            }
            self.trouble = words;
        }
    }
}

/// The record in a file; none where there is no file.
fn read(path: &Path) -> Result<Option<DaySpending>, PurseError> {
    let failed = |source| PurseError::Disk {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let text = io::read_to_string(io::Read::take(file, MAX_FILE)).map_err(failed)?;
    let record = serde_json::from_str(&text);
    record.map(Some).map_err(|source| PurseError::Foreign {
        path: path.to_owned(),
        source,
    })
}

/// Replaces the file as a whole: it is the old record or the new one, whatever happens.
fn write(path: &Path, record: &DaySpending) -> Result<(), PurseError> {
    let attempt = || -> io::Result<()> {
        let mut text = json::to_string(record)?;
        text.push('\n');
        create_parent(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // What is left of it is of no use, and the next write begins it anew.
            drop(fs::remove_file(&temporary));
        }
        written?;
        match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    };
    attempt().map_err(|source| PurseError::Disk {
        path: path.to_owned(),
        action: "written",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::{Decimal, dec};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn estimate() -> Spending {
        Spending {
            requests: 1,
            cost_usd: dec!(0.004),
            estimated_requests: 1,
            estimated_usd: dec!(0.004),
            ..Spending::default()
        }
    }

    fn actual() -> Spending {
        Spending {
            requests: 1,
            output_tokens: 10,
            cost_usd: dec!(0.0005),
            ..Spending::default()
        }
    }

    fn purse(directory: &Path, now: DateTime<Utc>) -> Purse {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        Purse::beside(&directory.join("logs/app.log"), &symbol, now)
    }

    fn spent(purse: &Purse, now: DateTime<Utc>) -> Decimal {
        purse.today(now).spending.cost_usd
    }

    #[test]
    fn a_request_is_on_disk_before_it_is_sent_and_corrected_after() {
        let (directory, now) = (tempfile::tempdir().unwrap(), at("2026-11-20T12:00:00Z"));
        let mut first = purse(directory.path(), now);
        first.sending(estimate(), now);
        // A crash here: what was reserved is spent.
        assert_eq!(spent(&purse(directory.path(), now), now), dec!(0.004));
        first.cost(actual());
        let read = purse(directory.path(), now).today(now).spending;
        assert_eq!(read, actual());
        assert_eq!(first.call(), actual());
    }

    #[test]
    fn what_a_request_can_have_cost_stands_unless_it_is_known_better() {
        let now = at("2026-11-20T12:00:00Z");
        let mut purse = Purse::new(now);
        purse.begin();
        purse.sending(estimate(), now);
        purse.unknown();
        purse.sending(estimate(), now);
        purse.refused();
        purse.sending(estimate(), now);
        purse.unsent();
        purse.sending(estimate(), now);
        purse.cost(actual());
        let spending = purse.today(now).spending;
        assert_eq!(spending, purse.call());
        assert_eq!((spending.requests, spending.estimated_requests), (3, 1));
        assert_eq!(
            (spending.cost_usd, spending.estimated_usd),
            (dec!(0.0045), dec!(0.004))
        );
    }

    #[test]
    fn a_day_begins_at_zero_and_a_clock_that_steps_back_forgets_nothing() {
        let mut purse = Purse::new(at("2026-11-20T23:59:00Z"));
        purse.sending(actual(), at("2026-11-20T23:59:59Z"));
        assert_eq!(spent(&purse, at("2026-11-20T23:59:59Z")), dec!(0.0005));
        assert_eq!(spent(&purse, at("2026-11-21T00:00:00Z")), Decimal::ZERO);
        purse.sending(actual(), at("2026-11-21T00:00:01Z"));
        assert_eq!(spent(&purse, at("2026-11-20T23:59:59Z")), dec!(0.0005));
        purse.sending(actual(), at("2026-11-20T23:59:59Z"));
        assert_eq!(spent(&purse, at("2026-11-21T00:00:02Z")), dec!(0.001));
    }

    #[test]
    fn of_two_records_of_a_day_the_greater_wins_and_other_days_say_nothing() {
        let now = at("2026-11-20T12:00:00Z");
        let mut purse = Purse::new(now);
        let other = |day: &str, spending: Spending| DaySpending {
            day: day.parse().unwrap(),
            spending,
        };
        purse.absorb(other("2026-11-20", estimate()), now);
        assert_eq!(spent(&purse, now), dec!(0.004));
        purse.absorb(other("2026-11-20", actual()), now);
        assert_eq!(spent(&purse, now), dec!(0.004));
        for day in ["2026-11-19", "2026-11-21", "2099-01-01"] {
            let dear = Spending {
                cost_usd: dec!(9),
                ..Spending::default()
            };
            purse.absorb(other(day, dear), now);
            assert_eq!(spent(&purse, now), dec!(0.004), "{day}");
        }
    }

    #[test]
    fn two_programs_on_one_file_add_up_and_never_count_too_little() {
        let (directory, now) = (tempfile::tempdir().unwrap(), at("2026-11-20T12:00:00Z"));
        let mut daemon = purse(directory.path(), now);
        let mut once = purse(directory.path(), now);
        for purse in [&mut daemon, &mut once] {
            purse.sending(estimate(), now);
            purse.cost(actual());
        }
        assert_eq!(spent(&purse(directory.path(), now), now), dec!(0.001));
        // At the same time: what the other has reserved may be counted, its cost is never forgotten.
        daemon.sending(estimate(), now);
        once.sending(estimate(), now);
        daemon.cost(actual());
        once.cost(actual());
        let both = spent(&purse(directory.path(), now), now);
        assert!((dec!(0.002)..=dec!(0.0055)).contains(&both), "{both}");
    }

    #[test]
    fn a_disk_that_refuses_and_a_foreign_file_are_told_and_money_is_counted_all_the_same() {
        let (directory, now) = (tempfile::tempdir().unwrap(), at("2026-11-20T12:00:00Z"));
        let mut broken = purse(directory.path(), now);
        fs::write(directory.path().join("logs"), "").unwrap();
        broken.sending(actual(), now);
        assert!(broken.trouble().unwrap().contains("cannot be written"));
        assert_eq!(spent(&broken, now), dec!(0.0005));
        fs::remove_file(directory.path().join("logs")).unwrap();
        broken.sending(actual(), now);
        assert_eq!(broken.trouble(), None);

        let path = directory.path().join("logs/model_spending_btcfdusd.json");
        fs::write(&path, "{\"day\": 5}").unwrap();
        let foreign = purse(directory.path(), now);
        assert!(foreign.trouble().unwrap().contains("is no record"));
    }
}

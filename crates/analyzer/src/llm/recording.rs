//! The model that answers from what was kept: no network, no cost.
//!
//! Which record answers a cycle: one of the same market about the same book, the next one of several; where the
//! recording does not know the book, the next record of the market after the one used last. What was recorded
//! is judged anew, against the report of the cycle.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use strategy_core::model::report::MarketReport;
use strategy_core::symbol::Symbol;
use strategy_core::time::rfc3339;

use super::conversation::{Conversation, Settings, Step};
use super::deepseek::Asked;
use super::error::LlmError;
use super::reply::Given;
use super::wire::Turn;

/// Most bytes of a record file that are read.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// The part of a record that is needed to replay it.
#[derive(Debug, Deserialize)]
struct Recorded {
    symbol: Symbol,
    /// Looked at so that a file of anything else is refused.
    #[serde(with = "rfc3339", rename = "timestamp")]
    _timestamp: DateTime<Utc>,
    #[serde(default, deserialize_with = "optional_time")]
    book: Option<DateTime<Utc>>,
    outcome: String,
    turns: Vec<Value>,
}

fn optional_time<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parsed = text.map(|text| DateTime::parse_from_rfc3339(&text)).transpose();
    let parsed = parsed.map_err(serde::de::Error::custom)?;
    Ok(parsed.map(|time| time.with_timezone(&Utc)))
}

/// A model that says what it once said.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    records: Vec<Recorded>,
    /// Place after the record used last.
    next: usize,
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It cannot be read, or is larger than 1 GiB.
    #[error("the recording {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line is no record.
    #[error("line {line} of the recording {path} is no record of a conversation")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// It holds no record, or none of this market.
    #[error("the recording {path} holds no conversation{}", market(.symbol.as_ref()))]
    Empty {
        /// The file.
        path: PathBuf,
        /// The market, where there are records of others.
        symbol: Option<Symbol>,
    },
}

fn market(symbol: Option<&Symbol>) -> String {
    symbol.map_or(String::new(), |symbol| format!(" about {symbol}"))
}

impl Recording {
    /// Reads a file of the archive; every line must be a record.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MAX_FILE {
            return Err(failed(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "larger than 1 GiB",
            )));
        }
        let mut records = Vec::new();
        for (index, line) in BufReader::new(file.take(MAX_FILE)).lines().enumerate() {
            let line = line.map_err(failed)?;
            if line.trim().is_empty() {
                continue;
            }
            let record = serde_json::from_str(&line).map_err(|source| RecordingError::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            });
            records.push(record?);
        }
        let recording = Self {
            path: path.to_owned(),
            records,
            next: 0,
        };
        if recording.records.is_empty() {
            return Err(recording.empty(None));
        }
        Ok(recording)
    }

    /// Leaves out other markets.
    ///
    /// # Errors
    /// [`RecordingError::Empty`] when nothing is left.
    pub fn only(mut self, symbol: &Symbol) -> Result<Self, RecordingError> {
        self.records.retain(|record| record.symbol == *symbol);
        if self.records.is_empty() {
            return Err(self.empty(Some(symbol.clone())));
        }
        Ok(self)
    }

    fn empty(&self, symbol: Option<Symbol>) -> RecordingError {
        RecordingError::Empty {
            path: self.path.clone(),
            symbol,
        }
    }

    /// Conversations it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True when it holds none, which [`Recording::load`] refuses.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record that answers a cycle whose newest book arrived then.
    fn find(&mut self, book: Option<DateTime<Utc>>) -> Option<&Recorded> {
        let knows = |record: &Recorded| book.is_some() && record.book == book;
        let (used, ahead) = self.records.split_at(self.next.min(self.records.len()));
        let place = ahead
            .iter()
            .position(knows)
            .map(|place| used.len() + place)
            .or_else(|| used.iter().rposition(knows))
            .unwrap_or(self.next);
        let found = self.records.get(place)?;
        self.next = place + 1;
        Some(found)
    }

    /// Holds the recorded conversation about this report; `book` is the arrival of its newest book.
    pub fn ask(
        &mut self,
        settings: &Settings,
        report: &MarketReport,
        given: Given,
        book: Option<DateTime<Utc>>,
    ) -> Asked {
        let mut conversation = Conversation::new(settings, report, given);
        let outcome = match self.find(book) {
            None => Err(LlmError::NotRecorded {
                recorded: "it has come to its end".to_owned(),
            }),
            Some(record) => replay(&mut conversation, record),
        };
        let (model, fingerprint) = conversation.answered_by();
        Asked {
            outcome,
            model: model.map(str::to_owned),
            fingerprint: fingerprint.map(str::to_owned),
            messages: conversation.messages().to_vec(),
            turns: Vec::new(),
        }
    }
}

fn replay(conversation: &mut Conversation<'_>, record: &Recorded) -> Result<super::reply::Answer, LlmError> {
    for turn in &record.turns {
        let step = match Turn::read(turn) {
            Ok(turn) => conversation.on_turn(turn),
            Err(message) => Step::Failed(LlmError::ErrorBody { message }),
        };
        match step {
            Step::Ask => {}
            Step::Done(answer) => return Ok(answer),
            // As with the real one: the next turn is the one after the retry.
            Step::Failed(error) if error.is_transient() => {}
            Step::Failed(error) => return Err(error),
        }
    }
    let recorded = match record.outcome.as_str() {
        "accepted" => "what was accepted then needs another round now",
        outcome => outcome,
    };
    Err(LlmError::NotRecorded {
        recorded: recorded.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-20T12:{minute:02}:00Z").parse().unwrap()
    }

    fn line(symbol: &str, book: Option<u32>, outcome: &str) -> String {
        let book = book.map(|minute| at(minute).to_rfc3339());
        serde_json::json!({"timestamp": at(59).to_rfc3339(), "symbol": symbol, "book": book,
            "outcome": outcome, "turns": []})
        .to_string()
    }

    fn load(lines: &[String]) -> Result<Recording, RecordingError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("20261120.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        Recording::load(&path)
    }

    #[test]
    fn the_book_decides_and_otherwise_the_order() {
        let lines: Vec<String> = [
            (Some(0), "a"),
            (Some(1), "b"),
            (None, "c"),
            (Some(3), "d"),
            (Some(3), "e"),
        ]
        .into_iter()
        .map(|(book, outcome)| line("BTCFDUSD", book, outcome))
        .collect();
        let mut recording = load(&lines).unwrap();
        let mut ask = |minute| {
            recording
                .find(Some(at(minute)))
                .map(|record| record.outcome.clone())
        };
        let found: Vec<Option<String>> = [1, 50, 3, 3, 51, 0, 52, 3].map(&mut ask).to_vec();
        let expected = ["b", "c", "d", "e", "", "a", "b", "d"];
        let expected = expected.map(|outcome| (!outcome.is_empty()).then(|| outcome.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_that_is_no_recording_is_refused_with_the_line() {
        let good = line("BTCFDUSD", None, "accepted");
        for bad in ["{\"torn", "[]", "{\"turns\":[]}", "{\"timestamp\":5}"] {
            let error = load(&[good.clone(), String::new(), bad.to_owned()]).unwrap_err();
            assert!(
                matches!(error, RecordingError::Line { line: 3, .. }),
                "{bad}: {error}"
            );
        }
        assert!(matches!(
            load(&[]).unwrap_err(),
            RecordingError::Empty { symbol: None, .. }
        ));
        let missing = Recording::load(Path::new("/nowhere/x.jsonl")).unwrap_err();
        assert!(matches!(missing, RecordingError::Read { .. }));
    }

    #[test]
    fn records_of_another_market_are_left_out() {
        let both = [line("ETHFDUSD", None, "other"), line("BTCFDUSD", None, "this")];
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let mut recording = load(&both).unwrap().only(&symbol).unwrap();
        assert_eq!(recording.find(None).unwrap().outcome, "this");
        assert!(recording.find(None).is_none());
        let error = load(&both[..1]).unwrap().only(&symbol).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("holds no conversation about BTCFDUSD"),
            "{error}"
        );
    }
}

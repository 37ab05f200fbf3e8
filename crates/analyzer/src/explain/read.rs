//! Market data from files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use serde::Deserialize;
use strategy_core::model::{DepthError, DepthLevel, DepthSnapshot, MinuteFootprint};
use strategy_core::num::{NumError, Price, Quantity};
use strategy_core::store::{RecordError, decode_depth, decode_minute};
use strategy_core::symbol::Symbol;

use super::Question;

/// Largest file that is read, unpacked.
const MAX_BYTES: u64 = 64 << 20;

/// Why a file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a file or directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is larger than anything the programs write.
    #[error("holds more than {} MB", MAX_BYTES >> 20)]
    TooLarge,
    /// It is not JSON, or JSON of another kind.
    #[error("is neither a depth answer of the exchange nor a stored book: {0}")]
    NotABook(serde_json::Error),
    /// A price or quantity that cannot be.
    #[error("is not a valid order book: {0}")]
    Amount(#[from] NumError),
    /// A book that cannot be.
    #[error("is not a valid order book: {0}")]
    Book(#[from] DepthError),
    /// A stored document that cannot be read.
    #[error("is not a stored document: {}", strategy_core::telemetry::error_chain(.0))]
    Record(#[from] RecordError),
    /// There is no minute in a directory.
    #[error("holds no file named trades_*.json")]
    NoMinutes,
    /// Another market than that of the file before.
    #[error("is of {found}, but {expected} is asked for")]
    OtherSymbol {
        /// The market it names.
        found: Symbol,
        /// The market named before.
        expected: Symbol,
    },
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) symbol: Symbol,
    /// The market was named, by a file or in the question.
    pub(super) is_named: bool,
    pub(super) now: DateTime<Utc>,
    pub(super) snapshot: Option<DepthSnapshot>,
    pub(super) minutes: Vec<MinuteFootprint>,
}

/// The levels of an answer to `GET /api/v3/depth`.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    bids: Vec<(String, String)>,
    asks: Vec<(String, String)>,
}

/// A book that may not say when it arrived and of which market it is.
enum Book {
    Stored(DepthSnapshot),
    Answer(Answer),
}

/// Reads everything asked for. `configured` stands for the market where neither files nor question name one.
pub(super) fn market(question: &Question<'_>, configured: &Symbol) -> Result<Market, FileError> {
    let book = question
        .snapshot
        .map(|path| Ok((path, book(path)?)))
        .transpose()?;
    let mut named = question.symbol.cloned();
    if let Some((path, Book::Stored(snapshot))) = &book {
        agree(&mut named, snapshot.symbol(), path)?;
    }
    let mut minutes = Vec::new();
    if let Some(directory) = question.minutes {
        for path in minute_files(directory)? {
            let (symbol, minute) = minute(&path).map_err(|reason| at(&path, reason))?;
            if let Some(symbol) = symbol {
                agree(&mut named, &symbol, &path)?;
            }
            minutes.push(minute);
        }
    }
    let is_named = named.is_some();
    let symbol = named.unwrap_or_else(|| configured.clone());
    let ended = minutes.iter().map(|minute| minute.minute.next().start()).max();
    let snapshot = match book {
        None => None,
        Some((_, Book::Stored(snapshot))) => Some(snapshot),
        Some((path, Book::Answer(answer))) => {
            let arrived = match question.at.or(ended) {
                Some(known) => known,
                None => changed(path).map_err(|error| at(path, error.into()))?,
            };
            let snapshot = answer.snapshot(symbol.clone(), arrived);
            Some(snapshot.map_err(|reason| at(path, reason))?)
        }
    };
    let arrived = snapshot.as_ref().map(DepthSnapshot::received_at);
    let now = arrived.max(ended).or(question.at).unwrap_or(DateTime::UNIX_EPOCH);
    Ok(Market {
        symbol,
        is_named,
        now,
        snapshot,
        minutes,
    })
}

fn at(path: &Path, reason: Reason) -> FileError {
    FileError {
        path: path.to_owned(),
        reason,
    }
}

/// The first market named is the one all others must be of.
fn agree(named: &mut Option<Symbol>, found: &Symbol, path: &Path) -> Result<(), FileError> {
    match named {
        Some(expected) if expected != found => {
            let (found, expected) = (found.clone(), expected.clone());
            Err(at(path, Reason::OtherSymbol { found, expected }))
        }
        _ => {
            *named = Some(found.clone());
            Ok(())
        }
    }
}

fn book(path: &Path) -> Result<Book, FileError> {
    let read = || {
        let text = text(path)?;
        let document: serde_json::Value = serde_json::from_str(&text).map_err(Reason::NotABook)?;
        if document.get("last_update_id").is_some() {
            return Ok(Book::Stored(decode_depth(&text)?));
        }
        let answer = serde_json::from_value(document).map_err(Reason::NotABook)?;
        Ok(Book::Answer(answer))
    };
    read().map_err(|reason| at(path, reason))
}

impl Answer {
    fn snapshot(self, symbol: Symbol, arrived: DateTime<Utc>) -> Result<DepthSnapshot, Reason> {
        let level = |(price, quantity): (String, String)| {
            Ok(DepthLevel {
                price: Price::parse(&price)?,
                quantity: Quantity::parse(&quantity)?,
            })
        };
        let levels =
            |rows: Vec<(String, String)>| rows.into_iter().map(level).collect::<Result<_, NumError>>();
        let (bids, asks) = (levels(self.bids)?, levels(self.asks)?);
        Ok(DepthSnapshot::new(
            symbol,
            arrived,
            self.last_update_id,
            bids,
            asks,
        )?)
    }
}

/// Paths of the minutes in a directory, oldest first.
fn minute_files(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |error: io::Error| at(directory, error.into());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json");
        if stem.is_some_and(|stem| stem.starts_with("trades_")) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(at(directory, Reason::NoMinutes));
    }
    paths.sort_unstable();
    Ok(paths)
}

fn minute(path: &Path) -> Result<(Option<Symbol>, MinuteFootprint), Reason> {
    Ok(decode_minute(&text(path)?)?)
}

/// A file's text, unpacked when its name ends in `.gz`.
fn text(path: &Path) -> Result<String, Reason> {
    let file = File::open(path)?;
    let mut text = String::new();
    let limit = MAX_BYTES + 1;
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).take(limit).read_to_string(&mut text)?;
    } else {
        file.take(limit).read_to_string(&mut text)?;
    }
    if text.len() as u64 > MAX_BYTES {
        return Err(Reason::TooLarge);
    }
    Ok(text)
}

fn changed(path: &Path) -> io::Result<DateTime<Utc>> {
    Ok(fs::metadata(path)?.modified()?.into())
}

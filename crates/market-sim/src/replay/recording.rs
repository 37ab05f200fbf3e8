//! Reads recorded payloads: `aggTrade` frames of a stream capture, and a REST depth answer.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;
use strategy_core::symbol::{Symbol, SymbolError};
use strategy_core::time::MinuteError;

use crate::amount::parse;
use crate::book::BookLevel;
use crate::trade::SimTrade;

/// Largest capture that is read, unpacked.
const MAX_BYTES: u64 = 256 << 20;

/// Why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// A payload does not have the form of the exchange.
    #[error("not a payload of the exchange: {0}")]
    Json(#[from] serde_json::Error),
    /// An amount is not a decimal of at most eight decimals.
    #[error("not an amount: {0:?}")]
    Amount(String),
    /// The capture names a market that cannot exist.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// The replay is to begin outside the years that have minutes.
    #[error("cannot begin there")]
    Begin(#[from] MinuteError),
    /// Nothing to replay.
    #[error("the capture has no aggTrade frame, or its ids do not rise")]
    NoTrades,
}

/// What was recorded, with its own times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The market of the frames.
    pub symbol: Symbol,
    /// The trades by id.
    pub rows: Vec<SimTrade>,
    /// Bids and asks of the recorded book; empty if there is none.
    pub bids: Vec<BookLevel>,
    /// Lowest price first.
    pub asks: Vec<BookLevel>,
    /// Its update id.
    pub last_update_id: u64,
}

#[derive(Deserialize)]
struct Frame {
    data: AggTradeFrame,
}

#[derive(Deserialize)]
struct AggTradeFrame {
    #[serde(rename = "E")]
    event_ms: i64,
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "a")]
    id: u64,
    #[serde(rename = "p")]
    price: String,
    #[serde(rename = "q")]
    quantity: String,
    #[serde(rename = "f")]
    first_raw: i64,
    #[serde(rename = "l")]
    last_raw: i64,
    #[serde(rename = "T")]
    time_ms: i64,
    #[serde(rename = "m")]
    buyer_is_maker: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DepthAnswer {
    last_update_id: u64,
    bids: Vec<(String, String)>,
    asks: Vec<(String, String)>,
}

impl Recording {
    /// Reads a capture: lines that end in a combined-stream frame. Frames other than `aggTrade`, and those
    /// of other markets than the first, are left out. The file may be gzipped.
    ///
    /// # Errors
    /// Any [`RecordingError`].
    pub fn read(capture: &Path) -> Result<Self, RecordingError> {
        Self::parse(&read_text(capture)?)
    }

    /// Reads the text of a capture.
    ///
    /// # Errors
    /// Any [`RecordingError`] but that of the file.
    pub fn parse(capture: &str) -> Result<Self, RecordingError> {
        let mut symbol: Option<String> = None;
        let mut rows: Vec<SimTrade> = Vec::new();
        for line in capture.lines().filter(|line| line.contains("\"e\":\"aggTrade\"")) {
            let Some(json) = line.find("{\"stream\"").map(|start| &line[start..]) else {
                continue;
            };
            let frame = serde_json::from_str::<Frame>(json)?.data;
            if *symbol.get_or_insert_with(|| frame.symbol.clone()) != frame.symbol {
                continue;
            }
            let published = rows
                .last()
                .map_or(frame.event_ms, |row| row.event_ms.max(frame.event_ms));
            rows.push(SimTrade {
                id: frame.id,
                time_ms: frame.time_ms,
                event_ms: published,
                price_e8: amount(&frame.price)?,
                quantity_e8: amount(&frame.quantity)?,
                first_raw: frame.first_raw,
                last_raw: frame.last_raw,
                buyer_is_maker: frame.buyer_is_maker,
            });
        }
        let symbol = symbol.filter(|_| rows.is_sorted_by(|one, next| one.id < next.id));
        Ok(Self {
            symbol: Symbol::new(&symbol.ok_or(RecordingError::NoTrades)?)?,
            rows,
            bids: Vec::new(),
            asks: Vec::new(),
            last_update_id: 0,
        })
    }

    /// Adds the book of a REST depth answer, gzipped or not.
    ///
    /// # Errors
    /// Any [`RecordingError`].
    pub fn with_depth(mut self, answer: &Path) -> Result<Self, RecordingError> {
        let answer: DepthAnswer = serde_json::from_str(&read_text(answer)?)?;
        self.last_update_id = answer.last_update_id;
        self.bids = levels(&answer.bids)?;
        self.asks = levels(&answer.asks)?;
        Ok(self)
    }
}

fn levels(rows: &[(String, String)]) -> Result<Vec<BookLevel>, RecordingError> {
    let level = |(price, quantity): &(String, String)| {
        Ok(BookLevel {
            price_e8: amount(price)?,
            quantity_e8: amount(quantity)?,
        })
    };
    rows.iter().map(level).collect()
}

fn amount(text: &str) -> Result<u64, RecordingError> {
    parse(text).ok_or_else(|| RecordingError::Amount(text.to_owned()))
}

/// The text of a file, unpacked if it is gzipped.
fn read_text(path: &Path) -> Result<String, RecordingError> {
    let bytes = fs::read(path)?;
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&bytes[..])
            .take(MAX_BYTES)
            .read_to_string(&mut text)?;
    } else {
        (&bytes[..]).take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}

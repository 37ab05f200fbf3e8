//! Bytes of the exchange to the model. Pure; every rejection has a reason.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use strategy_core::model::{AggTrade, Aggressor, DepthLevel, DepthSnapshot};
use strategy_core::num::{Price, Quantity, is_worth_more};
use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, MINUTE_MS};

use crate::binance::error::{MAX_NOTIONAL, ParseError};
use crate::binance::scan;
use crate::binance::wire::{DepthBody, OtherFrame, RowId, TradeFrame, TradeRecord};

/// Times above this are microseconds: as milliseconds it is the year 5138, as microseconds 1973.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;

/// The first minute of 1970 is what a missing value looks like.
const EARLIEST_MS: i64 = MINUTE_MS;

/// How much later than the event that reports it a trade may claim to be, in milliseconds.
const EVENT_TIME_TOLERANCE_MS: i64 = 60_000;

/// Longest piece of foreign text that is kept for a message.
const MAX_QUOTED: usize = 80;

/// One id of the exchange's trade chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TradeRow {
    /// A trade.
    Trade(AggTrade),
    /// An id that the exchange has emptied: price and quantity zero, raw ids −1. It counts in the chain
    /// and nowhere else.
    Dead {
        /// Aggregate trade id.
        id: u64,
    },
    /// A row of a REST page that has an id and is no trade: a field is missing, or holds what no market has.
    Unreadable {
        /// Aggregate trade id.
        id: u64,
    },
}

impl TradeRow {
    /// Aggregate trade id.
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Trade(trade) => trade.id,
            Self::Dead { id } | Self::Unreadable { id } => *id,
        }
    }
}

/// What one text frame of the stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    /// One row and the time at which the exchange sent it.
    Row {
        /// The row.
        row: TradeRow,
        /// The exchange's clock when it sent the frame.
        sent_at: ExchangeMs,
    },
    /// The exchange will close this connection soon.
    ServerShutdown,
    /// An answer to a message of ours.
    Acknowledgement,
}

/// Reads one text frame, in raw or combined form.
///
/// # Errors
/// [`ParseError`] for everything that is not a trade of `symbol`, a shutdown notice or an answer.
pub(crate) fn parse_frame(text: &str, symbol: &Symbol) -> Result<StreamEvent, ParseError> {
    // Nearly every frame is a trade in raw form: try that first, and look closer only when it is not.
    if let Some((trade, sent_at)) = scan::frame(text, symbol) {
        let row = TradeRow::Trade(trade);
        return Ok(StreamEvent::Row { row, sent_at });
    }
    match serde_json::from_str::<TradeFrame<'_>>(text) {
        Ok(frame) if frame.event == "aggTrade" => trade_event(&frame, symbol),
        Ok(frame) => Err(ParseError::UnknownEvent(quoted(frame.event))),
        Err(error) => parse_other(text, symbol, error),
    }
}

fn parse_other(
    text: &str,
    symbol: &Symbol,
    not_a_trade: serde_json::Error,
) -> Result<StreamEvent, ParseError> {
    let frame: OtherFrame<'_> = serde_json::from_str(text)?;
    if let (Some(_), Some(data)) = (frame.stream, frame.data) {
        // The payload of a combined frame is in raw form and never combined again.
        let inner: OtherFrame<'_> = serde_json::from_str(data.get())?;
        if inner.stream.is_some() && inner.data.is_some() {
            return Err(ParseError::UnknownEvent("nested combined frame".to_owned()));
        }
        return parse_frame(data.get(), symbol);
    }
    match (frame.event, frame.code) {
        (Some("serverShutdown"), _) => Ok(StreamEvent::ServerShutdown),
        (Some("aggTrade"), _) => Err(not_a_trade.into()),
        (Some(event), _) => Err(ParseError::UnknownEvent(quoted(event))),
        (None, Some(code)) => Err(ParseError::Reported {
            code,
            message: quoted(&frame.msg.unwrap_or_default()),
        }),
        (None, None) if frame.result.is_some() || frame.id.is_some() => Ok(StreamEvent::Acknowledgement),
        (None, None) => Err(ParseError::UnknownEvent(String::new())),
    }
}

fn trade_event(frame: &TradeFrame<'_>, symbol: &Symbol) -> Result<StreamEvent, ParseError> {
    if frame.symbol != symbol.as_str() {
        return Err(ParseError::OtherSymbol(quoted(frame.symbol)));
    }
    let record = TradeRecord {
        id: frame.id,
        price: frame.price,
        quantity: frame.quantity,
        first_raw_id: frame.first_raw_id,
        last_raw_id: frame.last_raw_id,
        traded_at: frame.traded_at,
        buyer_is_maker: frame.buyer_is_maker,
    };
    let row = parse_row(&record)?;
    let sent_at = parse_time(frame.event_time)?;
    match row {
        TradeRow::Trade(trade) if is_too_late(&trade, sent_at) => Err(ParseError::Time(frame.traded_at)),
        row => Ok(StreamEvent::Row { row, sent_at }),
    }
}

/// True if a trade claims to be later than the event that reports it.
pub(super) fn is_too_late(trade: &AggTrade, sent_at: ExchangeMs) -> bool {
    trade.traded_at > sent_at + EVENT_TIME_TOLERANCE_MS
}

/// Reads one REST `aggTrades` answer to a request for at most `limit` rows, in the order of the ids.
///
/// A row that has an id and is no trade comes out as [`TradeRow::Unreadable`]: one bad row must not hide the
/// others.
///
/// # Errors
/// [`ParseError`]; a row without an id rejects the page, because the page would lie about the chain.
pub(crate) fn parse_rows(body: &str, limit: usize) -> Result<Vec<TradeRow>, ParseError> {
    let mut rows = match scan::page(body) {
        Some(rows) => rows,
        None => match serde_json::from_str::<Vec<TradeRecord<'_>>>(body) {
            Ok(records) => records.iter().map(row_of).collect(),
            Err(_) => parse_rows_apart(body)?,
        },
    };
    if rows.len() > limit {
        return Err(ParseError::TooManyRows(rows.len()));
    }
    // Of two rows with one id the readable one stays.
    rows.sort_by_key(|row| (row.id(), matches!(row, TradeRow::Unreadable { .. })));
    rows.dedup_by_key(|row| row.id());
    Ok(rows)
}

/// As [`parse_rows`], each row by itself, for a page that does not have the documented shape as a whole.
fn parse_rows_apart(body: &str) -> Result<Vec<TradeRow>, ParseError> {
    let documents: Vec<&RawValue> = serde_json::from_str(body)?;
    let row = |document: &&RawValue| {
        let record = serde_json::from_str::<TradeRecord<'_>>(document.get());
        match record
            .map_err(ParseError::from)
            .and_then(|record| parse_row(&record))
        {
            Ok(row) => Ok(row),
            Err(error) => {
                let id: RowId = serde_json::from_str(document.get())?;
                Ok(unreadable(id.id, &error))
            }
        }
    };
    documents.iter().map(row).collect()
}

/// The row of a page, whether it is a trade or not.
pub(super) fn row_of(record: &TradeRecord<'_>) -> TradeRow {
    parse_row(record).unwrap_or_else(|error| unreadable(record.id, &error))
}

fn unreadable(id: u64, error: &ParseError) -> TradeRow {
    tracing::debug!(
        trade.id = id,
        error = error as &dyn std::error::Error,
        "a row of rest is no trade"
    );
    TradeRow::Unreadable { id }
}

fn parse_row(record: &TradeRecord<'_>) -> Result<TradeRow, ParseError> {
    let quantity = Quantity::parse(record.quantity).map_err(|source| ParseError::Amount {
        field: "quantity",
        source,
    })?;
    if quantity.is_zero() {
        let dead = record.first_raw_id < 0 && record.last_raw_id < 0;
        return if dead {
            Ok(TradeRow::Dead { id: record.id })
        } else {
            Err(ParseError::NoQuantity { id: record.id })
        };
    }
    let price = Price::parse(record.price).map_err(|source| ParseError::Amount {
        field: "price",
        source,
    })?;
    if is_worth_more(price, quantity, MAX_NOTIONAL) {
        return Err(ParseError::Absurd { id: record.id });
    }
    Ok(TradeRow::Trade(AggTrade {
        id: record.id,
        price,
        quantity,
        traded_at: parse_time(record.traded_at)?,
        aggressor: Aggressor::from_buyer_is_maker(record.buyer_is_maker),
    }))
}

/// Reads a time in milliseconds or microseconds; none is later than the year 5138.
#[inline]
pub(crate) fn parse_time(value: i64) -> Result<ExchangeMs, ParseError> {
    let ms = if value >= MICROSECONDS_FROM {
        value / 1000
    } else {
        value
    };
    if (EARLIEST_MS..MICROSECONDS_FROM).contains(&ms) {
        Ok(ms)
    } else {
        Err(ParseError::Time(value))
    }
}

/// Reads a REST `depth` answer.
///
/// # Errors
/// [`ParseError`].
pub(crate) fn parse_depth(
    body: &str,
    symbol: &Symbol,
    received_at: DateTime<Utc>,
) -> Result<DepthSnapshot, ParseError> {
    let (last_update_id, bids, asks) = match scan::book(body) {
        Some(book) => book,
        None => parse_book(body)?,
    };
    Ok(DepthSnapshot::new(
        symbol.clone(),
        received_at,
        last_update_id,
        bids,
        asks,
    )?)
}

fn parse_book(body: &str) -> Result<(u64, Vec<DepthLevel>, Vec<DepthLevel>), ParseError> {
    let body: DepthBody<'_> = serde_json::from_str(body)?;
    let levels = |rows: &[(&str, &str)]| {
        rows.iter()
            .map(|(price, quantity)| {
                let price = Price::parse(price);
                let quantity = Quantity::parse(quantity);
                Ok(DepthLevel {
                    price: price.map_err(|source| ParseError::Amount {
                        field: "price",
                        source,
                    })?,
                    quantity: quantity.map_err(|source| ParseError::Amount {
                        field: "quantity",
                        source,
                    })?,
                })
            })
            .collect::<Result<Vec<_>, ParseError>>()
    };
    Ok((body.last_update_id, levels(&body.bids)?, levels(&body.asks)?))
}

/// Foreign text made fit for a message: short, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    text.chars()
        .take(MAX_QUOTED)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use strategy_core::time::Minute;

    #[test]
    fn a_time_is_milliseconds_or_microseconds_of_this_age() {
        assert_eq!(parse_time(1_795_300_000_123).unwrap(), 1_795_300_000_123);
        assert_eq!(parse_time(1_795_300_000_123_456).unwrap(), 1_795_300_000_123);
        // As microseconds the year 7659, whose milliseconds would be taken for microseconds again.
        assert_eq!(parse_time(60_000).unwrap(), 60_000);
        assert!(Minute::containing(parse_time(99_999_999_999_999).unwrap()).is_ok());
        for bad in [0, -1, 59_999, 179_531_795_300_000_123, i64::MAX, i64::MIN] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    fn symbol() -> Symbol {
        Symbol::new("BTCFDUSD").unwrap()
    }

    const TRADE: &str = r#"{"e":"aggTrade","E":1672515782136,"s":"BTCFDUSD","a":12345,"p":"113558.13000000","q":"0.02000000","f":100,"l":105,"T":1672515782130,"m":true,"M":true}"#;

    fn with(from: &str, to: &str) -> Result<StreamEvent, ParseError> {
        assert!(TRADE.contains(from));
        parse_frame(&TRADE.replace(from, to), &symbol())
    }

    #[test]
    fn a_trade_is_read_in_raw_and_in_combined_form() {
        let raw = parse_frame(TRADE, &symbol()).unwrap();
        let trade = AggTrade {
            id: 12345,
            price: Price::parse("113558.13").unwrap(),
            quantity: Quantity::parse("0.02").unwrap(),
            traded_at: 1_672_515_782_130,
            aggressor: Aggressor::Seller,
        };
        assert_eq!(
            raw,
            StreamEvent::Row {
                row: TradeRow::Trade(trade),
                sent_at: 1_672_515_782_136
            }
        );
        let combined = format!(r#"{{"stream":"btcfdusd@aggTrade","data":{TRADE}}}"#);
        assert_eq!(parse_frame(&combined, &symbol()).unwrap(), raw);
        let micro = TRADE
            .replace("1672515782130", "1672515782130000")
            .replace("1672515782136", "1672515782136000");
        assert_eq!(parse_frame(&micro, &symbol()).unwrap(), raw);
    }

    #[test]
    fn an_emptied_id_is_a_dead_row() {
        let dead = r#"{"e":"aggTrade","E":1672515782136,"s":"BTCFDUSD","a":7,"p":"0","q":"0","f":-1,"l":-1,"T":1672515782136,"m":true,"M":true}"#;
        let sent_at = 1_672_515_782_136;
        assert_eq!(
            parse_frame(dead, &symbol()).unwrap(),
            StreamEvent::Row {
                row: TradeRow::Dead { id: 7 },
                sent_at
            }
        );
    }

    #[test]
    fn other_frames_are_told_apart() {
        let parse = |text: &str| parse_frame(text, &symbol());
        let shutdown = r#"{"e":"serverShutdown","E":1770123456789}"#;
        assert_eq!(parse(shutdown).unwrap(), StreamEvent::ServerShutdown);
        let combined = format!(r#"{{"stream":"!serverShutdown","data":{shutdown}}}"#);
        assert_eq!(parse(&combined).unwrap(), StreamEvent::ServerShutdown);
        for answer in [
            r#"{"result":null,"id":1}"#,
            r#"{"result":["btcfdusd@aggTrade"],"id":"x"}"#,
        ] {
            assert_eq!(parse(answer).unwrap(), StreamEvent::Acknowledgement, "{answer}");
        }
        let reported = parse(r#"{"code":2,"msg":"Invalid request: \u001b[31m","id":1}"#).unwrap_err();
        assert_eq!(
            reported.to_string(),
            "the exchange reports error 2: Invalid request: \u{fffd}[31m"
        );
        assert!(matches!(
            parse(r#"{"e":"kline","E":1}"#),
            Err(ParseError::UnknownEvent(_))
        ));
    }

    // D20, B20: infinite quantities, foreign symbols and foreign events were counted.
    #[test]
    fn what_cannot_be_a_trade_is_rejected_with_its_reason() {
        let cases = [
            ("\"0.02000000\"", "\"Infinity\""),
            ("\"0.02000000\"", "\"-0.02\""),
            ("\"0.02000000\"", "\"0\""),
            ("\"0.02000000\"", "\"99999999999999.9\""),
            ("\"113558.13000000\"", "\"99999999999999\""),
            ("\"0.02000000\"", "0.02"),
            ("\"113558.13000000\"", "\"0\""),
            ("\"113558.13000000\"", "\"1e30\""),
            ("\"BTCFDUSD\"", "\"ETHFDUSD\""),
            ("12345", "-1"),
            ("12345", "\"12345\""),
            ("1672515782130", "0"),
            ("1672515782130", "-5"),
            ("1672515782130", "9999999999999999"),
            ("1672515782130", "1672599999999"),
            ("true,\"M\"", "1,\"M\""),
            ("\"aggTrade\"", "\"trade\""),
        ];
        for (from, to) in cases {
            assert!(with(from, to).is_err(), "{from} -> {to}");
        }
        for text in [
            "",
            "null",
            "[]",
            "{",
            "\u{0}",
            "{}",
            r#"{"stream":"x","data":{"stream":"y","data":{}}}"#,
        ] {
            assert!(parse_frame(text, &symbol()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_page_is_put_in_order_and_a_bad_row_hides_no_other() {
        let row = |id: u64, quantity: &str| {
            format!(
                r#"{{"a":{id},"p":"1.5","q":"{quantity}","f":1,"l":1,"T":1498793709153,"m":true,"M":true}}"#
            )
        };
        let page = |rows: &[String]| parse_rows(&format!("[{}]", rows.join(",")), 1000);
        let ids: Vec<u64> = page(&[row(3, "1"), row(1, "1"), row(3, "2"), row(2, "1")])
            .unwrap()
            .iter()
            .map(TradeRow::id)
            .collect();
        assert_eq!(ids, [1, 2, 3]);
        let bad = TradeRow::Unreadable { id: 2 };
        for broken in [row(2, "NaN"), r#"{"a":2,"p":null}"#.to_owned()] {
            let rows = page(&[row(1, "1"), broken.clone(), row(3, "1")]).unwrap();
            assert_eq!((rows.len(), rows[1]), (3, bad), "{broken}");
            // The same id once more, this time as a trade.
            assert_ne!(page(&[broken, row(2, "1")]).unwrap(), [bad]);
        }
        for no_id in [r#"{"a":"x"}"#, r#"{"p":"1"}"#, "7"] {
            assert!(page(&[row(1, "1"), no_id.to_owned()]).is_err(), "{no_id}");
        }
        assert!(parse_rows(&format!("[{},{}]", row(1, "1"), row(2, "1")), 1).is_err());
        assert!(page(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_book_is_read_and_an_impossible_one_rejected() {
        let parse = |body: &str| parse_depth(body, &symbol(), DateTime::UNIX_EPOCH);
        let body =
            r#"{"lastUpdateId":9,"bids":[["113558.12000000","0.0046"]],"asks":[["113562.99","0.0165"]]}"#;
        assert_eq!(parse(body).unwrap().last_update_id(), 9);
        for bad in [
            "<html>",
            r#"{"lastUpdateId":9,"bids":[],"asks":[]}"#,
            r#"{"lastUpdateId":9,"bids":[["2","1"]],"asks":[["1","1"]]}"#,
            r#"{"lastUpdateId":9,"bids":[["-2","1"]],"asks":[["1","1"]]}"#,
            r#"{"lastUpdateId":9,"bids":[[2,1]],"asks":[]}"#,
            r#"{"lastUpdateId":-9,"bids":[["2","1"]],"asks":[]}"#,
            r#"{"lastUpdateId":9,"bids":[["2","1"]]}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in ".{0,300}") {
            let _outcome = (parse_frame(&text, &symbol()), parse_rows(&text, 10));
            let _outcome = parse_depth(&text, &symbol(), DateTime::UNIX_EPOCH);
        }

        #[test]
        fn no_changed_byte_makes_it_panic(at in 0_usize..170, byte in 0_u8..128) {
            let mut bytes = TRADE.as_bytes().to_vec();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _outcome = parse_frame(&String::from_utf8(bytes).unwrap(), &symbol());
        }
    }
}

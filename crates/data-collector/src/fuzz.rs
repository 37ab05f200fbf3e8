//! Entrances for the targets in `fuzz/`: bytes of the exchange in, and what must hold of what was made of them.
//!
//! Each function panics when it does not hold.
#![expect(clippy::missing_panics_doc, reason = "said once for all of them")]

use chrono::DateTime;
use serde_json::json;
use strategy_core::model::{AggTrade, Aggressor};
use strategy_core::store::{decode_depth, encode_depth};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

use crate::binance::error::MAX_NOTIONAL;
use crate::binance::hold;
use crate::binance::parse::{
    StreamEvent, TradeRow, parse_depth, parse_frame, parse_rows, parse_time, quoted,
};
use crate::binance::refusal::{Answer, Refusals, RetryAfter};
use crate::binance::wire::{ErrorBody, ExchangeInfoBody, TimeBody};

/// Most rows of a page.
const ROWS: usize = 1000;

/// Longest wait that is believed: three days.
const LONGEST_WAIT: u64 = 3 * 24 * 3600;

fn symbol() -> Option<Symbol> {
    Symbol::new("BTCFDUSD").ok()
}

/// A text frame of the stream.
pub fn frame(text: &str) {
    let Some(symbol) = symbol() else { return };
    match parse_frame(text, &symbol) {
        Ok(StreamEvent::Row { row, sent_at }) => {
            assert!(
                Minute::containing(sent_at).is_ok(),
                "a time of the years 1970 to 9999"
            );
            check(&row);
            if let TradeRow::Trade(trade) = row {
                let mut frame = wire(&trade);
                frame["e"] = "aggTrade".into();
                frame["E"] = sent_at.into();
                frame["s"] = symbol.as_str().into();
                let again = parse_frame(&frame.to_string(), &symbol);
                assert!(
                    matches!(again, Ok(StreamEvent::Row { row: TradeRow::Trade(same), .. }) if same == trade),
                    "{trade:?} is {again:?}"
                );
            }
        }
        Ok(StreamEvent::ServerShutdown | StreamEvent::Acknowledgement) => {}
        Err(error) => assert!(error.to_string().len() < 1000, "a message stays short"),
    }
}

/// A page of trades.
pub fn rows(body: &str) {
    if let Ok(rows) = parse_rows(body, ROWS) {
        assert!(rows.len() <= ROWS);
        assert!(
            rows.windows(2).all(|pair| pair[0].id() < pair[1].id()),
            "ids rise"
        );
        rows.iter().for_each(check);
    }
}

/// A book: what is accepted survives Redis.
pub fn depth(body: &str) {
    let Some(symbol) = symbol() else { return };
    if let Ok(book) = parse_depth(body, &symbol, DateTime::UNIX_EPOCH)
        && let Ok(written) = encode_depth(&book)
    {
        let again = decode_depth(&written);
        assert_eq!(again.ok().as_ref(), Some(&book), "{written}");
    }
}

/// The exchange's time, its rules, an error, and a remembered order.
pub fn others(body: &str) {
    if let Ok(time) = serde_json::from_str::<TimeBody>(body)
        && let Ok(time) = parse_time(time.server_time)
    {
        assert!(Minute::containing(time).is_ok());
    }
    if let Ok(info) = serde_json::from_str::<ExchangeInfoBody>(body) {
        assert!(info.symbols.len() <= body.len());
    }
    hold::fuzz(body);
}

/// A refusal: status, header and body.
pub fn refusal(status: u16, header: &str, body: &str) {
    let error: Option<ErrorBody> = serde_json::from_str(body).ok();
    let words = error
        .as_ref()
        .map_or_else(|| quoted(body), |error| quoted(&error.msg));
    assert!(words.chars().count() <= 80 && !words.contains(char::is_control));
    let mut refusals = Refusals::default();
    for retry_after in [RetryAfter::Absent, RetryAfter::read(Some(header))] {
        for now in [None, Some(0), Some(i64::MAX), Some(1_795_300_000_000)] {
            let answer = Answer {
                status,
                code: error.as_ref().map(|error| error.code),
                retry_after,
                words: &words,
                now,
            };
            if let Some(order) = refusals.order(&answer, |_| false) {
                assert!(order.wait.as_secs() <= LONGEST_WAIT, "{order:?}");
                assert!(!order.wait.is_zero(), "{order:?}");
            }
        }
    }
}

fn check(row: &TradeRow) {
    if let TradeRow::Trade(trade) = row {
        assert!(Minute::containing(trade.traded_at).is_ok());
        let notional = trade.price.get().checked_mul(trade.quantity.get());
        assert!(
            notional.is_some_and(|notional| notional <= MAX_NOTIONAL.into()),
            "{trade:?}"
        );
    }
}

fn wire(trade: &AggTrade) -> serde_json::Value {
    json!({
        "a": trade.id, "p": trade.price.get().to_string(), "q": trade.quantity.get().to_string(),
        "f": 1, "l": 1, "T": trade.traded_at, "m": trade.aggressor == Aggressor::Seller,
    })
}

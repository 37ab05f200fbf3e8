//! The exchange's JSON exactly as it is on the wire. Unknown fields are ignored: the exchange adds some.
//!
//! Field names that differ only in case mean different things (`e` and `E`, `m` and `M`, `T` and `t`).

use serde::Deserialize;
use serde_json::value::RawValue;
use strategy_core::scan::Scanner;

/// `aggTrade` frame of the stream, raw form.
#[derive(Debug, Deserialize)]
pub(crate) struct TradeFrame<'a> {
    #[serde(rename = "e")]
    pub(crate) event: &'a str,
    #[serde(rename = "E")]
    pub(crate) event_time: i64,
    #[serde(rename = "s")]
    pub(crate) symbol: &'a str,
    #[serde(rename = "a")]
    pub(crate) id: u64,
    #[serde(rename = "p")]
    pub(crate) price: &'a str,
    #[serde(rename = "q")]
    pub(crate) quantity: &'a str,
    #[serde(rename = "f")]
    pub(crate) first_raw_id: i64,
    #[serde(rename = "l")]
    pub(crate) last_raw_id: i64,
    #[serde(rename = "T")]
    pub(crate) traded_at: i64,
    #[serde(rename = "m")]
    pub(crate) buyer_is_maker: bool,
}

impl<'a> TradeRecord<'a> {
    /// Reads a row that has these fields in this order and nothing else, as nearly all have.
    pub(crate) fn scan(scan: &mut Scanner<'a>) -> Option<Self> {
        scan.pass(r#"{"a":"#)?;
        let id = scan.unsigned()?;
        scan.pass(r#","p":"#)?;
        let price = scan.string()?;
        scan.pass(r#","q":"#)?;
        let quantity = scan.string()?;
        scan.pass(r#","f":"#)?;
        let first_raw_id = scan.integer()?;
        scan.pass(r#","l":"#)?;
        let last_raw_id = scan.integer()?;
        scan.pass(r#","T":"#)?;
        let traded_at = scan.integer()?;
        scan.pass(r#","m":"#)?;
        let buyer_is_maker = scan.boolean()?;
        scan.pass(r#","M":"#)?;
        scan.boolean()?;
        scan.pass("}")?;
        Some(Self {
            id,
            price,
            quantity,
            first_raw_id,
            last_raw_id,
            traded_at,
            buyer_is_maker,
        })
    }
}

/// One row of the REST `aggTrades` answer.
#[derive(Debug, Deserialize)]
pub(crate) struct TradeRecord<'a> {
    #[serde(rename = "a")]
    pub(crate) id: u64,
    #[serde(rename = "p")]
    pub(crate) price: &'a str,
    #[serde(rename = "q")]
    pub(crate) quantity: &'a str,
    #[serde(rename = "f")]
    pub(crate) first_raw_id: i64,
    #[serde(rename = "l")]
    pub(crate) last_raw_id: i64,
    #[serde(rename = "T")]
    pub(crate) traded_at: i64,
    #[serde(rename = "m")]
    pub(crate) buyer_is_maker: bool,
}

/// The id of a row that is no [`TradeRecord`].
#[derive(Debug, Deserialize)]
pub(crate) struct RowId {
    #[serde(rename = "a")]
    pub(crate) id: u64,
}

/// What a frame that is no trade may be: combined form, event, acknowledgement or error.
#[derive(Debug, Deserialize)]
pub(crate) struct OtherFrame<'a> {
    #[serde(default)]
    pub(crate) stream: Option<&'a str>,
    #[serde(default, borrow)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(rename = "e", default)]
    pub(crate) event: Option<&'a str>,
    #[serde(default, borrow)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) code: Option<i64>,
    #[serde(default, borrow)]
    pub(crate) msg: Option<std::borrow::Cow<'a, str>>,
}

/// REST `depth` answer. It has neither a time nor a symbol.
#[derive(Debug, Deserialize)]
pub(crate) struct DepthBody<'a> {
    #[serde(rename = "lastUpdateId")]
    pub(crate) last_update_id: u64,
    #[serde(borrow)]
    pub(crate) bids: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    pub(crate) asks: Vec<(&'a str, &'a str)>,
}

/// REST `time` answer.
#[derive(Debug, Deserialize)]
pub(crate) struct TimeBody {
    #[serde(rename = "serverTime")]
    pub(crate) server_time: i64,
}

/// The part of the REST `exchangeInfo` answer that is used.
#[derive(Debug, Deserialize)]
pub(crate) struct ExchangeInfoBody {
    #[serde(rename = "rateLimits", default)]
    pub(crate) rate_limits: Vec<RateLimit>,
    pub(crate) symbols: Vec<SymbolInfo>,
}

/// One limit of the exchange.
#[derive(Debug, Deserialize)]
pub(crate) struct RateLimit {
    #[serde(rename = "rateLimitType")]
    pub(crate) kind: String,
    pub(crate) interval: String,
    #[serde(rename = "intervalNum")]
    pub(crate) interval_count: u32,
    pub(crate) limit: u64,
}

/// One market. `status` is an open set: `TRADING`, `HALT`, `BREAK`, `END_OF_DAY`, `CANCEL_ONLY`, …
#[derive(Debug, Deserialize)]
pub(crate) struct SymbolInfo {
    pub(crate) symbol: String,
    pub(crate) status: String,
}

/// Body of an error answer; behind some errors there is HTML or nothing instead.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) code: i64,
    #[serde(default)]
    pub(crate) msg: String,
}

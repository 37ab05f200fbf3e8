//! The true answer to a REST request, before any fault.

use std::fmt::Write as _;

use axum::http::HeaderMap;
use serde_json::json;

use super::Shared;
use super::endpoint::Endpoint;
use super::error::ApiError;
use super::pages::Pages;
use super::query::Query;
use crate::book::MAX_LEVELS;
use crate::trade::TimeUnit;

/// Levels a depth answer has when no limit is given.
const DEFAULT_DEPTH: usize = 100;
/// Rows of an `aggTrades` page when no limit is given, and most rows.
const DEFAULT_PAGE: usize = 500;
const MAX_PAGE: usize = 1000;

/// A request whose parameters were read, with its weight.
#[derive(Debug)]
pub(super) struct Asked {
    endpoint: Endpoint,
    query: Result<Query, ApiError>,
}

impl Asked {
    pub(super) fn new(endpoint: Endpoint, raw_query: &str) -> Self {
        Self {
            endpoint,
            query: Query::parse(raw_query, endpoint.parameters()),
        }
    }

    /// The weight; a depth request with a bad limit costs the least.
    pub(super) fn weight(&self) -> u64 {
        let limit = self
            .query
            .as_ref()
            .map_or(0, |query| query.limit(DEFAULT_DEPTH, MAX_LEVELS).unwrap_or(0));
        self.endpoint.weight(limit)
    }

    /// The body of the answer.
    pub(super) fn answer(self, shared: &Shared, headers: &HeaderMap) -> Result<String, ApiError> {
        let unit = time_unit(headers)?;
        let query = self.query?;
        match self.endpoint {
            Endpoint::Ping => Ok("{}".to_owned()),
            Endpoint::Time => Ok(format!("{{\"serverTime\":{}}}", unit.of(shared.clock.now_ms()))),
            Endpoint::ExchangeInfo => exchange_info(shared, &query, unit),
            Endpoint::Depth => depth(shared, &query),
            Endpoint::AggTrades => agg_trades(shared, &query, unit),
        }
    }
}

fn time_unit(headers: &HeaderMap) -> Result<TimeUnit, ApiError> {
    let Some(value) = headers.get("x-mbx-time-unit") else {
        return Ok(TimeUnit::Millisecond);
    };
    match value.as_bytes() {
        b"MICROSECOND" | b"microsecond" => Ok(TimeUnit::Microsecond),
        b"MILLISECOND" | b"millisecond" => Ok(TimeUnit::Millisecond),
        _ => Err(ApiError::bad_time_unit()),
    }
}

/// The one symbol there is must be asked for.
fn require_symbol(shared: &Shared, query: &Query) -> Result<(), ApiError> {
    match query.symbol()? {
        None => Err(ApiError::missing("symbol")),
        Some(symbol) if symbol == shared.market.symbol().as_str() => Ok(()),
        Some(_) => Err(ApiError::unknown_symbol()),
    }
}

fn depth(shared: &Shared, query: &Query) -> Result<String, ApiError> {
    require_symbol(shared, query)?;
    let limit = query.limit(DEFAULT_DEPTH, MAX_LEVELS)?;
    Ok(shared.market.book(shared.clock.now_ms()).to_json(limit))
}

fn agg_trades(shared: &Shared, query: &Query, unit: TimeUnit) -> Result<String, ApiError> {
    require_symbol(shared, query)?;
    let limit = query.limit(DEFAULT_PAGE, MAX_PAGE)?;
    let from_id = query.number("fromId")?;
    let (start, end) = (query.time("startTime")?, query.time("endTime")?);
    let lag = i64::try_from(shared.config.rest_lag.as_millis()).unwrap_or(i64::MAX);
    let ragged = i64::try_from(shared.config.rest_ragged.as_millis()).unwrap_or(i64::MAX);
    let head = shared.clock.now_ms().saturating_sub(lag);
    let pages = Pages::new(&*shared.market, head, ragged);
    let rows = match (from_id, start, end) {
        (Some(id), None, None) => pages.since_id(id.unsigned_abs(), limit),
        (Some(_), _, _) => return Err(ApiError::bad_combination()),
        (None, Some(start), Some(end)) if start > end => return Err(ApiError::bad_combination()),
        (None, Some(start), end) => pages.since_time(start, end, limit),
        (None, None, end) => pages.newest(end, limit),
    };
    let mut body = String::with_capacity(rows.len() * 140 + 2);
    body.push('[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        if shared.faults.is_broken_row(row.id) {
            write!(
                body,
                r#"{{"a":{},"p":null,"q":null,"T":{}}}"#,
                row.id, row.time_ms
            )
            .ok();
        } else {
            row.push_rest(&mut body, unit);
        }
    }
    body.push(']');
    Ok(body)
}

fn exchange_info(shared: &Shared, query: &Query, unit: TimeUnit) -> Result<String, ApiError> {
    let symbol = shared.market.symbol().as_str();
    if query.symbol()?.is_some_and(|asked| asked != symbol) {
        return Err(ApiError::unknown_symbol());
    }
    let (base, quote) = ["FDUSD", "USDT", "USDC", "BTC"]
        .into_iter()
        .find_map(|quote| symbol.strip_suffix(quote).map(|base| (base, quote)))
        .unwrap_or((symbol, ""));
    let info = json!({
        "timezone": "UTC",
        "serverTime": unit.of(shared.clock.now_ms()),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": shared.config.weight_limit},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
        ],
        "exchangeFilters": [],
        "symbols": [{
            "symbol": symbol, "status": "TRADING",
            "baseAsset": base, "baseAssetPrecision": 8,
            "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
            "icebergAllowed": true, "ocoAllowed": true, "otoAllowed": true, "opoAllowed": true,
            "quoteOrderQtyMarketAllowed": true, "allowTrailingStop": true, "cancelReplaceAllowed": true,
            "amendAllowed": true, "pegInstructionsAllowed": true,
            "isSpotTradingAllowed": true, "isMarginTradingAllowed": true,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
                {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": true, "maxNotional": "9000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5},
                {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2", "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
            ],
            "permissions": [], "permissionSets": [["SPOT", "MARGIN"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
        }],
    });
    Ok(info.to_string())
}

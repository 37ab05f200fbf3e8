//! REST requests for one market: what is asked, and what the answers say.

use std::sync::Arc;

use strategy_core::model::DepthSnapshot;
use strategy_core::symbol::Symbol;
use strategy_core::time::{Clock, ExchangeMs};

use crate::aside::aside;
use crate::binance::books::book_weight;
use crate::binance::budget::Urgency;
use crate::binance::error::{ParseError, RestError};
use crate::binance::parse::{TradeRow, parse_depth, parse_rows, parse_time, quoted};
use crate::binance::transport::{Transport, TransportOptions};
use crate::binance::wire::{ExchangeInfoBody, TimeBody};

/// Rows of a full `aggTrades` page.
pub(crate) const PAGE_ROWS: usize = 1000;

/// Weight of one `aggTrades` request since 2025-03-10.
const TRADES_WEIGHT: u32 = 4;

/// Weight of `exchangeInfo`.
const INFO_WEIGHT: u32 = 20;

/// Weight of `time`.
const TIME_WEIGHT: u32 = 1;

/// Makes requests for one market.
#[derive(Debug)]
pub(crate) struct RestClient {
    transport: Transport,
    symbol: Symbol,
    clock: Arc<dyn Clock>,
}

impl RestClient {
    /// Prepares a client; no request is made.
    ///
    /// # Errors
    /// When the TLS set-up of the machine cannot be used.
    pub(crate) fn new(symbol: Symbol, options: TransportOptions) -> Result<Self, reqwest::Error> {
        let clock = Arc::clone(&options.clock);
        Ok(Self {
            transport: Transport::new(options)?,
            symbol,
            clock,
        })
    }

    /// The way requests go: what they cost, and what forbids them.
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The exchange's time.
    pub(crate) async fn time(&self) -> Result<ExchangeMs, RestError> {
        const PATH: &str = "/api/v3/time";
        let body = self.transport.get(PATH, &[], TIME_WEIGHT, Urgency::Live).await?;
        let unusable = |source| RestError::Unusable { path: PATH, source };
        let time: TimeBody = serde_json::from_str(&body).map_err(|error| unusable(error.into()))?;
        let time = parse_time(time.server_time).map_err(unusable)?;
        self.transport.learn_time(time);
        Ok(time)
    }

    /// The newest trade rows, at most one; empty when the market never traded.
    pub(crate) async fn newest_trade(&self) -> Result<Option<TradeRow>, RestError> {
        let rows = self
            .trades(&[("limit", "1".to_owned())], 1, Urgency::Live)
            .await?;
        Ok(rows.last().copied())
    }

    /// The first trade at or after a time; `None` when there is none yet.
    pub(crate) async fn first_trade_since(
        &self,
        start: ExchangeMs,
        urgency: Urgency,
    ) -> Result<Option<TradeRow>, RestError> {
        let query = [("startTime", start.to_string()), ("limit", "1".to_owned())];
        Ok(self.trades(&query, 1, urgency).await?.first().copied())
    }

    /// The trades from an id on, at most [`PAGE_ROWS`]; fewer mean that the newest was reached.
    pub(crate) async fn trades_from(&self, from: u64, urgency: Urgency) -> Result<Vec<TradeRow>, RestError> {
        let query = [("fromId", from.to_string()), ("limit", PAGE_ROWS.to_string())];
        let rows = self.trades(&query, PAGE_ROWS, urgency).await?;
        // A row below what was asked for would mean that the parameter was ignored.
        Ok(rows.into_iter().filter(|row| row.id() >= from).collect())
    }

    /// The book, `limit` levels a side.
    pub(crate) async fn depth(&self, limit: u16) -> Result<DepthSnapshot, RestError> {
        const PATH: &str = "/api/v3/depth";
        let query = [("symbol", self.symbol.to_string()), ("limit", limit.to_string())];
        let body = self
            .transport
            .get(PATH, &query, book_weight(limit), Urgency::Book)
            .await?;
        let (symbol, now) = (self.symbol.clone(), self.clock.now());
        aside(move || parse_depth(&body, &symbol, now))
            .await
            .map_err(|source| RestError::Unusable { path: PATH, source })
    }

    /// The market's status, for instance `TRADING`; also learns the exchange's limit of weight.
    pub(crate) async fn symbol_status(&self) -> Result<String, RestError> {
        const PATH: &str = "/api/v3/exchangeInfo";
        let body = self
            .transport
            .get(
                PATH,
                &[("symbol", self.symbol.to_string())],
                INFO_WEIGHT,
                Urgency::Live,
            )
            .await?;
        let unusable = |source| RestError::Unusable { path: PATH, source };
        let info: ExchangeInfoBody = serde_json::from_str(&body).map_err(|error| unusable(error.into()))?;
        let minute = info.rate_limits.iter().find(|limit| {
            limit.kind == "REQUEST_WEIGHT" && limit.interval == "MINUTE" && limit.interval_count == 1
        });
        if let Some(limit) = minute.and_then(|limit| u32::try_from(limit.limit).ok()) {
            self.transport.learn_limit(limit);
        }
        let ours = info
            .symbols
            .into_iter()
            .find(|market| market.symbol == self.symbol.as_str());
        ours.map(|market| quoted(&market.status))
            .ok_or_else(|| unusable(ParseError::OtherSymbol(String::new())))
    }

    async fn trades(
        &self,
        query: &[(&str, String)],
        limit: usize,
        urgency: Urgency,
    ) -> Result<Vec<TradeRow>, RestError> {
        const PATH: &str = "/api/v3/aggTrades";
        let mut query = query.to_vec();
        query.insert(0, ("symbol", self.symbol.to_string()));
        let body = self.transport.get(PATH, &query, TRADES_WEIGHT, urgency).await?;
        parse_rows(&body, limit).map_err(|source| RestError::Unusable { path: PATH, source })
    }
}

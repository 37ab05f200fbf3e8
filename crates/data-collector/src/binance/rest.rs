//! REST requests: one client, one account of weight, every wait bounded.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use strategy_core::model::DepthSnapshot;
use strategy_core::symbol::Symbol;
use strategy_core::time::{Clock, ExchangeMs};
use tokio::time::Instant;

use crate::binance::budget::{Budget, Urgency};
use crate::binance::error::{ParseError, RestError};
use crate::binance::parse::{TradeRow, parse_depth, parse_rows, parse_time, quoted};
use crate::binance::wire::{ErrorBody, ExchangeInfoBody, TimeBody};
use crate::clock::Uptime;

/// Rows of a full `aggTrades` page.
pub(crate) const PAGE_ROWS: usize = 1000;

/// Weight of one `aggTrades` request since 2025-03-10.
const TRADES_WEIGHT: u32 = 4;

/// Weight of `exchangeInfo`.
const INFO_WEIGHT: u32 = 20;

/// Weight of `time`.
const TIME_WEIGHT: u32 = 1;

/// The exchange's limit of weight per minute and address until `exchangeInfo` has told it.
const EXCHANGE_LIMIT: u32 = 6000;

/// Longest body that is read; a book of 5000 levels a side has about 320 KB.
const MAX_BODY: usize = 16 << 20;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is not used again after this: the exchange may have closed it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Hold after "not available in your location" and the like: asking again soon cannot help.
const REFUSED_HOLD: Duration = Duration::from_secs(300);

/// A hold of this length or longer is remembered across a restart.
const REMEMBERED_HOLD: Duration = Duration::from_secs(5);

/// Depth weights by the highest limit they apply to.
const DEPTH_WEIGHTS: [(u16, u32); 4] = [(100, 5), (500, 25), (1000, 50), (5000, 250)];

/// Makes requests for one market.
#[derive(Debug)]
pub(crate) struct RestClient {
    http: reqwest::Client,
    base: String,
    symbol: Symbol,
    budget: Mutex<Budget>,
    started: Instant,
    clock: Arc<dyn Clock>,
    hold_file: PathBuf,
    weight_spent: AtomicU64,
}

/// Where requests go and what they may cost.
#[derive(Debug)]
pub(crate) struct RestOptions {
    /// For instance `https://api.binance.com`, without a slash at the end.
    pub(crate) base: String,
    pub(crate) symbol: Symbol,
    /// Weight per minute this process may spend.
    pub(crate) weight_per_minute: u32,
    /// Longest duration of one request.
    pub(crate) timeout: Duration,
    /// Remembers an order to wait across a restart.
    pub(crate) hold_file: PathBuf,
    /// Start of the uptime.
    pub(crate) started: Instant,
    pub(crate) clock: Arc<dyn Clock>,
}

impl RestClient {
    /// Prepares a client; no request is made.
    ///
    /// # Errors
    /// When the TLS set-up of the machine cannot be used.
    pub(crate) fn new(options: RestOptions) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .timeout(options.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("data-collector/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let client = Self {
            http,
            base: options.base,
            symbol: options.symbol,
            budget: Mutex::new(Budget::new(options.weight_per_minute, EXCHANGE_LIMIT)),
            started: options.started,
            clock: options.clock,
            hold_file: options.hold_file,
            weight_spent: AtomicU64::new(0),
        };
        client.recall_hold();
        Ok(client)
    }

    /// Weight of all requests since the start.
    pub(crate) fn weight_spent(&self) -> u64 {
        self.weight_spent.load(Ordering::Relaxed)
    }

    /// How long the exchange's orders still forbid every request; zero if they do not.
    pub(crate) fn held_for(&self) -> Duration {
        self.budget().held_for(self.uptime())
    }

    /// The exchange's time.
    pub(crate) async fn time(&self) -> Result<ExchangeMs, RestError> {
        const PATH: &str = "/api/v3/time";
        let body = self.get(PATH, &[], TIME_WEIGHT, Urgency::Live).await?;
        let unusable = |source| RestError::Unusable { path: PATH, source };
        let time: TimeBody = serde_json::from_str(&body).map_err(|error| unusable(error.into()))?;
        parse_time(time.server_time).map_err(unusable)
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
        let weight = DEPTH_WEIGHTS
            .iter()
            .find(|(up_to, _)| limit <= *up_to)
            .map_or(250, |(_, weight)| *weight);
        let query = [("symbol", self.symbol.to_string()), ("limit", limit.to_string())];
        let body = self.get(PATH, &query, weight, Urgency::Live).await?;
        parse_depth(&body, &self.symbol, self.clock.now())
            .map_err(|source| RestError::Unusable { path: PATH, source })
    }

    /// The market's status, for instance `TRADING`; also learns the exchange's limit of weight.
    pub(crate) async fn symbol_status(&self) -> Result<String, RestError> {
        const PATH: &str = "/api/v3/exchangeInfo";
        let body = self
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
            self.budget().set_exchange_limit(limit);
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
        let body = self.get(PATH, &query, TRADES_WEIGHT, urgency).await?;
        parse_rows(&body, limit).map_err(|source| RestError::Unusable { path: PATH, source })
    }

    /// Makes one request once the account allows it.
    ///
    /// # Cancel safety
    /// A dropped call may have cost weight; nothing else is lost.
    async fn get(
        &self,
        path: &'static str,
        query: &[(&str, String)],
        weight: u32,
        urgency: Urgency,
    ) -> Result<String, RestError> {
        self.admit(weight, urgency).await?;
        self.weight_spent.fetch_add(u64::from(weight), Ordering::Relaxed);
        let transport = |source: reqwest::Error| RestError::Transport {
            path,
            source: source.without_url(),
        };
        let url = format!("{}{path}", self.base);
        let mut response = self.http.get(url).query(query).send().await.map_err(transport)?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        self.note_weight(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(RestError::TooLong {
                    path,
                    limit: MAX_BODY,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status == 200 {
            return String::from_utf8(body).map_err(|_| {
                let source: serde_json::Error = serde::de::Error::custom("not utf-8");
                RestError::Unusable {
                    path,
                    source: source.into(),
                }
            });
        }
        let text = String::from_utf8_lossy(&body);
        let error: Option<ErrorBody> = serde_json::from_str(&text).ok();
        let message = error
            .as_ref()
            .map_or_else(|| quoted(&text), |error| quoted(&error.msg));
        let code = error.map(|error| error.code);
        let retry_after = retry_after.or_else(|| ban_in_words(&message, self.clock.now()));
        self.note_refusal(status, retry_after);
        Err(RestError::Rejected {
            path,
            status,
            code,
            message,
            retry_after,
        })
    }

    async fn admit(&self, weight: u32, urgency: Urgency) -> Result<(), RestError> {
        loop {
            let outcome = self.budget().spend(weight, urgency, self.uptime());
            match outcome {
                Ok(()) => return Ok(()),
                // The account frees up within a minute; a longer wait is an order of the exchange.
                Err(wait) if wait > Duration::from_secs(60) => return Err(RestError::Held { wait }),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn note_weight(&self, headers: &HeaderMap) {
        let header = headers
            .get("x-mbx-used-weight-1m")
            .or_else(|| headers.get("x-mbx-used-weight"));
        let Some(used) = header.and_then(|value| value.to_str().ok()?.parse().ok()) else {
            return;
        };
        let second = headers
            .get(DATE)
            .and_then(|value| DateTime::parse_from_rfc2822(value.to_str().ok()?).ok())
            .map_or(30, |date| date.timestamp().rem_euclid(60).unsigned_abs());
        self.budget()
            .on_reported(used, self.uptime(), Duration::from_secs(60 - second));
    }

    fn note_refusal(&self, status: u16, retry_after: Option<Duration>) {
        let uptime = self.uptime();
        let held = match status {
            451 => {
                self.budget().hold(REFUSED_HOLD, uptime);
                Some(REFUSED_HOLD)
            }
            _ => self.budget().on_status(status, retry_after, uptime),
        };
        if let Some(held) = held {
            tracing::warn!(
                rest.status = status,
                wait_s = held.as_secs(),
                "the exchange orders to wait, no request is sent meanwhile"
            );
            if held >= REMEMBERED_HOLD {
                // The longest order in force, which may be an earlier one.
                self.remember_hold(self.held_for());
            }
        }
    }

    /// Writes the end of a hold to a file, so that a restart does not make a ban longer.
    fn remember_hold(&self, held: Duration) {
        let until = self.clock.now() + chrono::Duration::from_std(held).unwrap_or_default();
        let directory = self.hold_file.parent().map_or(Ok(()), std::fs::create_dir_all);
        // Whole or not at all: half a number would be another order.
        let temporary = self.hold_file.with_extension("tmp");
        let written = directory
            .and_then(|()| std::fs::write(&temporary, (until.timestamp() + 1).to_string()))
            .and_then(|()| std::fs::rename(&temporary, &self.hold_file));
        if let Err(error) = written {
            tracing::warn!(
                path = %self.hold_file.display(),
                error = &error as &dyn std::error::Error,
                "the exchange's order to wait could not be written down"
            );
        }
    }

    fn recall_hold(&self) {
        let Ok(text) = std::fs::read_to_string(&self.hold_file) else {
            return;
        };
        let until = text
            .trim()
            .parse::<i64>()
            .ok()
            .and_then(|until| DateTime::from_timestamp(until, 0));
        if let Some(left) = until.and_then(|until| (until - self.clock.now()).to_std().ok()) {
            tracing::warn!(
                wait_s = left.as_secs(),
                "an earlier order of the exchange to wait is still in force"
            );
            self.budget().hold(left, self.uptime());
        }
    }

    fn uptime(&self) -> Uptime {
        self.started.elapsed()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        // The account is consistent between its calls, so a panic elsewhere does not spoil it.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// The end of a ban in "IP banned until 1659146400000", which stands in for a missing header.
fn ban_in_words(message: &str, now: DateTime<Utc>) -> Option<Duration> {
    let digits: String = message
        .split_once("until ")?
        .1
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let until = DateTime::from_timestamp_millis(digits.parse().ok()?)?;
    (until - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_in_words_is_understood() {
        let now = DateTime::from_timestamp(1_659_146_340, 0).unwrap();
        let message = "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket";
        assert_eq!(ban_in_words(message, now), Some(Duration::from_secs(60)));
        assert_eq!(ban_in_words("Too much request weight used", now), None);
        assert_eq!(ban_in_words("IP banned until 1", now), None);
    }
}

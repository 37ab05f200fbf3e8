//! What several tests need.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use market_sim::clock::EventClock;
use market_sim::exchange::{Exchange, ExchangeConfig};
use market_sim::tape::{Tape, TapeConfig};
use serde_json::Value;
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// Longest wait for anything that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// 2026-11-22T06:14:00Z
pub(crate) fn start() -> Minute {
    Minute::from_number(29_922_134).unwrap()
}

pub(crate) fn config() -> TapeConfig {
    TapeConfig::new(Symbol::new("BTCFDUSD").unwrap(), 7, start())
}

/// An instant after the start.
pub(crate) fn after_start(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(start().start_ms() + milliseconds).unwrap()
}

/// An exchange whose time stands still 30 s after the start.
pub(crate) async fn exchange() -> Exchange {
    exchange_of(config(), ExchangeConfig::default()).await
}

pub(crate) async fn exchange_of(tape: TapeConfig, config: ExchangeConfig) -> Exchange {
    let clock = EventClock::paused(after_start(30_000));
    Exchange::start(Arc::new(Tape::new(tape)), clock, config)
        .await
        .unwrap()
}

/// An answer of the REST server.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        let page = self.json();
        let rows = page.as_array().unwrap();
        rows.iter().map(|row| row["a"].as_u64().unwrap()).collect()
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(SOON).build().unwrap()
}

/// `GET /api/v3/<path and query>`
pub(crate) async fn get(exchange: &Exchange, path: &str) -> Answer {
    let url = format!("{}/api/v3/{path}", exchange.rest_url());
    let response = client().get(url).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer {
        status,
        headers,
        text: response.text().await.unwrap(),
    }
}

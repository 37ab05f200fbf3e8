//! Section `binance`: the exchange and the market.

use std::time::Duration;

use super::reader::Section;
use super::render::Rendered;
use crate::symbol::Symbol;

/// How to reach the exchange, and which market to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinanceConfig {
    /// Base of the REST paths, without a trailing slash.
    pub rest_api_base: String,
    /// Base of the stream paths, without a trailing slash.
    pub websocket_base: String,
    /// The market.
    pub symbol: Symbol,
    /// Request weight this process may spend per minute.
    pub rate_limit_requests_per_minute: u32,
    /// Longest wait for one REST answer.
    pub timeout: Duration,
}

impl BinanceConfig {
    /// Reads the section; `None` only when the symbol is wrong, which is reported.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let symbol = Symbol::new(&section.text("symbol", "BTCFDUSD"))
            .map_err(|error| section.problem("symbol", error))
            .ok();
        let rest_api_base = section.url("rest_api_base", "https://api.binance.com", &["https", "http"]);
        let websocket_base = section.url("websocket_base", "wss://stream.binance.com:9443", &["wss", "ws"]);
        let rate_limit = section.integer("rate_limit_requests_per_minute", 1200, 250..=100_000);
        let timeout = section.seconds("timeout", 30, 1..=300);
        section.finish();
        Some(Self {
            rest_api_base,
            websocket_base,
            symbol: symbol?,
            rate_limit_requests_per_minute: rate_limit,
            timeout,
        })
    }

    pub(super) fn render(&self) -> Rendered {
        Rendered::default()
            .set("rest_api_base", self.rest_api_base.as_str())
            .set("websocket_base", self.websocket_base.as_str())
            .set("symbol", self.symbol.as_str())
            .set(
                "rate_limit_requests_per_minute",
                self.rate_limit_requests_per_minute,
            )
            .seconds("timeout", self.timeout)
    }
}

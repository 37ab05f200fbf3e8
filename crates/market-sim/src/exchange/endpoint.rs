//! The REST endpoints and what they cost.

/// A REST endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/api/v3/ping`
    Ping,
    /// `/api/v3/time`
    Time,
    /// `/api/v3/exchangeInfo`
    ExchangeInfo,
    /// `/api/v3/depth`
    Depth,
    /// `/api/v3/aggTrades`
    AggTrades,
}

impl Endpoint {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Ping,
        Self::Time,
        Self::ExchangeInfo,
        Self::Depth,
        Self::AggTrades,
    ];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Ping => "/api/v3/ping",
            Self::Time => "/api/v3/time",
            Self::ExchangeInfo => "/api/v3/exchangeInfo",
            Self::Depth => "/api/v3/depth",
            Self::AggTrades => "/api/v3/aggTrades",
        }
    }

    /// The endpoint with this path.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// Request weight. `limit` is that of a depth request.
    ///
    /// Source: Binance spot documents, `rest-api.md`, 2026-07-21.
    pub fn weight(self, limit: usize) -> u64 {
        match self {
            Self::Ping | Self::Time => 1,
            Self::ExchangeInfo => 20,
            Self::AggTrades => 4,
            Self::Depth => match limit {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                _ => 250,
            },
        }
    }

    /// Names of the parameters it reads.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Ping | Self::Time => &[],
            Self::ExchangeInfo => &["symbol"],
            Self::Depth => &["symbol", "limit"],
            Self::AggTrades => &["symbol", "fromId", "startTime", "endTime", "limit"],
        }
    }
}

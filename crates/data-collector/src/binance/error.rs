//! What can go wrong at the exchange's edge.

use std::time::Duration;

use strategy_core::model::DepthError;
use strategy_core::num::NumError;
use tokio_tungstenite::tungstenite::Error as WebSocketError;

use crate::binance::refusal::{Cause, RetryAfter};

/// Most quote currency one trade may be worth: thousands of times the largest ever seen.
pub(crate) const MAX_NOTIONAL: u64 = 10_000_000_000;

/// Why bytes of the exchange were rejected. Rejected bytes are counted and never stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ParseError {
    /// Not JSON, or not of the documented shape.
    #[error("not the documented json")]
    Json(#[from] serde_json::Error),
    /// A price or quantity that cannot be one.
    #[error("not a usable {field}")]
    Amount {
        /// `price` or `quantity`.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: NumError,
    },
    /// A trade without quantity that is not marked as dead either.
    #[error("the trade {id} has no quantity")]
    NoQuantity {
        /// Aggregate trade id.
        id: u64,
    },
    /// More money in one trade than there is in the market.
    #[error("the trade {id} is worth more than {MAX_NOTIONAL}")]
    Absurd {
        /// Aggregate trade id.
        id: u64,
    },
    /// A time outside the years 1970 to 9999, or a trade after the event that reports it.
    #[error("not a usable trade time: {0}")]
    Time(i64),
    /// Another market's trade.
    #[error("a trade of {0}")]
    OtherSymbol(String),
    /// An event this program did not subscribe to.
    #[error("unknown event {0:?}")]
    UnknownEvent(String),
    /// The exchange complained about a message of ours.
    #[error("the exchange reports error {code}: {message}")]
    Reported {
        /// The exchange's code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// A book that cannot be true.
    #[error("not a valid book")]
    Depth(#[from] DepthError),
    /// A page longer than what was asked for.
    #[error("{0} rows where fewer were asked for")]
    TooManyRows(usize),
}

/// Why a REST request brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RestError {
    /// No answer, or not a whole one, within the time limit.
    #[error("{path} did not complete")]
    Transport {
        /// Path of the request.
        path: &'static str,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was longer than any real one.
    #[error("{path} answered more than {limit} bytes")]
    TooLong {
        /// Path of the request.
        path: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The exchange refused.
    #[error("{path} answered {}", answer(*status, *code, message))]
    Rejected {
        /// Path of the request.
        path: &'static str,
        /// HTTP status.
        status: u16,
        /// The exchange's code, if its body had one.
        code: Option<i64>,
        /// The exchange's words, shortened.
        message: String,
    },
    /// The answer is not what the documents say.
    #[error("{path} answered something unusable")]
    Unusable {
        /// Path of the request.
        path: &'static str,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Two answers cannot both be true; asked again later they may agree.
    #[error("the exchange has the trade {id} and does not show it")]
    Contradiction {
        /// A trade that must exist.
        id: u64,
    },
    /// An order of the exchange forbids requests for longer than the caller can wait.
    #[error("no request may be sent for another {} s: {cause}", wait.as_secs() + 1)]
    Held {
        /// Why.
        cause: Cause,
        /// Time until one may be sent.
        wait: Duration,
    },
    /// The budget had no room.
    #[error("the request budget had no room for {} s", waited.as_secs())]
    NoRoom {
        /// How long was waited.
        waited: Duration,
    },
}

impl RestError {
    /// True if the exchange answered, and what it answered cannot be used: asked again it may well answer the
    /// same.
    pub(crate) fn is_about_data(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::Contradiction { .. })
    }

    /// True if the request was understood and refused for good: repeating it unchanged is useless.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                status: 400 | 401 | 404,
                ..
            }
        )
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SocketError {
    /// The connection could not be made or broke.
    #[error("the stream connection failed")]
    Failed(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The connection took too long.
    #[error("no stream connection within {} s", .0.as_secs())]
    ConnectTimeout(Duration),
    /// The other side closed it.
    #[error("the exchange closed the stream{}", closing(*code, reason))]
    Closed {
        /// Code of the close frame, if there was one.
        code: Option<u16>,
        /// Its text.
        reason: String,
    },
}

impl SocketError {
    /// Status and `Retry-After` of the HTTP answer that refused the connection, if there was one.
    pub(crate) fn refusal(&self) -> Option<(u16, RetryAfter)> {
        let Self::Failed(error) = self else { return None };
        let WebSocketError::Http(answer) = &**error else {
            return None;
        };
        let header = answer.headers().get("retry-after");
        let retry_after = RetryAfter::read(header.map(|value| value.to_str().unwrap_or("")));
        Some((answer.status().as_u16(), retry_after))
    }
}

/// A refusal in words: the status, and of the code and the exchange's words what there is.
fn answer(status: u16, code: Option<i64>, message: &str) -> String {
    with_words(
        code.map_or_else(
            || format!("status {status}"),
            |code| format!("status {status}, code {code}"),
        ),
        message,
    )
}

/// What the close frame said, as far as there was one.
fn closing(code: Option<u16>, reason: &str) -> String {
    with_words(
        code.map_or_else(String::new, |code| format!(" with code {code}")),
        reason,
    )
}

fn with_words(what: String, words: &str) -> String {
    if words.trim().is_empty() {
        what
    } else {
        format!("{what}: {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(code: Option<i64>, message: &str) -> String {
        let message = message.to_owned();
        let (path, status) = ("/api/v3/depth", 400);
        RestError::Rejected {
            path,
            status,
            code,
            message,
        }
        .to_string()
    }

    #[test]
    fn a_refusal_is_said_in_words_and_without_what_it_lacks() {
        assert_eq!(
            rejected(Some(-1121), "Invalid symbol."),
            "/api/v3/depth answered status 400, code -1121: Invalid symbol."
        );
        assert_eq!(
            rejected(Some(-1121), ""),
            "/api/v3/depth answered status 400, code -1121"
        );
        assert_eq!(rejected(None, "gone"), "/api/v3/depth answered status 400: gone");
        assert_eq!(rejected(None, " "), "/api/v3/depth answered status 400");
    }

    #[test]
    fn a_closed_stream_is_said_in_words_and_without_what_it_lacks() {
        let closed = |code, reason: &str| {
            let reason = reason.to_owned();
            SocketError::Closed { code, reason }.to_string()
        };
        assert_eq!(
            closed(Some(1008), "too slow"),
            "the exchange closed the stream with code 1008: too slow"
        );
        assert_eq!(closed(None, ""), "the exchange closed the stream");
        assert_eq!(
            closed(Some(1000), ""),
            "the exchange closed the stream with code 1000"
        );
    }
}

//! Requests the exchange has refused for good: not sent again unchanged for a while. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::binance::error::RestError;
use crate::clock::Uptime;

/// A request that was refused for good is not sent again unchanged for this long.
pub(super) const UNCHANGED_HOLD: Duration = Duration::from_secs(600);

/// Most such requests that are remembered.
const UNCHANGED_KEPT: usize = 32;

/// Codes of a refused request that may be accepted later: no orders on the book, market not trading.
const PASSING_CODES: [i64; 2] = [-1112, -1220];

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Unchanged {
    refused: VecDeque<Refused>,
}

/// A request that was refused for good, and the answer it got.
#[derive(Debug)]
struct Refused {
    request: String,
    until: Uptime,
    status: u16,
    code: Option<i64>,
    message: String,
}

impl Unchanged {
    /// The answer a request got that is not to be sent again.
    pub(super) fn answer(&mut self, path: &'static str, request: &str, uptime: Uptime) -> Option<RestError> {
        self.refused.retain(|refused| uptime < refused.until);
        let refused = self.refused.iter().find(|refused| refused.request == request)?;
        Some(RestError::Rejected {
            path,
            status: refused.status,
            code: refused.code,
            message: refused.message.clone(),
        })
    }

    /// Notes an answer. True if it was one for good.
    pub(super) fn note(&mut self, request: String, error: &RestError, uptime: Uptime) -> bool {
        let RestError::Rejected {
            status,
            code,
            message,
            ..
        } = error
        else {
            return false;
        };
        if !error.is_permanent() || code.is_some_and(|code| PASSING_CODES.contains(&code)) {
            return false;
        }
        if self.refused.len() >= UNCHANGED_KEPT {
            self.refused.pop_front();
        }
        self.refused.push_back(Refused {
            request,
            until: uptime + UNCHANGED_HOLD,
            status: *status,
            code: *code,
            message: message.clone(),
        });
        true
    }
}

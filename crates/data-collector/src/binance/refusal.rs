//! What an answer of the exchange orders: how long no request may follow, and why. Pure.
//!
//! The facts are in the exchange's documents; where they leave something open, the rule is stated here and
//! in `docs/exchange_manners.md`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strategy_core::time::ExchangeMs;

/// Wait after 429 without a usable `Retry-After`, and the longest that is believed: the exchange counts by
/// the minute and by five minutes, so more than an hour is a mistake.
const TOO_MANY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// Wait after 418 when neither a header nor words say how long, doubled from ban to ban, and the longest
/// that is believed: a ban lasts from two minutes to three days.
const BANNED: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(3 * 86_400));

/// First and longest wait after 403.
const FORBIDDEN: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// Wait after 451. Asking again cannot help, but a host may change its mind within a day.
const RESTRICTED: Duration = Duration::from_secs(6 * 3600);

/// First and longest wait after "server is busy".
const BUSY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Longest `Retry-After` of a server error that is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Shortest wait: `Retry-After: 0` is no leave to go on at once.
const SHORTEST: Duration = Duration::from_secs(1);

/// The exchange's code for "server is busy, try again in a few minutes".
const SERVER_BUSY: i64 = -1008;

/// Why no request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The server is busy.
    Busy,
    /// 429.
    TooManyRequests,
    /// 403.
    Forbidden,
    /// 451.
    Restricted,
    /// 418.
    Banned,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Busy => "the exchange says that it is busy",
            Self::TooManyRequests => "too many requests from this address (429)",
            Self::Forbidden => "the exchange's firewall forbids this address or request (403)",
            Self::Restricted => {
                "the exchange does not serve this location on this host (451): set binance.rest_api_base to \
                 https://data-api.binance.vision, or run elsewhere"
            }
            Self::Banned => "the exchange has banned this address (418)",
        })
    }
}

/// The header `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// There is none.
    Absent,
    /// There is one, and it is no number of seconds.
    Unreadable,
    /// Seconds.
    Seconds(u64),
}

impl RetryAfter {
    /// Reads the text of the header. A number too long for us is the largest there is.
    pub(crate) fn read(text: Option<&str>) -> Self {
        let Some(text) = text.map(str::trim) else {
            return Self::Absent;
        };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Unreadable;
        }
        Self::Seconds(text.parse().unwrap_or(u64::MAX))
    }

    /// What it asks for.
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// An answer that is not 200, as far as it matters for what may follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// The exchange's code, if its body had one.
    pub(crate) code: Option<i64>,
    /// The header.
    pub(crate) retry_after: RetryAfter,
    /// The body's words.
    pub(crate) words: &'a str,
    /// The exchange's time, if it is known.
    pub(crate) now: Option<ExchangeMs>,
}

/// An order to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// Why.
    pub(crate) cause: Cause,
    /// How long.
    pub(crate) wait: Duration,
    /// True if the exchange asked for more than is believed.
    pub(crate) capped: bool,
}

/// How often each refusal came since the last good answer: the waits of some of them grow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Refusals {
    busy: u32,
    forbidden: u32,
    banned: u32,
}

impl Refusals {
    /// A good answer came.
    pub(crate) fn on_success(&mut self) {
        *self = Self::default();
    }

    /// What this answer orders; `None` if the next request may follow after an ordinary backoff.
    /// `in_force`: an order of the same cause is being obeyed already, and this answer was under way then.
    pub(crate) fn order(&mut self, answer: &Answer<'_>, in_force: impl Fn(Cause) -> bool) -> Option<Order> {
        let cause = cause(answer)?;
        let repeats = match cause {
            Cause::Busy => Some(&mut self.busy),
            Cause::Forbidden => Some(&mut self.forbidden),
            Cause::Banned => Some(&mut self.banned),
            Cause::TooManyRequests | Cause::Restricted => None,
        };
        let before = repeats.map_or(0, |repeats| {
            if !in_force(cause) {
                *repeats = repeats.saturating_add(1);
            }
            repeats.saturating_sub(1)
        });
        let asked = answer.retry_after.wait();
        let (wait, longest) = match cause {
            Cause::TooManyRequests => (asked.unwrap_or(TOO_MANY.0), TOO_MANY.1),
            Cause::Banned => {
                let asked = asked
                    .filter(|wait| !wait.is_zero())
                    .or_else(|| ban_in_words(answer.words, answer.now?));
                (asked.unwrap_or(grown(BANNED, before)), BANNED.1)
            }
            Cause::Forbidden => (asked.unwrap_or(grown(FORBIDDEN, before)), FORBIDDEN.1),
            Cause::Restricted => (RESTRICTED, RESTRICTED),
            Cause::Busy => (asked.unwrap_or(grown(BUSY, before)), LONGEST_PAUSE),
        };
        Some(Order {
            cause,
            wait: wait.clamp(SHORTEST, longest),
            capped: wait > longest,
        })
    }
}

fn cause(answer: &Answer<'_>) -> Option<Cause> {
    match answer.status {
        429 => Some(Cause::TooManyRequests),
        418 => Some(Cause::Banned),
        403 => Some(Cause::Forbidden),
        451 => Some(Cause::Restricted),
        _ if answer.code == Some(SERVER_BUSY) => Some(Cause::Busy),
        500.. if answer.retry_after.wait().is_some() => Some(Cause::Busy),
        _ => None,
    }
}

fn grown((first, longest): (Duration, Duration), doublings: u32) -> Duration {
    first.saturating_mul(1 << doublings.min(20)).min(longest)
}

/// The end of a ban in "IP banned until 1659146400000", which stands in for a missing header. A second is
/// added because the exchange's time is known to the second.
fn ban_in_words(words: &str, now: ExchangeMs) -> Option<Duration> {
    let digits: String = words
        .split_once("until ")?
        .1
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let left = digits.parse::<ExchangeMs>().ok()?.checked_sub(now)?;
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(Duration::from_millis(left) + SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: &str =
        "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket";

    fn answer(status: u16, retry_after: Option<&str>) -> Answer<'static> {
        Answer {
            status,
            code: None,
            retry_after: RetryAfter::read(retry_after),
            words: "",
            now: None,
        }
    }

    fn seconds(answer: &Answer<'_>) -> Option<(Cause, u64, bool)> {
        let order = Refusals::default().order(answer, |_| false)?;
        Some((order.cause, order.wait.as_secs(), order.capped))
    }

    #[test]
    fn each_form_of_retry_after_has_its_behaviour() {
        let too_many = |header| seconds(&answer(429, header)).map(|(_, wait, capped)| (wait, capped));
        assert_eq!(too_many(Some("7")), Some((7, false)));
        assert_eq!(too_many(Some(" 7 ")), Some((7, false)));
        assert_eq!(too_many(Some("0")), Some((1, false)));
        assert_eq!(too_many(None), Some((60, false)));
        for unreadable in ["", "soon", "-5", "1.5", "Sun, 22 Nov 2026 12:00:00 GMT"] {
            assert_eq!(too_many(Some(unreadable)), Some((60, false)), "{unreadable:?}");
        }
        for absurd in ["3601", "99999999", "99999999999999999999999999999999"] {
            assert_eq!(too_many(Some(absurd)), Some((3600, true)), "{absurd:?}");
        }
        let days = seconds(&answer(418, Some("259200")));
        assert_eq!(days, Some((Cause::Banned, 259_200, false)));
        let longer = seconds(&answer(418, Some("9999999")));
        assert_eq!(longer, Some((Cause::Banned, 259_200, true)));
    }

    #[test]
    fn a_ban_in_words_is_counted_by_the_exchanges_time() {
        let mut banned = Answer {
            words: WORDS,
            now: Some(1_659_146_340_000),
            ..answer(418, None)
        };
        assert_eq!(seconds(&banned), Some((Cause::Banned, 61, false)));
        banned.retry_after = RetryAfter::Seconds(0);
        assert_eq!(seconds(&banned), Some((Cause::Banned, 61, false)));
        // The header counts where there is one; nothing is known without the exchange's time.
        banned.retry_after = RetryAfter::Seconds(30);
        assert_eq!(seconds(&banned), Some((Cause::Banned, 30, false)));
        banned.retry_after = RetryAfter::Unreadable;
        banned.now = None;
        assert_eq!(seconds(&banned), Some((Cause::Banned, 120, false)));
        // Over already, or no number.
        banned.now = Some(1_659_146_400_001);
        assert_eq!(seconds(&banned), Some((Cause::Banned, 120, false)));
        banned.words = "IP banned until tomorrow";
        assert_eq!(seconds(&banned), Some((Cause::Banned, 120, false)));
        banned.words = "<html><body>418</body></html>";
        assert_eq!(seconds(&banned), Some((Cause::Banned, 120, false)));
        banned.words = "banned until 9223372036854775807";
        assert_eq!(seconds(&banned), Some((Cause::Banned, 259_200, true)));
    }

    #[test]
    fn waits_grow_from_refusal_to_refusal_until_a_good_answer_comes() {
        let mut refusals = Refusals::default();
        let mut next = |status| {
            let order = refusals.order(&answer(status, None), |_| false);
            order.map(|order| order.wait.as_secs())
        };
        assert_eq!(
            [next(403), next(403), next(403)],
            [Some(300), Some(600), Some(1200)]
        );
        assert_eq!(
            [next(403), next(403), next(403)],
            [Some(2400), Some(3600), Some(3600)]
        );
        assert_eq!([next(418), next(418)], [Some(120), Some(240)]);
        refusals.on_success();
        let again = refusals.order(&answer(403, None), |_| false).unwrap();
        assert_eq!(again.wait.as_secs(), 300);
        // Answers that were under way when the order came are the same refusal.
        let again = refusals.order(&answer(403, None), |_| true).unwrap();
        assert_eq!(again.wait.as_secs(), 300);
    }

    #[test]
    fn each_status_has_its_order() {
        for status in [200, 301, 400, 404, 408, 409, 500, 502, 503, 504] {
            assert_eq!(seconds(&answer(status, None)), None, "{status}");
        }
        assert_eq!(seconds(&answer(403, None)), Some((Cause::Forbidden, 300, false)));
        assert_eq!(
            seconds(&answer(451, Some("1"))),
            Some((Cause::Restricted, 21_600, false))
        );
        assert_eq!(seconds(&answer(503, Some("20"))), Some((Cause::Busy, 20, false)));
        let busy = Answer {
            code: Some(SERVER_BUSY),
            ..answer(503, None)
        };
        assert_eq!(seconds(&busy), Some((Cause::Busy, 5, false)));
    }

    proptest! {
        #[test]
        fn no_order_is_shorter_than_a_second_or_longer_than_three_days(
            status in 300_u16..600,
            header in prop::option::of(".{0,30}"),
            words in ".{0,60}",
            until in any::<i64>(),
            now in prop::option::of(any::<i64>()),
        ) {
            let words = format!("{words} until {until} {words}");
            let answer = Answer { status, code: None, retry_after: RetryAfter::read(header.as_deref()), words: &words, now };
            if let Some(order) = Refusals::default().order(&answer, |_| false) {
                prop_assert!(order.wait >= SHORTEST && order.wait <= BANNED.1);
            }
        }
    }
}

//! Decides whether the model is called in this cycle. Pure: the time is passed in.
//!
//! Two things keep it from being called: failures in a row (the *breaker*, which opens for longer and
//! longer), and a refusal that only the operator can lift, a bad key or an empty balance (the *block*,
//! probed now and then with an ordinary call).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::LlmError;

/// Failed cycles in a row that open the breaker.
const THRESHOLD: u32 = 3;

/// How long it stays open the first time; doubled with each failed probe.
const FIRST_PAUSE: Duration = Duration::from_secs(120);

/// Longest it stays open.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// Time between probes after 401 or 403.
const KEY_PAUSE: Duration = Duration::from_secs(300);

/// Time between probes after 402.
const BALANCE_PAUSE: Duration = Duration::from_secs(900);

/// Whether the model may be called, and what is known about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    paused_until: Option<(DateTime<Utc>, Pause)>,
}

/// Why the model is not called for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It failed several times in a row.
    Failing,
    /// The key is refused.
    Unauthorized,
    /// The balance is used up.
    NoBalance,
}

impl Pause {
    /// The code in `fallback_reason`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failing => "breaker_open",
            Self::Unauthorized => "unauthorized",
            Self::NoBalance => "no_balance",
        }
    }

    /// For the status, as a person says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Failing => "the model failed several times in a row",
            Self::Unauthorized => "the model's key is refused",
            Self::NoBalance => "the model's balance is used up",
        }
    }
}

/// A change worth telling, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The model is not called any more.
    Paused(Pause),
    /// The model answered again.
    Resumed,
}

impl Breaker {
    /// `None` when the model may be called now, otherwise why not.
    pub fn check(&self, now: DateTime<Utc>) -> Option<Pause> {
        self.paused_until
            .filter(|(until, _)| now < *until)
            .map(|(_, pause)| pause)
    }

    /// Why the model is paused, whether or not the next call is a probe.
    pub fn pause(&self) -> Option<Pause> {
        self.paused_until.map(|(_, pause)| pause)
    }

    /// The model answered, usable or not.
    pub fn on_answer(&mut self) -> Option<Change> {
        let was_paused = self.paused_until.is_some();
        *self = Self::default();
        was_paused.then_some(Change::Resumed)
    }

    /// A call failed.
    pub fn on_failure(&mut self, error: &LlmError, now: DateTime<Utc>) -> Option<Change> {
        let before = self.pause();
        self.failures = self.failures.saturating_add(1);
        let (pause, length) = match error {
            LlmError::Status {
                status: 401 | 403, ..
            } => (Pause::Unauthorized, KEY_PAUSE),
            LlmError::Status { status: 402, .. } => (Pause::NoBalance, BALANCE_PAUSE),
            _ if self.failures < THRESHOLD && before.is_none() => return None,
            _ => {
                let doublings = self.failures.saturating_sub(THRESHOLD).min(8);
                let length = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
                (Pause::Failing, length)
            }
        };
        let length = TimeDelta::from_std(length).unwrap_or_default();
        self.paused_until = Some((now + length, pause));
        (before != Some(pause)).then_some(Change::Paused(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn status(status: u16) -> LlmError {
        LlmError::Status {
            status,
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_closes_it() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.on_failure(&status(503), at(0)), None);
        assert_eq!(breaker.on_failure(&status(503), at(60)), None);
        assert_eq!(breaker.check(at(61)), None);
        let opened = breaker.on_failure(&status(503), at(120));
        assert_eq!(opened, Some(Change::Paused(Pause::Failing)));
        assert_eq!(breaker.check(at(239)), Some(Pause::Failing));
        // The probe at 240 fails: twice as long, and not told again.
        assert_eq!(breaker.check(at(240)), None);
        assert_eq!(breaker.on_failure(&status(503), at(240)), None);
        assert_eq!(breaker.check(at(479)), Some(Pause::Failing));
        assert_eq!(breaker.on_answer(), Some(Change::Resumed));
        assert_eq!(breaker.check(at(480)), None);
        assert_eq!(breaker.on_answer(), None);
    }

    #[test]
    fn a_bad_key_and_an_empty_balance_stop_the_calls_at_once_and_are_told_once() {
        let mut breaker = Breaker::default();
        let paused = breaker.on_failure(&status(401), at(0));
        assert_eq!(paused, Some(Change::Paused(Pause::Unauthorized)));
        assert_eq!(breaker.check(at(299)), Some(Pause::Unauthorized));
        assert_eq!(breaker.check(at(300)), None);
        assert_eq!(breaker.on_failure(&status(401), at(300)), None);
        let paused = breaker.on_failure(&status(402), at(600));
        assert_eq!(paused, Some(Change::Paused(Pause::NoBalance)));
        assert_eq!(breaker.check(at(1499)), Some(Pause::NoBalance));
    }

    proptest! {
        #[test]
        fn it_never_stays_open_for_more_than_a_quarter_of_an_hour(
            statuses in prop::collection::vec(prop::sample::select(vec![401_u16, 402, 429, 500]), 1..50),
        ) {
            let mut breaker = Breaker::default();
            for (minute, code) in (0..).zip(statuses) {
                let now = at(minute * 60);
                let _change = breaker.on_failure(&status(code), now);
                prop_assert_eq!(breaker.check(now + TimeDelta::seconds(900)), None);
            }
        }
    }
}

//! How long there has been no advice, why, and when that is worth a word. Pure.
//!
//! `cycle` tells it of every line. What must stay true: a program that never advises does not look well for long,
//! whatever the reason.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use strategy_core::degraded::Reason;
use strategy_core::model::advice::AbstainReason;
use strategy_core::model::report::DataHonesty;

/// So long there may be no advice before it is said: a collector that has just started needs a moment.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

/// The least number of cycles in a row without advice before it is said.
const CYCLES: i32 = 2;

/// The time without advice.
#[derive(Debug)]
pub struct Silence {
    since: DateTime<Utc>,
    limit: TimeDelta,
}

impl Silence {
    /// Begins with the program, which runs a cycle every `interval`.
    pub fn new(now: DateTime<Utc>, interval: Duration) -> Self {
        let interval = TimeDelta::from_std(interval).unwrap_or(PATIENCE);
        Self {
            since: now,
            limit: PATIENCE.max(interval * CYCLES),
        }
    }

    /// There was advice, or another analyzer gave it until now.
    pub fn end(&mut self, now: DateTime<Utc>) {
        self.since = now;
    }

    /// What is wrong by now, if the last line had no advice for this reason. A clock that was set back begins
    /// it anew.
    pub fn trouble(&mut self, why: &str, now: DateTime<Utc>) -> Option<Reason> {
        self.since = self.since.min(now);
        let lasted = now - self.since;
        (lasted >= self.limit).then(|| {
            let minutes = lasted.num_minutes();
            Reason::new(format!("no advice for {minutes} min: {why}"), self.since)
        })
    }
}

/// Why a line has no advice, for a person; none where something else says so at once.
pub fn why(reason: AbstainReason, data: &DataHonesty) -> Option<String> {
    match reason {
        AbstainReason::IncompleteData => Some(lack(data)),
        AbstainReason::ModelRefused => Some("the model refuses to answer".to_owned()),
        AbstainReason::InvalidAnswer => Some("the model's answers fail a check".to_owned()),
        AbstainReason::StaleData | AbstainReason::ModelUnavailable | AbstainReason::Budget => None,
    }
}

/// What is missing.
fn lack(data: &DataHonesty) -> String {
    let book = if data.book_missing {
        Some("there is no order book".to_owned())
    } else {
        data.book_one_sided
            .then(|| "a side of the order book is empty".to_owned())
    };
    let (complete, damaged) = (data.flow_complete_minutes, data.flow_damaged_minutes);
    let minutes = if data.minutes_used == 0 {
        "there are no minutes of trades".to_owned()
    } else if damaged > 0 {
        format!("{complete} minutes of trades are complete, {damaged} are missing or incomplete")
    } else {
        format!("{complete} minutes of trades are complete so far")
    };
    book.into_iter()
        .chain([minutes])
        .collect::<Vec<String>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-22T{text}Z").parse().unwrap()
    }

    fn text(silence: &mut Silence, now: &str) -> Option<String> {
        let now = at(now);
        silence.trouble("x", now).map(|reason| reason.text(now))
    }

    #[test]
    fn no_advice_is_said_after_five_minutes_and_ends_with_the_next() {
        let mut silence = Silence::new(at("07:00:00"), MINUTE);
        assert_eq!(text(&mut silence, "07:04:59"), None);
        assert_eq!(
            text(&mut silence, "07:05:00").unwrap(),
            "no advice for 5 min: x since 07:00 UTC"
        );
        assert_eq!(
            text(&mut silence, "07:12:30").unwrap(),
            "no advice for 12 min: x since 07:00 UTC"
        );
        silence.end(at("07:13:00"));
        assert_eq!(text(&mut silence, "07:17:00"), None);
        assert!(text(&mut silence, "07:18:00").unwrap().ends_with("07:13 UTC"));
    }

    #[test]
    fn one_cycle_without_advice_is_not_lasting_however_rare_cycles_are() {
        let mut silence = Silence::new(at("07:00:00"), MINUTE * 15);
        assert_eq!(text(&mut silence, "07:15:00"), None);
        assert!(text(&mut silence, "07:30:00").is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_hides_nothing_for_long() {
        let mut silence = Silence::new(at("23:00:00"), MINUTE);
        assert_eq!(text(&mut silence, "07:00:00"), None);
        assert!(text(&mut silence, "07:05:00").is_some());
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = DataHonesty {
            book_missing: true,
            ..DataHonesty::default()
        };
        let said = |data: &DataHonesty| why(AbstainReason::IncompleteData, data).unwrap();
        assert_eq!(
            said(&empty),
            "there is no order book; there are no minutes of trades"
        );
        let one_sided = DataHonesty {
            book_one_sided: true,
            minutes_used: 60,
            flow_complete_minutes: 40,
            flow_damaged_minutes: 20,
            ..DataHonesty::default()
        };
        assert_eq!(
            said(&one_sided),
            "a side of the order book is empty; 40 minutes of trades are complete, 20 are missing or incomplete"
        );
        let young = DataHonesty {
            minutes_used: 9,
            flow_complete_minutes: 9,
            ..DataHonesty::default()
        };
        assert_eq!(said(&young), "9 minutes of trades are complete so far");
        assert_eq!(why(AbstainReason::StaleData, &empty), None);
        assert!(why(AbstainReason::InvalidAnswer, &empty).is_some());
    }
}

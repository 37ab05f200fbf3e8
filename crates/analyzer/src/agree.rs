//! What the recommendation log has and Redis has not, and the other way round, after a restart. Pure.
//!
//! Lines that waited for a disk or for a Redis that was away are in memory only; when the program ends they
//! are in one of the two places. Lines are told apart by their text, their order by their time.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use strategy_core::symbol::Symbol;
use strategy_core::time::rfc3339;

/// Lines to be added, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// To the log.
    pub in_log: Vec<String>,
    /// To Redis.
    pub in_redis: Vec<String>,
}

impl Missing {
    /// Leaves out what has come into the log since it was looked at: another program writes to it too.
    pub fn leave_out(&mut self, log: &[String]) {
        self.in_log.retain(|line| !log.contains(line));
    }
}

/// What each lacks of the end of the other; both are oldest first, the log may be a part of it.
///
/// Only what is newer than the newest line there is added: an older one that is missing was dropped or
/// rotated away on purpose. A log without a line lacks nothing, for it may have been moved away; a Redis
/// without a line lacks everything.
pub fn missing(log: &[String], redis: &[String], symbol: &Symbol) -> Missing {
    let newest = |lines: &[String]| lines.iter().filter_map(|line| time_of(line, symbol)).max();
    let newer = |lines: &[String], than: Option<DateTime<Utc>>| {
        let is_newer =
            |line: &&String| time_of(line, symbol).is_some_and(|time| than.is_none_or(|than| time > than));
        lines.iter().filter(is_newer).cloned().collect()
    };
    let (in_log, in_redis) = (newest(log), newest(redis));
    Missing {
        in_log: if in_log.is_some() {
            newer(redis, in_log)
        } else {
            Vec::new()
        },
        in_redis: newer(log, in_redis),
    }
}

/// The time of a line of this market; `None` for anything else.
fn time_of(line: &str, symbol: &Symbol) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(with = "rfc3339")]
        timestamp: DateTime<Utc>,
        symbol: Symbol,
    }
    let read: Line = serde_json::from_str(line).ok()?;
    (read.symbol == *symbol).then_some(read.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(minutes: &[u32]) -> Vec<String> {
        let line = |minute: &u32| {
            format!(r#"{{"timestamp":"2026-11-20T12:{minute:02}:00+00:00","symbol":"BTCFDUSD"}}"#)
        };
        minutes.iter().map(line).collect()
    }

    fn found(log: &[u32], redis: &[u32]) -> (Vec<String>, Vec<String>) {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let missing = missing(&lines(log), &lines(redis), &symbol);
        (missing.in_log, missing.in_redis)
    }

    #[test]
    fn each_gets_the_newer_lines_of_the_other() {
        assert_eq!(found(&[1, 2], &[1, 2]), (Vec::new(), Vec::new()));
        assert_eq!(found(&[1, 2], &[1, 2, 3, 4]), (lines(&[3, 4]), Vec::new()));
        assert_eq!(found(&[1, 2, 3], &[1]), (Vec::new(), lines(&[2, 3])));
        assert_eq!(found(&[1, 2], &[]), (Vec::new(), lines(&[1, 2])));
    }

    #[test]
    fn a_log_that_was_moved_away_is_not_filled_again() {
        assert_eq!(found(&[], &[1, 2]), (Vec::new(), Vec::new()));
        assert_eq!(found(&[3], &[1, 2, 3]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_line_that_came_into_the_log_meanwhile_is_not_added_again() {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let mut missing = missing(&lines(&[1, 2]), &lines(&[1, 2, 3, 4]), &symbol);
        missing.leave_out(&lines(&[1, 2, 3]));
        assert_eq!(missing.in_log, lines(&[4]));
    }

    #[test]
    fn what_is_no_line_of_this_market_is_left_alone() {
        let symbol = Symbol::new("ETHFDUSD").unwrap();
        let all = missing(&lines(&[1]), &lines(&[2]), &symbol);
        assert_eq!(all, Missing::default());
        let torn = vec!["{\"torn".to_owned()];
        assert_eq!(missing(&torn, &torn, &symbol), Missing::default());
    }
}

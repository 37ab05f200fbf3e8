//! What is known of every minute before its rows are generated: how many, which ids, which prices.
//!
//! The table starts at the first minute of a calendar month and grows forward on demand, about thirty
//! bytes a minute. Two tapes of one seed whose history begins in the same month are therefore the same.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use strategy_core::time::Minute;

use super::TapeConfig;
use crate::rng::{Purpose, mix, normal, round, unit};

const SLOW: Purpose = 1;
const FAST: Purpose = 2;
const NEWS: Purpose = 3;
const QUIET: Purpose = 4;
const COUNT: Purpose = 5;
const STEP: Purpose = 6;
const TAIL: Purpose = 7;
const RAW: Purpose = 8;

/// Minutes over which the slow part of the activity changes.
const SLOW_MINUTES: i64 = 20;
/// Length of a quiet stretch.
const QUIET_MINUTES: i64 = 6;
/// Deviation of the price over one minute of median activity, in cents.
const STEP_CENTS: f64 = 1750.0;
/// First raw trade id of a tape.
const FIRST_RAW: i64 = 1_722_548_214;

/// One minute, before its rows exist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MinutePlan {
    /// First aggregate id.
    pub(super) first_id: u64,
    /// Aggregate ids the minute uses up, its burst included.
    pub(super) ids: u32,
    /// How many of them are an added burst.
    pub(super) burst: u32,
    /// First raw trade id.
    pub(super) first_raw: i64,
    /// Raw trade ids the minute uses up, at least one per aggregate id.
    pub(super) raw: u32,
    /// Middle of the spread at the start, in cents.
    pub(super) open: i64,
    /// Middle of the spread at the end, in cents.
    pub(super) close: i64,
    /// Trades relative to the median minute.
    pub(super) activity: f64,
}

/// The table of minutes.
#[derive(Debug)]
pub(super) struct Plan {
    seed: u64,
    rate: f64,
    quiet_share: f64,
    base_price: i64,
    origin: Minute,
    minutes: Vec<MinutePlan>,
    bursts: BTreeMap<i64, u32>,
    first_id: u64,
}

impl Plan {
    pub(super) fn new(config: &TapeConfig) -> Self {
        Self {
            seed: config.seed,
            rate: config.rate.max(0.0),
            quiet_share: config.quiet_share,
            base_price: config.base_price_cents,
            origin: month_of(config.start.offset(-i64::from(config.history_minutes))),
            minutes: Vec::new(),
            bursts: config
                .bursts
                .iter()
                .map(|burst| (burst.minute.number(), burst.rows))
                .collect(),
            first_id: config.first_id,
        }
    }

    /// The plan of a minute; none before the origin.
    pub(super) fn at(&mut self, minute: Minute) -> Option<MinutePlan> {
        let index = usize::try_from(minute.since(self.origin)).ok()?;
        while self.minutes.len() <= index {
            let next = self.next_minute();
            self.minutes.push(next);
        }
        self.minutes.get(index).copied()
    }

    /// The minute that has an id, looking no further than `last`.
    pub(super) fn minute_of_id(&mut self, id: u64, last: Minute) -> Option<Minute> {
        let _plan = self.at(last)?;
        let known = usize::try_from(last.since(self.origin)).ok()?;
        let minutes = self.minutes.get(..=known)?;
        let index = minutes.partition_point(|plan| plan.first_id + u64::from(plan.ids) <= id);
        let number = i64::try_from(index).ok()?;
        (index < minutes.len()).then(|| self.origin.offset(number))
    }

    /// Adds rows to a minute beyond the table; false if the minute is in it already.
    pub(super) fn add_burst(&mut self, minute: Minute, rows: u32) -> bool {
        let open = usize::try_from(minute.since(self.origin)).is_ok_and(|index| index >= self.minutes.len());
        if open {
            *self.bursts.entry(minute.number()).or_default() += rows;
        }
        open
    }

    fn next_minute(&self) -> MinutePlan {
        let number = self.origin.number() + i64::try_from(self.minutes.len()).unwrap_or(i64::MAX);
        let (first_id, first_raw, open) =
            self.minutes
                .last()
                .map_or((self.first_id, FIRST_RAW, self.base_price), |last| {
                    (
                        last.first_id + u64::from(last.ids),
                        last.first_raw + i64::from(last.raw),
                        last.close,
                    )
                });
        let activity = self.activity(number);
        let burst = self.bursts.get(&number).copied().unwrap_or(0);
        let ids = self.count(number, activity).saturating_add(burst);
        let raw_share = 0.2 + 0.4 * unit(mix(self.seed, RAW, number));
        let raw = ids + u32::try_from(round(f64::from(ids) * raw_share)).unwrap_or(0);
        let close = open + self.step(number, activity, open);
        MinutePlan {
            first_id,
            ids,
            burst,
            first_raw,
            raw,
            open,
            close,
            activity,
        }
    }

    /// Trades relative to the median minute: log-normal, slowly changing, with news and quiet stretches.
    fn activity(&self, number: i64) -> f64 {
        let cell = number.div_euclid(SLOW_MINUTES);
        let part = number.rem_euclid(SLOW_MINUTES) as f64 / SLOW_MINUTES as f64;
        let slow =
            normal(mix(self.seed, SLOW, cell)) * (1.0 - part) + normal(mix(self.seed, SLOW, cell + 1)) * part;
        let mut activity = (0.42 * slow + 0.38 * normal(mix(self.seed, FAST, number))).exp();
        if unit(mix(self.seed, NEWS, number)) < 0.003 {
            activity *= 4.0;
        }
        if unit(mix(self.seed, QUIET, number.div_euclid(QUIET_MINUTES))) < self.quiet_share {
            activity *= 0.002;
        }
        activity
    }

    fn count(&self, number: i64, activity: f64) -> u32 {
        let expected = self.rate * activity;
        let hash = mix(self.seed, COUNT, number);
        let count = if expected > 30.0 {
            round(expected + expected.sqrt() * normal(hash)).max(0)
        } else {
            poisson(expected, unit(hash))
        };
        u32::try_from(count).unwrap_or(u32::MAX / 4)
    }

    /// Change of the price over the minute, in cents, with a weak pull back to the base price.
    fn step(&self, number: i64, activity: f64, open: i64) -> i64 {
        let deviation = STEP_CENTS
            * activity.clamp(0.05, 4.0).sqrt()
            * (0.3 * normal(mix(self.seed, TAIL, number))).exp();
        round(deviation * normal(mix(self.seed, STEP, number))) - (open - self.base_price) / 20_000
    }
}

/// How many events of a Poisson process, from one uniform number.
fn poisson(expected: f64, uniform: f64) -> i64 {
    let mut probability = (-expected).exp();
    let mut cumulative = probability;
    let mut count = 0_u32;
    while cumulative < uniform && count < 1000 {
        count += 1;
        probability *= expected / f64::from(count);
        cumulative += probability;
    }
    i64::from(count)
}

/// First minute of the calendar month of a minute.
fn month_of(minute: Minute) -> Minute {
    let day = minute.start().date_naive();
    NaiveDate::from_ymd_opt(day.year(), day.month(), 1)
        .and_then(|first| first.and_hms_opt(0, 0, 0))
        .and_then(|first| Minute::of(first.and_utc()).ok())
        .unwrap_or(minute)
}

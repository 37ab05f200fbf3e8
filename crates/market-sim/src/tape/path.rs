//! The path of the price inside a minute, shared by trades and book.

use strategy_core::time::{ExchangeMs, MINUTE_MS, Minute};

use super::plan::MinutePlan;
use crate::rng::{Purpose, below, mix, normal, round};

const PATH: Purpose = 20;
const SPREAD: Purpose = 21;

/// Times per minute at which the quotes may change.
const KNOTS: usize = 64;
/// Deviation of the price over one minute of median activity, in cents.
const DEVIATION_CENTS: f64 = 1750.0;

/// Best bid and best ask, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quotes {
    pub(crate) bid: i64,
    pub(crate) ask: i64,
}

/// The middle of the spread at each of the knots of a minute, in cents: a Brownian bridge from the price at
/// its start to the price at its end.
#[derive(Debug, Clone)]
pub(super) struct Path {
    seed: u64,
    minute: Minute,
    middles: [i64; KNOTS + 1],
}

impl Path {
    pub(super) fn new(seed: u64, minute: Minute, plan: &MinutePlan) -> Self {
        let mut middles = [plan.open; KNOTS + 1];
        middles[KNOTS] = plan.close;
        let mut deviation = DEVIATION_CENTS * plan.activity.clamp(0.05, 4.0).sqrt() / 2.0;
        let mut width = KNOTS;
        while width > 1 {
            for left in (0..KNOTS).step_by(width) {
                let index = minute.number() * 128 + i64::try_from(left + width / 2).unwrap_or(0);
                let middle = i64::midpoint(middles[left], middles[left + width]);
                middles[left + width / 2] = middle + round(deviation * normal(mix(seed, PATH, index)));
            }
            width /= 2;
            deviation *= std::f64::consts::FRAC_1_SQRT_2;
        }
        Self {
            seed,
            minute,
            middles,
        }
    }

    /// The quotes at an instant of the minute. The spread is two to four dollars.
    pub(super) fn quotes(&self, at: ExchangeMs) -> Quotes {
        let within = (at - self.minute.start_ms()).clamp(0, MINUTE_MS - 1);
        let knot = within * 64 / MINUTE_MS;
        let middle = self.middles[usize::try_from(knot).unwrap_or(0)].max(1000);
        let hash = mix(self.seed, SPREAD, self.minute.number() * 64 + knot);
        let half = 100 + i64::try_from(below(hash, 101)).unwrap_or(0);
        Quotes {
            bid: middle - half,
            ask: middle + half,
        }
    }
}

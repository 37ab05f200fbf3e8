//! What the model costs, and whether there is money left today. Pure: the time is passed in.

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc, Weekday};
use strategy_core::config::ModelPrices;

use super::wire::Usage;

/// Hours of the day (UTC, the end excluded) in which the vendor charges more, Monday to Friday.
///
/// Chinese public holidays are off-peak; counting them as peak errs on the side of a lower bill.
/// Source: the vendor's price page, as of 2026-11-15.
const PEAK_HOURS: [(u32, u32); 2] = [(1, 4), (6, 10)];

/// Money of one day, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledger {
    day: NaiveDate,
    spent_usd: f64,
}

impl Ledger {
    /// Nothing spent yet on the day of `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            day: now.date_naive(),
            spent_usd: 0.0,
        }
    }

    /// Counts money spent at `at`. A new day starts at zero; money of an earlier day is not counted.
    pub fn add(&mut self, at: DateTime<Utc>, usd: f64) {
        let day = at.date_naive();
        if day > self.day {
            *self = Self::new(at);
        }
        if day == self.day && usd.is_finite() && usd > 0.0 {
            self.spent_usd += usd;
        }
    }

    /// Money spent on the day of `now`.
    pub fn spent(&self, now: DateTime<Utc>) -> f64 {
        if now.date_naive() == self.day {
            self.spent_usd
        } else {
            0.0
        }
    }
}

/// What these tokens cost at this time, in US dollars.
pub fn cost_usd(usage: Usage, prices: &ModelPrices, at: DateTime<Utc>) -> f64 {
    let million = |tokens: u64, usd: f64| tokens as f64 * usd / 1e6;
    let off_peak = million(usage.cached_tokens, prices.cached_input_usd)
        + million(usage.input_tokens, prices.input_usd)
        + million(usage.output_tokens, prices.output_usd);
    if is_peak(at) {
        off_peak * prices.peak_factor
    } else {
        off_peak
    }
}

fn is_peak(at: DateTime<Utc>) -> bool {
    let weekend = matches!(at.weekday(), Weekday::Sat | Weekday::Sun);
    !weekend
        && PEAK_HOURS
            .iter()
            .any(|(from, to)| (*from..*to).contains(&at.hour()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: ModelPrices = ModelPrices {
        cached_input_usd: 0.003,
        input_usd: 0.15,
        output_usd: 0.6,
        peak_factor: 2.0,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn tokens_cost_their_price_and_twice_as_much_at_peak() {
        let usage = Usage {
            cached_tokens: 1_000_000,
            input_tokens: 1_000_000,
            output_tokens: 1_000_000,
        };
        // 2026-11-20 is a Friday, the 21st a Saturday.
        for (time, expected) in [
            ("2026-11-20T00:59:59Z", 0.753),
            ("2026-11-20T01:00:00Z", 1.506),
            ("2026-11-20T04:00:00Z", 0.753),
            ("2026-11-20T09:59:59Z", 1.506),
            ("2026-11-21T02:00:00Z", 0.753),
        ] {
            assert!(
                (cost_usd(usage, &PRICES, at(time)) - expected).abs() < 1e-9,
                "{time}"
            );
        }
    }

    #[test]
    fn the_ledger_starts_anew_each_utc_day() {
        let mut ledger = Ledger::new(at("2026-11-20T10:00:00Z"));
        ledger.add(at("2026-11-20T10:00:00Z"), 1.0);
        ledger.add(at("2026-11-20T11:00:00Z"), 0.5);
        ledger.add(at("2026-11-19T11:00:00Z"), 9.0);
        ledger.add(at("2026-11-20T12:00:00Z"), f64::NAN);
        assert!((ledger.spent(at("2026-11-20T23:59:59Z")) - 1.5).abs() < 1e-9);
        assert!(ledger.spent(at("2026-11-21T00:00:00Z")).abs() < 1e-9);
        ledger.add(at("2026-11-21T00:01:00Z"), 0.25);
        assert!((ledger.spent(at("2026-11-21T00:02:00Z")) - 0.25).abs() < 1e-9);
    }
}

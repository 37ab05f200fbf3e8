//! What the model costs. Pure: the time is passed in.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc, Weekday};
use rust_decimal::{Decimal, dec};
use strategy_core::config::ModelPrices;
use strategy_core::store::Spending;

use super::wire::Usage;

/// Longest time after which the vendor may begin with a request it has taken.
const LATEST_START: TimeDelta = TimeDelta::minutes(10);

/// Tokens that prices are given for.
const MILLION: Decimal = dec!(1_000_000);

/// What a request with a stated usage cost; the dearer price where it began or ended in peak hours.
pub fn stated(usage: Usage, prices: &ModelPrices, sent: DateTime<Utc>, answered: DateTime<Utc>) -> Spending {
    Spending {
        requests: 1,
        cached_tokens: usage.cached_tokens,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_usd: cost_usd(usage, prices, is_peak(sent, prices) || is_peak(answered, prices)),
        ..Spending::default()
    }
}

/// The most a request can cost whose usage is not stated: every byte of it a token that was not in the
/// cache, the longest answer allowed, and the dearer price if it may fall into peak hours.
pub fn most(request_bytes: u64, max_tokens: u32, prices: &ModelPrices, sent: DateTime<Utc>) -> Spending {
    let usage = Usage {
        cached_tokens: 0,
        input_tokens: request_bytes,
        output_tokens: u64::from(max_tokens),
    };
    let usage = if prices.cached_input_usd > prices.input_usd {
        Usage {
            cached_tokens: request_bytes,
            input_tokens: 0,
            ..usage
        }
    } else {
        usage
    };
    let usd = cost_usd(
        usage,
        prices,
        is_peak(sent, prices) || is_peak(sent + LATEST_START, prices),
    );
    Spending {
        requests: 1,
        cost_usd: usd,
        estimated_requests: 1,
        estimated_usd: usd,
        ..Spending::default()
    }
}

fn cost_usd(usage: Usage, prices: &ModelPrices, peak: bool) -> Decimal {
    let million = |tokens: u64, usd: Decimal| Decimal::from(tokens) * usd / MILLION;
    let off_peak = million(usage.cached_tokens, prices.cached_input_usd)
        + million(usage.input_tokens, prices.input_usd)
        + million(usage.output_tokens, prices.output_usd);
    if peak {
        off_peak * prices.peak_factor
    } else {
        off_peak
    }
}

/// Chinese public holidays are off-peak with the vendor; counting them as peak errs on the side of a lower
/// bill.
fn is_peak(at: DateTime<Utc>, prices: &ModelPrices) -> bool {
    let weekend = matches!(at.weekday(), Weekday::Sat | Weekday::Sun);
    !weekend && prices.peak_hours.contains(at.hour())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strategy_core::config::PeakHours;

    fn prices() -> ModelPrices {
        ModelPrices {
            cached_input_usd: dec!(0.003),
            input_usd: dec!(0.15),
            output_usd: dec!(0.6),
            peak_factor: Decimal::TWO,
            peak_hours: PeakHours::parse("01-04, 06-10").unwrap(),
        }
    }

    const MANY: Usage = Usage {
        cached_tokens: 1_000_000,
        input_tokens: 1_000_000,
        output_tokens: 1_000_000,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn tokens_cost_their_price_and_twice_as_much_at_peak() {
        // 2026-11-20 is a Friday, the 21st a Saturday.
        for (sent, answered, expected) in [
            ("2026-11-20T00:58:00Z", "2026-11-20T00:59:59Z", dec!(0.753)),
            ("2026-11-20T00:59:59Z", "2026-11-20T01:00:00Z", dec!(1.506)),
            ("2026-11-20T03:59:59Z", "2026-11-20T04:00:00Z", dec!(1.506)),
            ("2026-11-20T04:00:00Z", "2026-11-20T04:00:09Z", dec!(0.753)),
            ("2026-11-20T09:59:59Z", "2026-11-20T09:59:59Z", dec!(1.506)),
            ("2026-11-21T02:00:00Z", "2026-11-21T02:00:01Z", dec!(0.753)),
        ] {
            let spending = stated(MANY, &prices(), at(sent), at(answered));
            assert_eq!(spending.cost_usd, expected, "{sent}");
            assert_eq!((spending.requests, spending.estimated_usd), (1, Decimal::ZERO));
        }
    }

    #[test]
    fn a_few_tokens_cost_what_they_cost_to_the_last_digit() {
        let usage = Usage {
            cached_tokens: 768,
            input_tokens: 132,
            output_tokens: 61,
        };
        let now = at("2026-11-21T12:00:00Z");
        assert_eq!(stated(usage, &prices(), now, now).cost_usd, dec!(0.000058704));
    }

    #[test]
    fn an_estimate_is_never_below_what_the_request_can_cost() {
        let quiet = at("2026-11-21T12:00:00Z");
        // 10,000 bytes at 0.15 and 4,000 tokens at 0.6 a million.
        let estimate = most(10_000, 4000, &prices(), quiet);
        assert_eq!(estimate.cost_usd, dec!(0.0039));
        assert_eq!(
            (estimate.estimated_requests, estimate.estimated_usd),
            (1, dec!(0.0039))
        );
        // Sent before the peak, begun in it.
        assert_eq!(
            most(10_000, 4000, &prices(), at("2026-11-20T00:55:00Z")).cost_usd,
            dec!(0.0078)
        );
        let odd = ModelPrices {
            cached_input_usd: dec!(0.3),
            ..prices()
        };
        assert_eq!(most(10_000, 4000, &odd, quiet).cost_usd, dec!(0.0054));
    }
}

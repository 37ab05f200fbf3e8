//! The Beta posterior of a probability after counted successes and failures, from a flat prior.

use crate::analysis::units::round;

/// Tests counted at most, so that the sums stay short; older ones than that change the fourth decimal.
const MOST_TESTS: u32 = 2000;
/// Halvings of the interval that contains a quantile, at most.
const HALVINGS: u32 = 50;
/// Decimals of what is published; an interval that lies within one rounding is not halved further, which saves two
/// thirds of the work of levels with many tests.
const DECIMALS: i32 = 4;

/// Mean and central 80 % interval of a probability, to four decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Posterior {
    /// Mean, 0..1.
    pub(crate) mean: f64,
    /// 10 % quantile, 0..1.
    pub(crate) low: f64,
    /// 90 % quantile, 0..1.
    pub(crate) high: f64,
}

/// The Beta(1 + successes, 1 + failures) distribution.
pub(crate) fn posterior(successes: u32, failures: u32) -> Posterior {
    let (successes, failures) = (successes.min(MOST_TESTS), failures.min(MOST_TESTS));
    Posterior {
        mean: round(
            f64::from(successes + 1) / f64::from(successes + failures + 2),
            DECIMALS,
        ),
        low: quantile(successes, failures, 0.1),
        high: quantile(successes, failures, 0.9),
    }
}

fn quantile(successes: u32, failures: u32, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        if round(low, DECIMALS).total_cmp(&round(high, DECIMALS)).is_eq() {
            break;
        }
        let middle = f64::midpoint(low, high);
        if cumulative(successes, failures, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    round(f64::midpoint(low, high), DECIMALS)
}

/// The regularized incomplete beta function at whole parameters, where it is a binomial tail:
/// `I_x(s + 1, f + 1) = P(Bin(s + f + 1, x) > s)`. Only the four basic operations are used, so that the
/// result is the same on every machine.
fn cumulative(successes: u32, failures: u32, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let trials = successes + failures + 1;
    let odds = x / (1.0 - x);
    // Terms relative to that of `successes`, which therefore cannot underflow where it matters.
    let mut below = 1.0;
    let mut term = 1.0;
    for count in (1..=successes).rev() {
        term *= f64::from(count) / (f64::from(trials - count + 1) * odds);
        below += term;
        if term < below * 1e-18 {
            break;
        }
    }
    let mut above = 0.0;
    term = 1.0;
    for count in successes..trials {
        term *= f64::from(trials - count) * odds / f64::from(count + 1);
        above += term;
        if term < above * 1e-18 {
            break;
        }
    }
    // A sum beyond the doubles means that practically all of the weight lies there.
    if above.is_infinite() {
        return 1.0;
    }
    if below.is_infinite() {
        0.0
    } else {
        above / (above + below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(successes: u32, failures: u32) -> (f64, f64, f64) {
        let found = posterior(successes, failures);
        (found.mean, found.low, found.high)
    }

    #[test]
    fn quantiles_agree_with_closed_forms() {
        // Flat.
        assert_eq!(rounded(0, 0), (0.5, 0.1, 0.9));
        // Beta(2, 1): the distribution function is x².
        assert_eq!(rounded(1, 0), (0.6667, 0.3162, 0.9487));
        // Beta(1, 4): 1 - (1 - x)⁴.
        assert_eq!(rounded(0, 3), (0.2, 0.026, 0.4377));
    }

    #[test]
    fn halving_ends_early_where_it_changes_nothing() {
        for (successes, failures) in (0..40).flat_map(|one| (0..40).map(move |other| (one, other))) {
            for probability in [0.1, 0.9] {
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..HALVINGS {
                    let middle = f64::midpoint(low, high);
                    let is_below = cumulative(successes, failures, middle) < probability;
                    (low, high) = if is_below { (middle, high) } else { (low, middle) };
                }
                let found = quantile(successes, failures, probability);
                let expected = round(f64::midpoint(low, high), DECIMALS);
                assert!(found.total_cmp(&expected).is_eq(), "{successes} {failures}");
            }
        }
    }

    #[test]
    fn many_tests_narrow_the_interval_and_nothing_overflows() {
        let found = posterior(1500, 500);
        assert!(found.low > 0.73 && found.high < 0.77 && found.low < found.mean && found.mean < found.high);
        let extreme = posterior(u32::MAX, 0);
        assert!(extreme.low > 0.99 && extreme.high <= 1.0);
        assert!(posterior(0, u32::MAX).high < 0.01);
    }
}

//! The Beta posterior of a probability after counted successes and failures, from a flat prior.

use crate::analysis::units::round;

/// Tests counted at most, so that the sums stay short; older ones than that change the fourth decimal.
const MOST_TESTS: u32 = 2000;
/// Decimals of what is published.
const DECIMALS: i32 = 4;
/// So many parts are a whole.
const PARTS: f64 = 10_000.0;
/// Estimates before the search halves what is left.
const ESTIMATES: u32 = 4;
/// Distance of the outer tenths of a normal distribution from its middle, in standard deviations, and its density there.
const NORMAL_TENTH: (f64, f64) = (1.2816, 0.1755);

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

/// The number of four decimals next to where the distribution function reaches `probability`, one or nine tenths.
///
/// The ends of what rounds to the same number are searched, from where a normal distribution would have the quantile, and
/// on by its slope: four sums instead of fifteen where there are many tests and sums are long.
fn quantile(successes: u32, failures: u32, probability: f64) -> f64 {
    let count = f64::from(successes + failures + 2);
    let mean = f64::from(successes + 1) / count;
    let deviation = (mean * (1.0 - mean) / (count + 1.0)).sqrt();
    let sign = if probability < 0.5 { -1.0 } else { 1.0 };
    let mut estimate = (mean + sign * NORMAL_TENTH.0 * deviation) * PARTS;
    // In parts: the quantile rounds to at least `low` and to less than `high`.
    let (mut low, mut high, mut estimates) = (0.0, PARTS + 1.0, 0);
    while high - low > 1.0 {
        let probe = if estimates < ESTIMATES {
            estimate.round().clamp(low + 1.0, high - 1.0)
        } else {
            f64::midpoint(low, high).floor()
        };
        estimates += 1;
        let reached = cumulative(successes, failures, (probe - 0.5) / PARTS);
        if reached < probability {
            low = probe;
        } else {
            high = probe;
        }
        estimate = probe + (probability - reached) * deviation / NORMAL_TENTH.1 * PARTS;
    }
    low / PARTS
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
    fn quantiles_are_what_halving_the_whole_interval_finds() {
        let counts = (0..40).chain([45, 100, 333, 1000, MOST_TESTS]);
        for (successes, failures) in counts
            .clone()
            .flat_map(|one| counts.clone().map(move |other| (one, other)))
        {
            for probability in [0.1, 0.9] {
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..50 {
                    let middle = f64::midpoint(low, high);
                    let is_below = cumulative(successes, failures, middle) < probability;
                    (low, high) = if is_below { (middle, high) } else { (low, middle) };
                }
                let found = quantile(successes, failures, probability);
                let expected = round(f64::midpoint(low, high), DECIMALS);
                assert!(
                    found.total_cmp(&expected).is_eq(),
                    "{successes} {failures}: {found} {expected}"
                );
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

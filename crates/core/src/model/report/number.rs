//! Exact amounts as they are published.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::num::{SIGNIFICANT_DIGITS, to_f64};

/// An exact decimal that can always be stored: at most 15 significant digits, no trailing zeros.
///
/// Sums of more digits than that are rounded half to even when they become a `Number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Number(Decimal);

impl Number {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Keeps a decimal, rounded to 15 significant digits where it has more.
    pub fn new(value: Decimal) -> Self {
        let kept = value.round_sf(SIGNIFICANT_DIGITS).unwrap_or(value);
        Self(kept.normalize())
    }

    /// The exact value.
    pub fn get(self) -> Decimal {
        self.0
    }

    /// The nearest double, for statistics only.
    pub fn to_f64(self) -> f64 {
        to_f64(self.0)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Storable by construction, also where zeros follow the 15 digits.
        serializer.serialize_f64(self.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_too_many_digits_is_rounded_instead_of_refused() {
        let sum = Decimal::from_i128_with_scale(123_456_789_012_345_678, 8);
        assert_eq!(
            crate::json::to_string(&Number::new(sum)).unwrap(),
            "1234567890.12346"
        );
        assert_eq!(
            crate::json::to_string(&Number::new(Decimal::new(5000, 5))).unwrap(),
            "0.05"
        );
    }
}

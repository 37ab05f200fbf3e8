//! The exact decimal that prices, quantities and buckets are made of.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::{MANTISSA_LIMIT, NumError, POWERS_OF_TEN};

/// Most decimal places with which a mantissa is compared, added and written in 64 bits.
const FEW_PLACES: u32 = 14;

/// `mantissa / 10^scale`, zero or more, without zeros at its end behind the point: equal values have equal fields.
///
/// A [`Decimal`] has twelve bytes of digits, of which an amount needs seven. In one word it is read, compared,
/// added up and written in a quarter of the time (`docs/benchmarks.md`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Amount {
    /// Below [`MANTISSA_LIMIT`].
    mantissa: u64,
    /// At most 28.
    scale: u32,
}

impl Amount {
    pub(crate) const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// Takes a number without zeros at its end behind the point; `None` if it has too many digits.
    #[inline]
    pub(crate) fn from_digits(mantissa: u64, scale: u32) -> Option<Self> {
        debug_assert!(scale == 0 || !mantissa.is_multiple_of(10), "{mantissa} {scale}");
        (mantissa < MANTISSA_LIMIT).then_some(Self { mantissa, scale })
    }

    /// Takes a decimal.
    ///
    /// # Errors
    /// [`NumError::OutOfRange`] below zero, [`NumError::TooManyDigits`].
    pub(crate) fn new(value: Decimal) -> Result<Self, NumError> {
        let normal = value.normalize();
        if normal.is_sign_negative() {
            return Err(NumError::OutOfRange(value));
        }
        let mantissa = u64::try_from(normal.mantissa()).ok();
        mantissa
            .and_then(|mantissa| Self::from_digits(mantissa, normal.scale()))
            .ok_or(NumError::TooManyDigits(value))
    }

    /// The same value.
    #[inline]
    pub(crate) fn get(self) -> Decimal {
        let (low, middle) = ((self.mantissa & 0xffff_ffff) as u32, (self.mantissa >> 32) as u32);
        Decimal::from_parts(low, middle, 0, false, self.scale)
    }

    /// Its digits without the point, and how many of them stand behind it.
    #[inline]
    pub(crate) fn digits(self) -> (u64, u32) {
        (self.mantissa, self.scale)
    }

    #[inline]
    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// The nearest double.
    #[inline]
    pub(crate) fn to_f64(self) -> f64 {
        // One rounding: the mantissa fits 53 bits and the power of ten is exact.
        match POWERS_OF_TEN.get(self.scale as usize) {
            Some(power) => self.mantissa as f64 / power,
            None => self.get().to_f64().unwrap_or(f64::NAN),
        }
    }

    /// True if the product of both is greater than `limit`.
    #[inline]
    pub(crate) fn product_exceeds(self, other: Self, limit: u64) -> bool {
        let scale = self.scale + other.scale;
        if scale > FEW_PLACES {
            let product = self.get().checked_mul(other.get());
            return product.is_none_or(|product| product > limit.into());
        }
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        product > u128::from(limit) * u128::from(power(scale))
    }

    /// True if it is less than so many times the other one.
    #[inline]
    pub(crate) fn is_below(self, factor: u32, other: Self) -> bool {
        let scale = self.scale.max(other.scale);
        if let (Some(one), Some(two)) = (self.mantissa_at(scale), other.mantissa_at(scale)) {
            return u128::from(one) < u128::from(two) * u128::from(factor);
        }
        let product = other.get().checked_mul(factor.into());
        product.is_none_or(|product| self.get() < product)
    }

    /// The exact sum.
    ///
    /// # Errors
    /// [`NumError::TooManyDigits`], [`NumError::OutOfRange`] when not even a [`Decimal`] holds it.
    #[inline]
    pub(crate) fn checked_add(self, other: Self) -> Result<Self, NumError> {
        let scale = self.scale.max(other.scale);
        if let (Some(one), Some(two)) = (self.mantissa_at(scale), other.mantissa_at(scale))
            && let Some(sum) = one.checked_add(two)
        {
            let (mut sum, mut scale) = (sum, scale);
            while scale > 0 && sum.is_multiple_of(10) {
                sum /= 10;
                scale -= 1;
            }
            if let Some(sum) = Self::from_digits(sum, scale) {
                return Ok(sum);
            }
        }
        let sum = self.get().checked_add(other.get());
        Self::new(sum.ok_or(NumError::OutOfRange(self.get()))?)
    }

    /// The mantissa at a scale that is not smaller; `None` where that needs more than a word.
    #[inline]
    fn mantissa_at(self, scale: u32) -> Option<u64> {
        let more = scale - self.scale;
        if more == 0 {
            return Some(self.mantissa);
        }
        self.mantissa.checked_mul(if more <= FEW_PLACES {
            power(more)
        } else {
            return None;
        })
    }

    /// The largest whole number that is not greater.
    #[inline]
    pub(crate) fn floor(self) -> Self {
        let mantissa = if self.scale <= FEW_PLACES {
            self.mantissa / power(self.scale)
        } else {
            // A mantissa has at most one digit more.
            self.mantissa / power(FEW_PLACES) / 10_u64.saturating_pow(self.scale - FEW_PLACES)
        };
        Self { mantissa, scale: 0 }
    }

    /// Adds it to a text, in plain notation, as [`crate::json`] writes numbers.
    #[inline]
    pub(crate) fn push_to(self, text: &mut Vec<u8>) {
        let whole = self.floor().mantissa;
        if self.scale > 8 || whole >= EIGHT_DIGITS {
            // No price and hardly a quantity.
            text.extend_from_slice(self.get().to_string().as_bytes());
            return;
        }
        let digits = eight_digits(whole);
        let zeros = (digits.trailing_zeros() / 8).min(7);
        push_digits(text, digits >> (8 * zeros), 8 - zeros);
        if self.scale > 0 {
            let part = self.mantissa - whole * power(self.scale);
            text.push(b'.');
            push_digits(text, eight_digits(part * power(8 - self.scale)), self.scale);
        }
    }
}

/// Largest number of eight digits, and one.
const EIGHT_DIGITS: u64 = 100_000_000;

/// Adds the first `count` of eight digits: always eight bytes, which is one store, and back to those that count.
#[inline]
fn push_digits(text: &mut Vec<u8>, digits: u64, count: u32) {
    let end = text.len() + count as usize;
    text.extend_from_slice(&(digits | 0x3030_3030_3030_3030).to_le_bytes());
    text.truncate(end);
}

/// The digits of a number below [`EIGHT_DIGITS`], one in each byte, the first in the lowest: split into fours, the fours
/// into pairs, the pairs into digits, each step for all at once. The divisions by 100 and 10 are multiplications.
#[inline]
fn eight_digits(number: u64) -> u64 {
    let fours = (number / 10_000) | (number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

/// Ten to the power of at most [`FEW_PLACES`].
#[inline]
fn power(exponent: u32) -> u64 {
    const POWERS: [u64; FEW_PLACES as usize + 1] = {
        let mut powers = [1; FEW_PLACES as usize + 1];
        let mut index = 1;
        while index < powers.len() {
            powers[index] = powers[index - 1] * 10;
            index += 1;
        }
        powers
    };
    POWERS[exponent as usize]
}

impl Ord for Amount {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        // One of the two is the mantissa itself, so that the other is greater where it does not fit.
        let scale = self.scale.max(other.scale);
        match (self.mantissa_at(scale), other.mantissa_at(scale)) {
            (Some(one), Some(two)) => one.cmp(&two),
            _ => self.get().cmp(&other.get()),
        }
    }
}

impl PartialOrd for Amount {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts() -> impl Strategy<Value = Decimal> {
        let mantissa = prop_oneof![0_i64..2000, 0..1_000_000_000_000_000_i64];
        (mantissa, prop_oneof![0_u32..=8, 0_u32..=28])
            .prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale))
    }

    proptest! {
        #[test]
        fn it_is_compared_added_and_written_as_the_decimal_is(one in amounts(), two in amounts(), limit in 0_u64..2_000_000) {
            let (first, second) = (Amount::new(one).unwrap(), Amount::new(two).unwrap());
            prop_assert_eq!(first.get(), one);
            prop_assert_eq!(first.cmp(&second), one.cmp(&two));
            prop_assert_eq!(first == second, one == two);
            prop_assert_eq!(first.floor().get(), one.floor());
            prop_assert_eq!(first.is_zero(), one.is_zero());
            let product = one.checked_mul(two);
            prop_assert_eq!(first.product_exceeds(second, limit), product.is_none_or(|product| product > limit.into()));
            let sum = one.checked_add(two).and_then(|sum| Amount::new(sum).ok());
            prop_assert_eq!(first.checked_add(second).ok().map(Amount::get), sum.map(Amount::get));
            let mut text = b"x".to_vec();
            first.push_to(&mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), format!("x{}", one.normalize()));
        }
    }

    #[test]
    fn the_widest_and_the_smallest_are_written_whole() {
        let text = |mantissa: i64, scale: u32| {
            let mut text = Vec::new();
            Amount::new(Decimal::new(mantissa, scale))
                .unwrap()
                .push_to(&mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(999_999_999_999_999, 0), "999999999999999");
        assert_eq!(text(999_999_999_999_999, 14), "9.99999999999999");
        assert_eq!(text(999_999_999_999_999, 15), "0.999999999999999");
        assert_eq!(text(1, 14), "0.00000000000001");
        assert_eq!(text(1, 28), "0.0000000000000000000000000001");
        assert_eq!(text(0, 0), "0");
        assert_eq!(text(100, 0), "100");
        assert_eq!(text(100, 1), "10");
    }

    #[test]
    fn every_number_of_eight_digits_is_split() {
        for number in (0..EIGHT_DIGITS)
            .step_by(4_999)
            .chain([EIGHT_DIGITS - 1, 9_999, 10_000])
        {
            let digits = (eight_digits(number) | 0x3030_3030_3030_3030).to_le_bytes();
            assert_eq!(std::str::from_utf8(&digits).unwrap(), format!("{number:08}"));
        }
    }
}

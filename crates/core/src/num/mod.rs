//! Exact prices and quantities, the bucket rule, and their form as JSON numbers.
//!
//! Every amount is a decimal of at most [`SIGNIFICANT_DIGITS`] significant digits. That is what the JSON
//! numbers of the Redis layout carry without loss: a reader that parses them into a double and prints
//! the shortest text gets the same decimal back. Binance sends eight decimals, so the limit leaves room
//! for ten million units with all eight of them in use.

pub(crate) mod amount;
mod bucket;

use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use self::amount::Amount;
pub use self::bucket::{BucketWidth, PriceBucket};
use crate::scan::Scanner;

/// Most significant digits an amount may have, leading and trailing zeros not counted.
pub const SIGNIFICANT_DIGITS: u32 = 15;

/// Smallest integer that no longer has [`SIGNIFICANT_DIGITS`] digits.
pub(crate) const MANTISSA_LIMIT: u64 = 10_u64.pow(SIGNIFICANT_DIGITS);

/// Longest text that is looked at as a number.
const MAX_TEXT: usize = 40;

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumError {
    /// Not a decimal number in plain or scientific notation.
    #[error("not a decimal number: {0:?}")]
    NotADecimal(String),
    /// More than [`SIGNIFICANT_DIGITS`] significant digits.
    #[error("more than {SIGNIFICANT_DIGITS} significant digits: {0}")]
    TooManyDigits(Decimal),
    /// Below zero, or zero where a positive number is needed.
    #[error("out of range: {0}")]
    OutOfRange(Decimal),
}

/// Reads a decimal in plain (`0.00005`) or scientific (`5e-05`) notation.
///
/// # Errors
/// [`NumError::NotADecimal`] for anything else, [`NumError::TooManyDigits`] past the digit limit.
pub fn parse_decimal(text: &str) -> Result<Decimal, NumError> {
    // Nearly every number has few digits and no exponent.
    let mut scan = Scanner::new(text);
    if let Some(amount) = scan.amount().filter(|_| scan.end().is_some()) {
        return Ok(amount.get());
    }
    let not_a_decimal = || NumError::NotADecimal(text.chars().take(MAX_TEXT).collect());
    let plausible = text.len() <= MAX_TEXT
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !plausible {
        return Err(not_a_decimal());
    }
    let value = if text.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        Decimal::from_scientific(text).map_err(|_| not_a_decimal())?
    } else {
        Decimal::from_str_exact(text).map_err(|_| not_a_decimal())?
    };
    if has_allowed_digits(value) {
        Ok(value)
    } else {
        Err(NumError::TooManyDigits(value))
    }
}

/// True if `value` survives being written as a JSON number and read back.
fn has_allowed_digits(value: Decimal) -> bool {
    let few = |value: Decimal| value.mantissa().unsigned_abs() < u128::from(MANTISSA_LIMIT);
    few(value) || few(value.normalize())
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $unit:literal, zero: $zero:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Amount);

        impl $name {
            const MAY_BE_ZERO: bool = $zero;

            #[inline]
            fn of(amount: Amount) -> Option<Self> {
                (Self::MAY_BE_ZERO || !amount.is_zero()).then_some(Self(amount))
            }

            /// Takes a decimal that already is a number.
            ///
            /// # Errors
            /// [`NumError::OutOfRange`] or [`NumError::TooManyDigits`].
            pub fn new(value: Decimal) -> Result<Self, NumError> {
                Self::of(Amount::new(value)?).ok_or(NumError::OutOfRange(value))
            }

            /// Reads the exchange's text, for instance `"113558.12000000"`.
            ///
            /// # Errors
            /// Any [`NumError`].
            pub fn parse(text: &str) -> Result<Self, NumError> {
                Self::new(parse_decimal(text)?)
            }

            /// Reads an amount that comes next; `None` for one that is not in common notation, or is none.
            #[inline]
            pub fn scan(scan: &mut Scanner<'_>) -> Option<Self> {
                scan.amount().and_then(Self::of)
            }

            /// As [`Self::scan`], with quotes around it.
            #[inline]
            pub fn scan_quoted(scan: &mut Scanner<'_>) -> Option<Self> {
                scan.quoted_amount().and_then(Self::of)
            }

            #[doc = concat!("The exact value, in ", $unit, ".")]
            #[inline]
            pub fn get(self) -> Decimal {
                self.0.get()
            }

            /// Its digits without the point, and how many of them stand behind it.
            #[inline]
            pub(crate) fn digits(self) -> (u64, u32) {
                self.0.digits()
            }

            /// Adds it to a text, in plain notation.
            #[inline]
            pub fn push_to(self, text: &mut Vec<u8>) {
                self.0.push_to(text);
            }

            /// The nearest double, for statistics only.
            #[inline]
            pub fn to_f64(self) -> f64 {
                self.0.to_f64()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.get(), formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.get())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                json_number::serialize(&self.get(), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(json_number::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

amount!(
    /// Quote currency per unit of base currency; greater than zero.
    Price, "quote currency per base unit", zero: false
);
amount!(
    /// An amount of base currency; zero or more.
    Quantity, "base units", zero: true
);

/// True if so much at this price is worth more than `limit`, in quote currency.
#[inline]
pub fn is_worth_more(price: Price, quantity: Quantity, limit: u64) -> bool {
    price.0.product_exceeds(quantity.0, limit)
}

impl Price {
    /// True if it is less than so many times as high as another one, and the other way round.
    #[inline]
    pub fn is_within(self, factor: u32, other: Self) -> bool {
        self.0.is_below(factor, other.0) && other.0.is_below(factor, self.0)
    }

    #[inline]
    fn amount(self) -> Amount {
        self.0
    }
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(Amount::ZERO);

    /// True if it is nothing.
    #[inline]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The exact sum.
    ///
    /// # Errors
    /// [`NumError::TooManyDigits`] when the sum could not be stored exactly.
    #[inline]
    pub fn checked_add(self, other: Self) -> Result<Self, NumError> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// The nearest double, for statistics only.
pub fn to_f64(value: Decimal) -> f64 {
    // Exact for amounts: the mantissa fits 53 bits and the power of ten is exact, so one rounding remains.
    match i64::try_from(value.mantissa()) {
        Ok(mantissa) if mantissa.unsigned_abs() < (1 << 53) && value.scale() <= 22 => {
            mantissa as f64 / POWERS_OF_TEN[value.scale() as usize]
        }
        _ => value.to_f64().unwrap_or(f64::NAN),
    }
}

/// Powers of ten that a double holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A decimal as a JSON number with its exact value, for `#[serde(with = "json_number")]`.
///
/// Numbers are written by [`crate::json`], which prints them in plain notation.
pub mod json_number {
    use super::{Decimal, Deserialize, Deserializer, RawValue, Serializer, parse_decimal, to_f64};
    use serde::de::Error as _;
    use serde::ser::Error as _;

    /// Writes the number.
    ///
    /// # Errors
    /// When the value has more significant digits than a JSON number keeps.
    pub fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        if !super::has_allowed_digits(*value) {
            return Err(S::Error::custom(super::NumError::TooManyDigits(*value)));
        }
        serializer.serialize_f64(to_f64(*value))
    }

    /// Reads the number from its text, never through a double.
    ///
    /// # Errors
    /// When the JSON value is not a number or has too many digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        parse_decimal(raw.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        parse_decimal(text).unwrap()
    }

    #[test]
    fn reads_plain_and_scientific_notation() {
        assert_eq!(decimal("113558.12000000"), Decimal::new(11_355_812, 2));
        assert_eq!(decimal("5e-05"), Decimal::new(5, 5));
        assert_eq!(decimal("1E3"), Decimal::new(1000, 0));
        assert_eq!(decimal("-0.5"), Decimal::new(-5, 1));
    }

    #[test]
    fn refuses_what_is_not_an_exact_decimal() {
        for text in [
            "", " 1", "NaN", "Infinity", "1_000", "0x10", "1.2.3", "--1", "1e400", "e5", ".",
        ] {
            assert!(
                matches!(parse_decimal(text), Err(NumError::NotADecimal(_))),
                "{text:?}"
            );
        }
        for text in ["0.1234567890123456", "92233720368.54775807", "1e20"] {
            assert!(
                matches!(parse_decimal(text), Err(NumError::TooManyDigits(_))),
                "{text:?}"
            );
        }
        assert!(Price::parse("0").is_err());
        assert!(Price::parse("-1").is_err());
        assert!(Quantity::parse("-0.1").is_err());
    }

    #[test]
    fn a_price_is_within_a_factor_of_another_or_not() {
        let within = |one: &str, other: &str| {
            let (one, other) = (Price::parse(one).unwrap(), Price::parse(other).unwrap());
            assert_eq!(one.is_within(5, other), other.is_within(5, one));
            one.is_within(5, other)
        };
        for (one, other) in [
            ("1", "1"),
            ("1", "4.99"),
            ("499999999999999", "100000000000000"),
            ("0.5", "0.1000001"),
        ] {
            assert!(within(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("1", "5"),
            ("1", "5.01"),
            ("0.00000001", "100000"),
            ("500000000000000", "100000000000000"),
        ] {
            assert!(!within(one, other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_survives_json(mantissa in 1_i64..1_000_000_000_000_000, scale in 0_u32..9) {
            let price = Price::new(Decimal::new(mantissa, scale)).unwrap();
            let text = crate::json::to_string(&price).unwrap();
            prop_assert!(!text.contains(['e', 'E']));
            prop_assert_eq!(parse_decimal(&text).unwrap(), price.get());
            // A reader that only has doubles sees the same decimal.
            let double: f64 = text.parse().unwrap();
            prop_assert_eq!(format!("{double}"), price.to_string());
            prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
            let mut pushed = Vec::new();
            price.push_to(&mut pushed);
            prop_assert_eq!(pushed, text.as_bytes());
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _outcome = parse_decimal(&text);
        }
    }
}

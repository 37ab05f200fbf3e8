//! Exact prices and quantities, the bucket rule, and their form as JSON numbers.
//!
//! Every amount is a decimal of at most [`SIGNIFICANT_DIGITS`] significant digits. That is what the JSON
//! numbers of the Redis layout carry without loss: a reader that parses them into a double and prints
//! the shortest text gets the same decimal back. Binance sends eight decimals, so the limit leaves room
//! for ten million units with all eight of them in use.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::scan::Scanner;

/// Most significant digits an amount may have, leading and trailing zeros not counted.
pub const SIGNIFICANT_DIGITS: u32 = 15;

/// Smallest integer that no longer has [`SIGNIFICANT_DIGITS`] digits.
const MANTISSA_LIMIT: i128 = 10_i128.pow(SIGNIFICANT_DIGITS);

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
    if let Some(value) = scan.decimal().filter(|_| scan.end().is_some()) {
        return Ok(value);
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

/// Compares; of the same number of places, as prices mostly have, without the general way.
#[inline]
fn compare(one: Decimal, other: Decimal) -> Ordering {
    if one.scale() == other.scale() {
        one.mantissa().cmp(&other.mantissa())
    } else {
        one.cmp(&other)
    }
}

/// Without trailing zeros behind the point.
fn normal(value: Decimal) -> Decimal {
    let is_normal = match i64::try_from(value.mantissa()) {
        Ok(mantissa) => value.scale() == 0 || mantissa % 10 != 0,
        Err(_) => false,
    };
    if is_normal { value } else { value.normalize() }
}

/// True if `value` survives being written as a JSON number and read back.
fn has_allowed_digits(value: Decimal) -> bool {
    value.mantissa().abs() < MANTISSA_LIMIT || value.normalize().mantissa().abs() < MANTISSA_LIMIT
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $unit:literal, $smallest:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(Decimal);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                compare(self.0, other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Takes a decimal that already is a number.
            ///
            /// # Errors
            /// [`NumError::OutOfRange`] or [`NumError::TooManyDigits`].
            pub fn new(value: Decimal) -> Result<Self, NumError> {
                if !amount!(@$smallest value) {
                    Err(NumError::OutOfRange(value))
                } else if has_allowed_digits(value) {
                    Ok(Self(normal(value)))
                } else {
                    Err(NumError::TooManyDigits(value))
                }
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
                // It has the allowed digits and no zeros at its end.
                scan.decimal().filter(|value| amount!(@$smallest value)).map(Self)
            }

            /// As [`Self::scan`], with quotes around it.
            #[inline]
            pub fn scan_quoted(scan: &mut Scanner<'_>) -> Option<Self> {
                scan.quoted_decimal().filter(|value| amount!(@$smallest value)).map(Self)
            }

            #[doc = concat!("The exact value, in ", $unit, ".")]
            pub fn get(self) -> Decimal {
                self.0
            }

            /// Adds it to a text, in plain notation.
            pub fn push_to(self, out: &mut String) {
                push_amount(out, self.0);
            }

            /// The nearest double, for statistics only.
            pub fn to_f64(self) -> f64 {
                to_f64(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                json_number::serialize(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(json_number::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
    (@positive $value:ident) => { $value.is_sign_positive() && !$value.is_zero() };
    (@not_negative $value:ident) => { $value.is_sign_positive() || $value.is_zero() };
}

amount!(
    /// Quote currency per unit of base currency; greater than zero.
    Price, "quote currency per base unit", positive
);
amount!(
    /// An amount of base currency; zero or more.
    Quantity, "base units", not_negative
);

/// True if so much at this price is worth more than `limit`, in quote currency.
pub fn is_worth_more(price: Price, quantity: Quantity, limit: u64) -> bool {
    // Nearly always far below, which doubles tell without a doubt.
    if price.to_f64() * quantity.to_f64() < limit as f64 / 2.0 {
        return false;
    }
    let notional = price.0.checked_mul(quantity.0);
    notional.is_none_or(|notional| notional > limit.into())
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// True if it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The exact sum.
    ///
    /// # Errors
    /// [`NumError::TooManyDigits`] when the sum could not be stored exactly.
    pub fn checked_add(self, other: Self) -> Result<Self, NumError> {
        match self.0.checked_add(other.0) {
            Some(sum) if has_allowed_digits(sum) => Ok(Self(sum)),
            Some(sum) => Err(NumError::TooManyDigits(sum)),
            None => Err(NumError::OutOfRange(self.0)),
        }
    }
}

/// Writes an amount in plain notation, as [`crate::json`] does.
///
/// A book has 20,000 numbers; through a double each would take five times as long (`docs/benchmarks.md`).
fn push_amount(out: &mut String, value: Decimal) {
    // From the last digit to the first. A 64-bit number has 20 digits, the largest scale is 28.
    let mut text = [0; 32];
    let mut start = text.len();
    let mut put = |byte: u8| {
        start -= 1;
        text[start] = byte;
    };
    // An amount has 15 digits; zero is what is left of none.
    let mut mantissa = u64::try_from(value.mantissa()).unwrap_or_default();
    let mut written = 0;
    while mantissa > 0 || written <= value.scale() {
        if written == value.scale() && written > 0 {
            put(b'.');
        }
        put(b'0' + (mantissa % 10) as u8);
        mantissa /= 10;
        written += 1;
    }
    out.push_str(std::str::from_utf8(&text[start..]).unwrap_or_default());
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

/// Width of a price bucket, in quote currency; greater than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketWidth(Decimal);

impl fmt::Display for BucketWidth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl BucketWidth {
    /// One unit of quote currency.
    pub const ONE: Self = Self(Decimal::ONE);

    /// Checks and keeps the width.
    ///
    /// # Errors
    /// [`NumError::OutOfRange`] unless `value` is positive.
    pub fn new(value: Decimal) -> Result<Self, NumError> {
        if value > Decimal::ZERO {
            Ok(Self(value.normalize()))
        } else {
            Err(NumError::OutOfRange(value))
        }
    }

    /// The width in quote currency.
    pub fn get(self) -> Decimal {
        self.0
    }

    /// The bucket a price falls into: the price rounded **down** to a multiple of the width.
    ///
    /// # Errors
    /// [`NumError::TooManyDigits`] when the lower edge has more digits than an amount may have.
    pub fn bucket_of(self, price: Price) -> Result<PriceBucket, NumError> {
        // The usual width, in one division.
        let whole = |mantissa: i64| Some(mantissa / 10_i64.checked_pow(price.0.scale())?);
        if self == Self::ONE
            && let Some(mantissa) = i64::try_from(price.0.mantissa()).ok().and_then(whole)
        {
            return Ok(PriceBucket { mantissa, scale: 0 });
        }
        // Subtracting the remainder is exact, where dividing and multiplying back may not be.
        PriceBucket::new(price.0 - price.0 % self.0)
    }
}

/// Lower edge of a price bucket, in quote currency; zero or more.
///
/// Held as `mantissa / 10^scale` without trailing zeros: nearly always a whole number, which compares in one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PriceBucket {
    scale: u32,
    mantissa: i64,
}

impl Ord for PriceBucket {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            self.mantissa.cmp(&other.mantissa)
        } else {
            self.low().cmp(&other.low())
        }
    }
}

impl PartialOrd for PriceBucket {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PriceBucket {
    /// Takes the lower edge of a bucket, as stored.
    ///
    /// # Errors
    /// [`NumError::OutOfRange`] below zero, [`NumError::TooManyDigits`] past the digit limit.
    pub fn new(low: Decimal) -> Result<Self, NumError> {
        if low < Decimal::ZERO {
            return Err(NumError::OutOfRange(low));
        }
        let low = normal(low);
        match i64::try_from(low.mantissa()) {
            Ok(mantissa) if i128::from(mantissa) < MANTISSA_LIMIT => Ok(Self {
                mantissa,
                scale: low.scale(),
            }),
            _ => Err(NumError::TooManyDigits(low)),
        }
    }

    /// The lower edge.
    pub fn low(self) -> Decimal {
        Decimal::new(self.mantissa, self.scale)
    }
}

impl fmt::Display for PriceBucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.low(), formatter)
    }
}

impl fmt::Debug for PriceBucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PriceBucket({})", self.low())
    }
}

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
    fn a_bucket_is_the_price_rounded_down() {
        let bucket = |width: &str, price: &str| {
            BucketWidth::new(decimal(width))
                .unwrap()
                .bucket_of(Price::parse(price).unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(bucket("1", "110176.99"), "110176");
        assert_eq!(bucket("1", "110176"), "110176");
        assert_eq!(bucket("0.5", "110176.75"), "110176.5");
        assert_eq!(bucket("10", "110176.75"), "110170");
        assert_eq!(bucket("0.3", "1"), "0.9");
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
            let mut pushed = String::new();
            price.push_to(&mut pushed);
            prop_assert_eq!(pushed, text);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _outcome = parse_decimal(&text);
        }
    }
}

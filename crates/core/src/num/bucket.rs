//! Price buckets.

use std::fmt;

use rust_decimal::Decimal;

use super::amount::Amount;
use super::{NumError, Price};
use crate::scan::Scanner;

/// Width of a price bucket, in quote currency; greater than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketWidth {
    width: Decimal,
    /// The usual width, told without comparing decimals for every trade.
    is_one: bool,
}

impl fmt::Display for BucketWidth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.width.fmt(formatter)
    }
}

impl BucketWidth {
    /// One unit of quote currency.
    pub const ONE: Self = Self {
        width: Decimal::ONE,
        is_one: true,
    };

    /// Checks and keeps the width.
    ///
    /// # Errors
    /// [`NumError::OutOfRange`] unless `value` is positive.
    pub fn new(value: Decimal) -> Result<Self, NumError> {
        if value > Decimal::ZERO {
            let width = value.normalize();
            Ok(Self {
                width,
                is_one: width == Decimal::ONE,
            })
        } else {
            Err(NumError::OutOfRange(value))
        }
    }

    /// The width in quote currency.
    pub fn get(self) -> Decimal {
        self.width
    }

    /// The bucket a price falls into: the price rounded **down** to a multiple of the width.
    ///
    /// # Errors
    /// [`NumError::TooManyDigits`] when the lower edge has more digits than an amount may have.
    #[inline]
    pub fn bucket_of(self, price: Price) -> Result<PriceBucket, NumError> {
        if self.is_one {
            return Ok(PriceBucket(price.amount().floor()));
        }
        // Subtracting the remainder is exact, where dividing and multiplying back may not be.
        PriceBucket::new(price.get() - price.get() % self.width)
    }
}

/// Lower edge of a price bucket, in quote currency; zero or more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceBucket(Amount);

impl PriceBucket {
    /// Takes the lower edge of a bucket, as stored.
    ///
    /// # Errors
    /// [`NumError::OutOfRange`] below zero, [`NumError::TooManyDigits`] past the digit limit.
    pub fn new(low: Decimal) -> Result<Self, NumError> {
        Amount::new(low).map(Self)
    }

    /// Reads a lower edge that comes next; `None` for one that is not in common notation, or is none.
    #[inline]
    pub fn scan(scan: &mut Scanner<'_>) -> Option<Self> {
        scan.amount().map(Self)
    }

    /// The lower edge.
    #[inline]
    pub fn low(self) -> Decimal {
        self.0.get()
    }

    /// Digits of the lower edge without the point, and how many of them stand behind it.
    #[inline]
    pub(crate) fn digits(self) -> (u64, u32) {
        self.0.digits()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_decimal;

    #[test]
    fn a_bucket_is_the_price_rounded_down() {
        let bucket = |width: &str, price: &str| {
            BucketWidth::new(parse_decimal(width).unwrap())
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
}

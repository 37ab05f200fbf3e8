//! Integers for the inner loops: amounts as multiples of 10⁻¹² base units, prices as bucket numbers.
//!
//! Conversion happens once per level when data come in. Sums of integers are exact and independent of
//! order, which is what lets the engine add and remove contributions and still equal a fresh one.

use rust_decimal::Decimal;

use crate::model::report::Number;
use crate::num::{BucketWidth, Quantity};

/// An amount in 10⁻¹² base units. An amount is below 10¹⁵, so that 10¹¹ of them can be added up.
pub(crate) type Amount = i128;

/// Decimals of an [`Amount`]; the exchange uses eight. Finer parts are cut off.
pub(crate) const DECIMALS: u32 = 12;

/// Largest bucket number that is looked at; prices beyond are not counted.
const MAX_BUCKET: i64 = 1 << 50;

/// An amount as an integer.
#[inline]
pub(crate) fn amount(quantity: Quantity) -> Amount {
    let (digits, places) = quantity.digits();
    match DECIMALS.checked_sub(places).and_then(short_power_of_ten) {
        Some(power) => Amount::from(digits) * Amount::from(power),
        None => Amount::from(digits) / power_of_ten(places.saturating_sub(DECIMALS)),
    }
}

/// Up to 10¹⁹: two numbers of 64 bits are multiplied in one step.
#[inline]
pub(crate) fn short_power_of_ten(exponent: u32) -> Option<u64> {
    u64::try_from(power_of_ten(exponent)).ok()
}

/// From a table: a window has a million amounts. The scale of a decimal is at most 28.
#[inline]
pub(crate) fn power_of_ten(exponent: u32) -> i128 {
    const POWERS: [i128; 29] = {
        let mut powers = [1; 29];
        let mut index = 1;
        while index < 29 {
            powers[index] = powers[index - 1] * 10;
            index += 1;
        }
        powers
    };
    POWERS.get(exponent as usize).copied().unwrap_or(i128::MAX)
}

/// An integer amount as it is published.
pub(crate) fn number(amount: Amount) -> Number {
    // Beyond 28 digits the decimal type ends; 15 are published, so that cutting digits off loses nothing.
    let mut mantissa = amount;
    let mut scale = DECIMALS;
    while mantissa.unsigned_abs() >= 10_u128.pow(28) && scale > 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).map_or(Number::ZERO, Number::new)
}

/// The grid of price buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    width: Decimal,
    mantissa: i128,
    scale: u32,
}

impl Grid {
    /// The grid of buckets of this width that starts at price zero.
    pub(crate) fn new(width: BucketWidth) -> Self {
        let width = width.get().normalize();
        Self {
            width,
            mantissa: width.mantissa(),
            scale: width.scale(),
        }
    }

    /// Number of the bucket a price falls into, of which the digits are given and how many of them stand behind the point: price over
    /// width, rounded down. None when it is too large.
    #[inline]
    pub(crate) fn bucket(self, price: (u64, u32)) -> Option<i64> {
        let bucket = match self.short(price) {
            Some(bucket) => bucket,
            None => self.long(price)?,
        };
        (bucket <= MAX_BUCKET).then_some(bucket)
    }

    /// In 64 bits, which nearly every price fits: a division of 128 takes many times as long, and a book has 10,000.
    #[inline]
    fn short(self, (digits, places): (u64, u32)) -> Option<i64> {
        let width = u64::try_from(self.mantissa).ok()?;
        let quotient = match places.checked_sub(self.scale) {
            Some(more) => digits.checked_div(width.checked_mul(short_power_of_ten(more)?)?)?,
            None => digits
                .checked_mul(short_power_of_ten(self.scale - places)?)?
                .checked_div(width)?,
        };
        i64::try_from(quotient).ok()
    }

    fn long(self, (digits, places): (u64, u32)) -> Option<i64> {
        let (mut upper, mut lower) = (i128::from(digits), self.mantissa);
        match places.checked_sub(self.scale) {
            Some(more) => lower = lower.saturating_mul(power_of_ten(more)),
            None => upper = upper.checked_mul(power_of_ten(self.scale - places))?,
        }
        i64::try_from(upper.checked_div(lower)?).ok()
    }

    /// Lower edge of a bucket.
    pub(crate) fn edge(self, bucket: i64) -> Decimal {
        Decimal::from(bucket)
            .checked_mul(self.width)
            .unwrap_or(Decimal::MAX)
    }

    /// Lower edge of a bucket, as it is published.
    pub(crate) fn low(self, bucket: i64) -> Number {
        Number::new(self.edge(bucket))
    }

    /// Middle of a bucket, for statistics.
    pub(crate) fn middle(self, bucket: i64) -> f64 {
        (bucket as f64 + 0.5) * self.width_f64()
    }

    /// First bucket whose middle is at this price or above.
    pub(crate) fn first_from(self, price: f64) -> i64 {
        let [first, last] = self.around(price);
        (first..=last)
            .find(|bucket| self.middle(*bucket) >= price)
            .unwrap_or(last)
    }

    /// Last bucket whose middle is at this price or below.
    pub(crate) fn last_to(self, price: f64) -> i64 {
        let [first, last] = self.around(price);
        (first..=last)
            .rev()
            .find(|bucket| self.middle(*bucket) <= price)
            .unwrap_or(first)
    }

    /// Buckets on either side of a price, however it is rounded.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bucket numbers are below 2^50; anything else saturates and finds nothing"
    )]
    fn around(self, price: f64) -> [i64; 2] {
        let bucket = (price / self.width_f64()).floor() as i64;
        [bucket.saturating_sub(2), bucket.saturating_add(2)]
    }

    /// Width of a bucket, for statistics.
    pub(crate) fn width_f64(self) -> f64 {
        crate::num::to_f64(self.width)
    }
}

/// Rounds a statistic to a number of decimals; what is not finite becomes 0.
pub(crate) fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    let rounded = (value * factor).round() / factor;
    // Adding zero turns minus zero into zero.
    if rounded.is_finite() { rounded + 0.0 } else { 0.0 }
}

/// One amount over another, 0 when the second is not positive.
pub(crate) fn ratio(upper: Amount, lower: Amount) -> f64 {
    if lower > 0 {
        upper as f64 / lower as f64
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Price;
    use proptest::prelude::*;

    #[test]
    fn amounts_come_back_as_they_went_in() {
        for text in ["0", "0.00000001", "47.9", "999999999999999", "0.000000000001"] {
            let value = Quantity::parse(text).unwrap();
            assert_eq!(number(amount(value)).get(), value.get(), "{text}");
        }
        assert_eq!(amount(Quantity::parse("0.0000000000009").unwrap()), 0);
        assert_eq!(
            number(i128::from(i64::MAX) * 1_000_000_000_000_000)
                .get()
                .to_string(),
            "9223372036854780000000"
        );
    }

    proptest! {
        #[test]
        fn the_bucket_is_the_one_the_width_names(mantissa in 1_i64..1_000_000_000_000, scale in 0_u32..9, width in 1_i64..5000, width_scale in 0_u32..4) {
            let width = BucketWidth::new(Decimal::new(width, width_scale)).unwrap();
            let price = Price::new(Decimal::new(mantissa, scale)).unwrap();
            let grid = Grid::new(width);
            let bucket = grid.bucket(price.digits()).unwrap();
            prop_assert_eq!(grid.low(bucket).get(), width.bucket_of(price).unwrap().low());
        }

        #[test]
        fn the_middles_of_buckets_are_told_apart(price in 0.001..1e9, halves in 0_i64..1_000_000, width in 1_i64..5000, width_scale in 0_u32..4) {
            let grid = Grid::new(BucketWidth::new(Decimal::new(width, width_scale)).unwrap());
            for price in [price, halves as f64 * grid.width_f64() / 2.0] {
                let (first, last) = (grid.first_from(price), grid.last_to(price));
                prop_assert!(grid.middle(first) >= price && grid.middle(first - 1) < price);
                prop_assert!(grid.middle(last) <= price && grid.middle(last + 1) > price);
            }
        }

        #[test]
        fn no_price_and_no_width_is_too_strange(digits in 1_u64..1_000_000_000_000_000, scale in 0_u32..=28, width in 1_i64..1_000_000_000_000_000, width_scale in 0_u32..=28) {
            let grid = Grid::new(BucketWidth::new(Decimal::new(width, width_scale)).unwrap());
            if let Some(bucket) = grid.bucket((digits, scale)) {
                let _edge = grid.low(bucket + 1);
            }
        }
    }
}

//! Reads JSON whose layout is known, from left to right.
//!
//! Nearly all bytes both programs read have one of five layouts: a frame of the stream, a page of trades and a
//! book of the exchange, a book and a minute in Redis. What deviates from its layout in any way, be it a space
//! or another order of fields, is answered with `None`, and the caller reads it with `serde_json`. So this
//! decides nothing: it only spares the work of finding out what is known beforehand. The measure of it is in
//! `docs/benchmarks.md`.

use rust_decimal::Decimal;

use crate::num::SIGNIFICANT_DIGITS;

/// Most digits of an integer, or on one side of the point: so many always fit.
const MOST_DIGITS: usize = 18;

/// Smallest mantissa that has too many digits.
const MANTISSA_LIMIT: u64 = 10_u64.pow(SIGNIFICANT_DIGITS);

/// Most places behind the point.
const MOST_PLACES: usize = 28;

/// What a mantissa is multiplied by when so many digits are put behind it.
const POWERS_OF_TEN: [u64; MOST_DIGITS + 1] = {
    let mut powers = [1; MOST_DIGITS + 1];
    let mut index = 1;
    while index <= MOST_DIGITS {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// A text and how far it has been read.
#[derive(Debug, Clone, Copy)]
pub struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// Nothing has been read yet.
    #[inline]
    pub fn new(text: &'a str) -> Self {
        Self {
            rest: text.as_bytes(),
        }
    }

    /// Passes this text.
    #[inline]
    pub fn pass(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected.as_bytes())?;
        Some(())
    }

    /// Passes this text if it comes next.
    #[inline]
    pub fn passes(&mut self, expected: &str) -> bool {
        self.pass(expected).is_some()
    }

    /// Passes the end.
    #[inline]
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// Passes a string of plain letters, digits and signs, and its quotes.
    #[inline]
    pub fn string(&mut self) -> Option<&'a str> {
        let inside = self.rest.strip_prefix(b"\"")?;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let length = inside.iter().position(|byte| !plain(*byte))?;
        let (text, rest) = inside.split_at_checked(length)?;
        self.rest = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// Passes an integer without a sign.
    #[inline]
    pub fn unsigned(&mut self) -> Option<u64> {
        let (mut value, mut length) = (0_u64, 0);
        while let Some(digit) = digit_at(self.rest, length) {
            if length == MOST_DIGITS {
                return None;
            }
            value = push_digit(value, digit);
            length += 1;
        }
        if length == 0 || length > 1 && self.rest.first() == Some(&b'0') {
            return None;
        }
        self.rest = self.rest.get(length..)?;
        Some(value)
    }

    /// Passes an integer.
    #[inline]
    pub fn integer(&mut self) -> Option<i64> {
        let negative = self.passes("-");
        let value = i64::try_from(self.unsigned()?).ok()?;
        // JSON has a negative zero, which is no integer for some readers.
        match (negative, value) {
            (true, 0) => None,
            (true, value) => Some(-value),
            (false, value) => Some(value),
        }
    }

    /// Passes `true` or `false`.
    #[inline]
    pub fn boolean(&mut self) -> Option<bool> {
        if self.passes("true") {
            Some(true)
        } else {
            self.pass("false").map(|()| false)
        }
    }

    /// Passes a number of at most 15 significant digits, without sign and exponent. Its zeros at the end are gone.
    #[inline]
    pub fn decimal(&mut self) -> Option<Decimal> {
        let bytes = self.rest;
        let (mut mantissa, mut length) = (0_u64, 0);
        while let Some(digit) = digit_at(bytes, length) {
            if length == MOST_DIGITS {
                return None;
            }
            mantissa = push_digit(mantissa, digit);
            length += 1;
        }
        if length == 0 || length > 1 && bytes.first() == Some(&b'0') || mantissa >= MANTISSA_LIMIT {
            return None;
        }
        let mut scale = 0;
        if bytes.get(length) == Some(&b'.') {
            length += 1;
            let (point, mut zeros) = (length, 0);
            while let Some(digit) = digit_at(bytes, length) {
                length += 1;
                zeros += 1;
                if digit != 0 {
                    // The zeros in front of this digit count now.
                    mantissa = mantissa.checked_mul(*POWERS_OF_TEN.get(zeros)?)?;
                    mantissa = mantissa.checked_add(digit)?;
                    scale += zeros;
                    zeros = 0;
                }
            }
            if length == point || mantissa >= MANTISSA_LIMIT {
                return None;
            }
        }
        if matches!(bytes.get(length), Some(b'.' | b'e' | b'E' | b'+' | b'-')) {
            return None;
        }
        self.rest = bytes.get(length..)?;
        // Fewer than 2^50 in all, at most 28 places.
        (scale <= MOST_PLACES)
            .then(|| Decimal::from_parts(mantissa as u32, (mantissa >> 32) as u32, 0, false, scale as u32))
    }

    /// Passes a number as [`Scanner::decimal`] does, with quotes around it.
    #[inline]
    pub fn quoted_decimal(&mut self) -> Option<Decimal> {
        self.pass("\"")?;
        let value = self.decimal()?;
        self.pass("\"")?;
        Some(value)
    }
}

#[inline]
fn digit_at(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// One more digit behind at most [`MOST_DIGITS`] others, which cannot overflow.
#[inline]
fn push_digit(value: u64, digit: u64) -> u64 {
    value.wrapping_mul(10).wrapping_add(digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::dec;

    #[test]
    fn what_is_expected_is_passed_and_everything_else_is_not() {
        let mut scan = Scanner::new(r#"{"a":"x y","b":120,"c":-7,"d":0.50,"e":false}"#);
        assert_eq!(scan.pass("{\"b\""), None);
        assert_eq!(scan.pass("{\"a\":"), Some(()));
        assert_eq!(scan.string(), Some("x y"));
        assert_eq!(scan.pass(",\"b\":").and_then(|()| scan.unsigned()), Some(120));
        assert_eq!(scan.pass(",\"c\":").and_then(|()| scan.integer()), Some(-7));
        assert_eq!(
            scan.pass(",\"d\":").and_then(|()| scan.decimal()),
            Some(dec!(0.5))
        );
        assert_eq!(scan.pass(",\"e\":").and_then(|()| scan.boolean()), Some(false));
        assert_eq!(scan.end(), None);
        assert_eq!(scan.pass("}").and_then(|()| scan.end()), Some(()));
    }

    #[test]
    fn what_json_does_not_allow_is_not_read() {
        for text in ["", "01", "-0", "1234567890123456789", "+1", "x"] {
            assert_eq!(Scanner::new(text).integer(), None, "{text}");
        }
        for text in ["", ".5", "5.", "00.5", "1.2.3", "-1", "1234567890123456", "."] {
            assert_eq!(Scanner::new(text).decimal(), None, "{text}");
        }
        for text in ["\"", "\"a", "\"a\\n\"", "\"\u{e4}\"", "\"\u{1}\"", "a\""] {
            assert_eq!(Scanner::new(text).string(), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_the_one_that_serde_reads(text in "[0-9]{0,20}(\\.[0-9]{0,20})?") {
            if let Some(value) = Scanner::new(&text).decimal() {
                prop_assert_eq!(value, crate::num::parse_decimal(&text).unwrap());
                prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
            }
            if let Some(value) = Scanner::new(&text).unsigned().filter(|_| !text.contains('.')) {
                prop_assert_eq!(Some(value), serde_json::from_str::<u64>(&text).ok());
            }
        }
    }
}

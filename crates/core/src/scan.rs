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
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// Nothing has been read yet.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Passes this text.
    pub fn pass(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// Passes this text if it comes next.
    pub fn passes(&mut self, expected: &str) -> bool {
        self.pass(expected).is_some()
    }

    /// Passes the end.
    pub fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// Passes as many bytes as the condition holds for.
    fn take(&mut self, limit: usize, within: impl Fn(u8) -> bool) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        let length = bytes
            .iter()
            .position(|byte| !within(*byte))
            .unwrap_or(bytes.len());
        // Between two characters, as every byte taken is ASCII.
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Passes a string of plain letters, digits and signs, and its quotes.
    pub fn string(&mut self) -> Option<&'a str> {
        self.pass("\"")?;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let text = self.take(usize::MAX, plain)?;
        self.pass("\"")?;
        Some(text)
    }

    /// Passes an integer without a sign.
    pub fn unsigned(&mut self) -> Option<u64> {
        let digits = self.take(MOST_DIGITS + 1, |byte| byte.is_ascii_digit())?;
        let one_way = digits == "0" || !digits.starts_with('0');
        if digits.is_empty() || digits.len() > MOST_DIGITS || !one_way {
            return None;
        }
        let add = |value: u64, byte: u8| value * 10 + u64::from(byte - b'0');
        Some(digits.bytes().fold(0, add))
    }

    /// Passes an integer.
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
    pub fn boolean(&mut self) -> Option<bool> {
        if self.passes("true") {
            Some(true)
        } else {
            self.pass("false").map(|()| false)
        }
    }

    /// Passes a number of at most 15 significant digits, without sign and exponent. Its zeros at the end are gone.
    pub fn decimal(&mut self) -> Option<Decimal> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            rest.iter()
                .take(MOST_DIGITS)
                .take_while(|byte| byte.is_ascii_digit())
        };
        let mut mantissa = 0_u64;
        let mut length = 0;
        for byte in digits(0) {
            mantissa = mantissa * 10 + u64::from(byte - b'0');
            length += 1;
        }
        if length == 0 || length > 1 && bytes.first() == Some(&b'0') {
            return None;
        }
        let mut scale = 0;
        if bytes.get(length) == Some(&b'.') {
            length += 1;
            let whole = length;
            let mut zeros = 0;
            for byte in digits(whole) {
                length += 1;
                zeros += 1;
                if *byte != b'0' {
                    // The zeros in front of this digit count now.
                    mantissa = mantissa.checked_mul(*POWERS_OF_TEN.get(zeros)?)?;
                    mantissa = mantissa.checked_add(u64::from(byte - b'0'))?;
                    scale += zeros;
                    zeros = 0;
                }
            }
            if length == whole {
                return None;
            }
        }
        let goes_on = bytes
            .get(length)
            .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        if mantissa >= MANTISSA_LIMIT || goes_on {
            return None;
        }
        self.rest = self.rest.get(length..)?;
        Some(Decimal::new(
            i64::try_from(mantissa).ok()?,
            u32::try_from(scale).ok()?,
        ))
    }
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

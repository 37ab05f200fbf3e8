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

/// Digits that are read at once.
const CHUNK: usize = 8;

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
    #[expect(
        clippy::inline_always,
        reason = "a text known beforehand is compared in whole words"
    )]
    #[inline(always)]
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
        let (value, length) = digits(self.rest)?;
        if length > 1 && self.rest.first() == Some(&b'0') {
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
        let (whole, mut length) = digits(self.rest)?;
        if length > 1 && self.rest.first() == Some(&b'0') {
            return None;
        }
        let (mut part, mut places) = (0, 0);
        if self.rest.get(length) == Some(&b'.') {
            (part, places) = digits(self.rest.get(length + 1..)?)?;
            length += 1 + places;
        }
        if matches!(self.rest.get(length), Some(b'.' | b'e' | b'E' | b'+' | b'-')) {
            return None;
        }
        if part == 0 {
            places = 0;
        } else if part.is_multiple_of(10) {
            for zeros in [8, 4, 2, 1] {
                let power = POWERS_OF_TEN[zeros];
                if places > zeros && part.is_multiple_of(power) {
                    part /= power;
                    places -= zeros;
                }
            }
        }
        let mantissa = whole.checked_mul(POWERS_OF_TEN[places])?.checked_add(part)?;
        if mantissa >= MANTISSA_LIMIT {
            return None;
        }
        self.rest = self.rest.get(length..)?;
        Some(Decimal::new(
            i64::try_from(mantissa).ok()?,
            u32::try_from(places).ok()?,
        ))
    }

    /// Passes a number without exponent that nobody wants to know.
    #[inline]
    pub fn skip_number(&mut self) -> Option<()> {
        self.passes("-");
        let (_, mut length) = digits(self.rest)?;
        if length > 1 && self.rest.first() == Some(&b'0') {
            return None;
        }
        if self.rest.get(length) == Some(&b'.') {
            length += 1 + digits(self.rest.get(length + 1..)?)?.1;
        }
        self.rest = self.rest.get(length..)?;
        Some(())
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

/// Value and number of the digits a text begins with; `None` without one, or for more than [`MOST_DIGITS`].
#[inline]
fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut length) = (0_u64, 0);
    loop {
        let (part, count) = next_digits(text.get(length..)?);
        length += count;
        if length > MOST_DIGITS {
            return None;
        }
        // So many digits always fit.
        value = value.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(part);
        if count < CHUNK || !text.get(length).is_some_and(u8::is_ascii_digit) {
            return (length > 0).then_some((value, length));
        }
    }
}

/// Value and number of the digits a text begins with, at most eight, all at once: reading the numbers of the
/// exchange digit by digit is what takes longest otherwise.
#[inline]
fn next_digits(text: &[u8]) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut bytes = [0; CHUNK];
    if let Some(chunk) = text.first_chunk() {
        bytes = *chunk;
    } else {
        bytes[..text.len()].copy_from_slice(text);
    }
    // The first byte is the lowest. One above 9 has its highest bit set, or sets it by the addition.
    let digits = u64::from_le_bytes(bytes) ^ (EACH * 0x30);
    let others = (digits | digits.wrapping_add(EACH * (0x80 - 10))) & (EACH * 0x80);
    let count = others.trailing_zeros() / 8;
    // Zeros in front instead of what is behind; then neighbours are joined to pairs, pairs to fours, fours to eight.
    let digits = digits.checked_shl(64 - 8 * count).unwrap_or(0);
    let pairs = (digits.wrapping_mul(10).wrapping_add(digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff;
    (eight, count as usize)
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
        fn digits_are_read_up_to_the_first_other_byte(bytes in prop::collection::vec(any::<u8>(), 0..12), digits in "[0-9]{0,9}") {
            let text = [digits.as_bytes(), &bytes].concat();
            let count = text.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            let value = text[..count].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
            prop_assert_eq!(next_digits(&text), (value, count), "{:?}", text);
        }

        #[test]
        fn a_number_is_the_one_that_serde_reads(text in "[0-9]{0,20}(\\.[0-9]{0,20})?") {
            if let Some(value) = Scanner::new(&text).decimal() {
                prop_assert_eq!(value, crate::num::parse_decimal(&text).unwrap());
                prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
            }
            let mut skipped = Scanner::new(&text);
            if skipped.skip_number().and_then(|()| skipped.end()).is_some() {
                prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
            }
            if let Some(value) = Scanner::new(&text).unsigned().filter(|_| !text.contains('.')) {
                prop_assert_eq!(Some(value), serde_json::from_str::<u64>(&text).ok());
            }
        }
    }
}

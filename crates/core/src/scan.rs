//! Reads JSON whose layout is known, from left to right.
//!
//! Nearly all bytes both programs read have one of five layouts: a frame of the stream, a page of trades and a
//! book of the exchange, a book and a minute in Redis. What deviates from its layout in any way, be it a space
//! or another order of fields, is answered with `None`, and the caller reads it with `serde_json`. So this
//! decides nothing: it only spares the work of finding out what is known beforehand. The measure of it is in
//! `docs/benchmarks.md`.

#![expect(
    clippy::inline_always,
    reason = "a message is read in one function: a fifth fewer instructions for a frame than with a call for each of its fields"
)]

use crate::num::amount::Amount;

/// Most digits of an integer, or on one side of the point: so many always fit.
const MOST_DIGITS: usize = 16;

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
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { rest: text.as_ref() }
    }

    /// Number of bytes that have not been read.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Passes this text.
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
    #[inline(always)]
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
    #[inline(always)]
    pub fn boolean(&mut self) -> Option<bool> {
        if self.passes("true") {
            Some(true)
        } else {
            self.pass("false").map(|()| false)
        }
    }

    /// Passes a number of at most 15 significant digits, without sign and exponent.
    #[inline]
    pub(crate) fn amount(&mut self) -> Option<Amount> {
        let (whole, mut length) = digits(self.rest)?;
        if length > 1 && self.rest.first() == Some(&b'0') {
            return None;
        }
        let (mut part, mut places) = (0, 0);
        if self.rest.get(length) == Some(&b'.') {
            let behind = self.rest.get(length + 1..)?;
            let (chunk, count) = aligned(word(behind));
            if count == 0 {
                return None;
            }
            if count < CHUNK || !behind.get(CHUNK).is_some_and(u8::is_ascii_digit) {
                (part, places) = without_zeros(chunk, count);
                length += 1 + count;
            } else {
                (part, places) = digits(behind)?;
                length += 1 + places;
                while places > 0 && part.is_multiple_of(10) {
                    part /= 10;
                    places -= 1;
                }
            }
        }
        if matches!(self.rest.get(length), Some(b'.' | b'e' | b'E' | b'+' | b'-')) {
            return None;
        }
        let mantissa = whole.checked_mul(POWERS_OF_TEN[places])?.checked_add(part)?;
        let amount = Amount::from_digits(mantissa, u32::try_from(places).ok()?)?;
        self.rest = self.rest.get(length..)?;
        Some(amount)
    }

    /// Passes a time in milliseconds, of thirteen digits as from 2001 to 2286.
    #[inline(always)]
    pub fn milliseconds(&mut self) -> Option<i64> {
        let [first, second] = words(self.rest);
        let behind = others(second) & SIX_BYTES;
        if others(first) != 0 || behind != SIXTH_BYTE || self.rest.first() == Some(&b'0') {
            return None;
        }
        self.rest = self.rest.get(CHUNK + 5..)?;
        i64::try_from(joined(first) * 100_000 + joined(second << (8 * (CHUNK - 5)))).ok()
    }

    /// Passes an integer without a sign that nobody wants to know; not a zero.
    #[inline(always)]
    pub fn skip_unsigned(&mut self) -> Option<()> {
        let [first, second] = words(self.rest);
        let length = match digit_count(first) {
            CHUNK => CHUNK + digit_count(second),
            count => count,
        };
        let fits = length < MOST_DIGITS && matches!(first & 0xff, 1..=9);
        self.rest = self.rest.get(length..).filter(|_| fits)?;
        Some(())
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

    /// Passes a number as [`Scanner::amount`] does, with quotes around it.
    #[inline(always)]
    pub(crate) fn quoted_amount(&mut self) -> Option<Amount> {
        if let Some((amount, length)) = eight_places(self.rest) {
            self.rest = self.rest.get(length..)?;
            return Some(amount);
        }
        self.pass("\"")?;
        let value = self.amount()?;
        self.pass("\"")?;
        Some(value)
    }
}

/// A number in quotes with eight places behind the point, as the exchange writes them all, and its length. Of at most
/// seven digits in front: then it has not too many.
#[inline(always)]
fn eight_places(text: &[u8]) -> Option<(Amount, usize)> {
    // Quote, at most seven digits, point, eight digits, quote.
    let text: &[u8; 18] = text.first_chunk()?;
    let (whole, count) = aligned(word(&text[1..]));
    if count == 0 || count == CHUNK || text[0] != b'"' || text[count + 1] != b'.' {
        return None;
    }
    let chunk = word(&text[count + 2..]);
    if others(chunk) != 0 || text[count + 10] != b'"' || (count > 1 && text[1] == b'0') {
        return None;
    }
    let (part, places) = without_zeros(chunk, CHUNK);
    let mantissa = joined(whole) * POWERS_OF_TEN[places] + part;
    Some((
        Amount::from_digits(mantissa, u32::try_from(places).ok()?)?,
        count + 11,
    ))
}

/// Value and number of the places behind a point, from `count` digits as [`aligned`] has them, without the zeros at
/// their end, which are its highest bytes.
#[inline]
fn without_zeros(digits: u64, count: usize) -> (u64, usize) {
    let zeros = (digits.leading_zeros() / 8) as usize;
    if zeros < count {
        (joined(digits << (8 * zeros)), count - zeros)
    } else {
        (0, 0)
    }
}

/// Value and number of the digits a text begins with; `None` without one, or for more than [`MOST_DIGITS`].
#[inline(always)]
fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let [first, second] = words(text);
    let (chunk, count) = aligned(first);
    let value = joined(chunk);
    if count < CHUNK {
        return (count > 0).then_some((value, count));
    }
    let (chunk, more) = aligned(second);
    if more == CHUNK && text.get(MOST_DIGITS).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((value * POWERS_OF_TEN[more] + joined(chunk), CHUNK + more))
}

/// One in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The lower half of sixteen bytes.
const LOWER: u128 = 0xffff_ffff_ffff_ffff;

/// The highest bit of each of six bytes, and of the sixth.
const SIX_BYTES: u64 = 0x8080_8080_8080;
const SIXTH_BYTE: u64 = 0x8000_0000_0000;

/// What makes a digit readable, in each byte.
const ZEROS: u64 = EACH * 0x30;

/// The first eight bytes of a text, less what makes a digit readable; the first byte is the lowest.
#[inline]
fn word(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes) ^ ZEROS,
        None => words(text)[0],
    }
}

/// The first sixteen bytes in two words.
#[inline]
fn words(text: &[u8]) -> [u64; 2] {
    let bytes = match text.first_chunk() {
        Some(bytes) => *bytes,
        None => padded(text),
    };
    let both = u128::from_le_bytes(bytes);
    [(both & LOWER) as u64, (both >> 64) as u64].map(|word| word ^ ZEROS)
}

/// The end of a text, with what is no digit behind it.
#[cold]
fn padded(text: &[u8]) -> [u8; MOST_DIGITS] {
    let mut bytes = [0; MOST_DIGITS];
    for (byte, of_text) in bytes.iter_mut().zip(text) {
        *byte = *of_text;
    }
    bytes
}

/// The highest bit of each byte that is no digit. One above 9 has it set, or sets it by the addition.
#[inline]
fn others(word: u64) -> u64 {
    (word | word.wrapping_add(EACH * (0x80 - 10))) & (EACH * 0x80)
}

/// How many digits a word begins with.
#[inline]
fn digit_count(word: u64) -> usize {
    (others(word).trailing_zeros() / 8) as usize
}

/// The digits a word begins with, at most eight, and how many they are: one in each byte, the last of them in the
/// highest, and zeros in front. Reading the numbers of the exchange one by one is what takes longest otherwise.
#[inline]
fn aligned(word: u64) -> (u64, usize) {
    let others = others(word);
    if others == 0 {
        return (word, CHUNK);
    }
    let bits = others.trailing_zeros() & !7;
    // Twice, because a shift by all 64 bits is none.
    (word << (56 - bits) << 8, (bits / 8) as usize)
}

/// The number that eight digits make: neighbours are joined to pairs, pairs to fours, fours to eight.
#[inline]
fn joined(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10).wrapping_add(digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff
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
            scan.pass(",\"d\":").and_then(|()| scan.amount()).map(Amount::get),
            Some(dec!(0.5))
        );
        assert_eq!(scan.pass(",\"e\":").and_then(|()| scan.boolean()), Some(false));
        assert_eq!(scan.end(), None);
        assert_eq!(scan.pass("}").and_then(|()| scan.end()), Some(()));
    }

    #[test]
    fn what_json_does_not_allow_is_not_read() {
        for text in ["", "01", "-0", "12345678901234567", "+1", "x"] {
            assert_eq!(Scanner::new(text).integer(), None, "{text}");
        }
        for text in ["", ".5", "5.", "00.5", "1.2.3", "-1", "1234567890123456", "."] {
            assert_eq!(Scanner::new(text).amount().map(Amount::get), None, "{text}");
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
            let (digits, length) = aligned(word(&text));
            prop_assert_eq!((joined(digits), length), (value, count), "{:?}", text);
        }

        #[test]
        fn a_time_is_the_integer_of_thirteen_digits(text in "[0-9]{12,14}", rest in "[,}]?[0-9]{0,9}") {
            let text = format!("{text}{rest}");
            let (mut scan, mut integer) = (Scanner::new(&text), Scanner::new(&text));
            let value = integer.integer().filter(|value| value.to_string().len() == 13);
            prop_assert_eq!(scan.milliseconds(), value);
            if value.is_some() {
                prop_assert_eq!(scan.rest, integer.rest);
            }
        }

        #[test]
        fn a_quoted_number_is_the_same_without_its_quotes(text in "[0-9]{0,9}\\.[0-9]{7,9}", rest in "[\\]},0-9]{0,9}") {
            let quoted = format!("\"{text}\"{rest}");
            let mut scan = Scanner::new(&quoted);
            let read = scan.quoted_amount().map(Amount::get);
            let mut plain = Scanner::new(&text);
            let expected = plain.amount().filter(|_| plain.end().is_some()).map(Amount::get);
            prop_assert_eq!(read, expected);
            if read.is_some() {
                prop_assert_eq!(scan.rest, rest.as_bytes());
            }
        }

        #[test]
        fn a_number_is_the_one_that_serde_reads(text in "[0-9]{0,20}(\\.[0-9]{0,20})?") {
            if let Some(value) = Scanner::new(&text).amount() {
                prop_assert_eq!(value.get(), crate::num::parse_decimal(&text).unwrap());
                prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
            }
            let mut skipped = Scanner::new(&text);
            if skipped.skip_number().and_then(|()| skipped.end()).is_some() {
                prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok(), "{}", text);
            }
            let mut skipped = Scanner::new(&text);
            let mut read = Scanner::new(&text);
            if skipped.skip_unsigned().is_some() {
                prop_assert!(read.unsigned().is_some());
                prop_assert_eq!(skipped.rest, read.rest);
            }
            if let Some(value) = Scanner::new(&text).unsigned().filter(|_| !text.contains('.')) {
                prop_assert_eq!(Some(value), serde_json::from_str::<u64>(&text).ok());
            }
        }
    }
}

//! Amounts as integers of 1e-8, and their text as the exchange writes it.
//!
//! The simulator computes prices and quantities in whole hundred-millionths: no decimals in hot loops.

use rust_decimal::Decimal;

/// Units of 1e-8 in one.
pub const ONE: u64 = 100_000_000;

/// Units of 1e-8 in one cent, the tick of the simulated market.
pub const CENT: u64 = ONE / 100;

/// Units of 1e-8 in the smallest step of a quantity, 0.00001.
pub const LOT: u64 = ONE / 100_000;

/// Appends the exchange's text with eight decimals, for instance `113558.12000000`.
pub fn push_fixed8(out: &mut String, amount_e8: u64) {
    push_integer(out, amount_e8 / ONE);
    out.push('.');
    let mut digits = [b'0'; 8];
    let mut rest = amount_e8 % ONE;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// Appends a whole number.
pub(crate) fn push_integer(out: &mut String, value: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// The exact decimal.
pub fn to_decimal(amount_e8: u64) -> Decimal {
    Decimal::from_i128_with_scale(i128::from(amount_e8), 8)
}

/// Reads the exchange's text; none if it is not a plain decimal with at most eight decimals.
pub fn parse(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 8 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<8}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(ONE)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_amount_survives_its_text(amount in 0..u64::MAX / 2) {
            let mut text = String::new();
            push_fixed8(&mut text, amount);
            prop_assert_eq!(parse(&text), Some(amount));
            prop_assert_eq!(to_decimal(amount).to_string(), text);
        }
    }

    #[test]
    fn text_has_eight_decimals_and_reads_back() {
        for (amount, text) in [
            (11_355_812 * CENT, "113558.12000000"),
            (5 * LOT, "0.00005000"),
            (0, "0.00000000"),
            (ONE, "1.00000000"),
        ] {
            let mut out = String::new();
            push_fixed8(&mut out, amount);
            assert_eq!(out, text);
            assert_eq!(parse(text), Some(amount));
        }
        assert_eq!(parse("0.086205"), Some(8_620_500));
        for text in ["", ".5", "-1", "1e3", "0.123456789", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

//! JSON text as it is stored: amounts as plain numbers, never `5e-5`, never float noise.
//!
//! Everything that goes to Redis, to `storage/` or into the recommendation log is written here, so that
//! a number looks the same wherever it is read, and so that no file steers the terminal it is shown on.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::visible;

/// One document on one line.
///
/// # Errors
/// When a value refuses to be written, for instance an amount with too many digits.
pub fn to_string<T: Serialize>(value: &T) -> serde_json::Result<String> {
    write(value, PlainNumbers(CompactFormatter))
}

/// One document over several lines, indented by two spaces, as the files of `storage/` are.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_pretty<T: Serialize>(value: &T) -> serde_json::Result<String> {
    write(value, PlainNumbers(PrettyFormatter::new()))
}

fn write<T: Serialize, F: Formatter>(value: &T, formatter: PlainNumbers<F>) -> serde_json::Result<String> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    let text = String::from_utf8(bytes).map_err(serde::ser::Error::custom)?;
    Ok(match visible::json(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(safe) => safe,
    })
}

/// Prints doubles without an exponent; leaves everything else to the inner formatter.
struct PlainNumbers<F>(F);

macro_rules! forward {
    ($($method:ident($($argument:ident: $kind:ty),*)),* $(,)?) => {
        $(fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for PlainNumbers<F> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // The shortest text that reads back as the same double, as `Display` of `f64` prints it.
        write!(writer, "{value}")
    }

    forward! {
        begin_array(), end_array(), begin_array_value(first: bool), end_array_value(),
        begin_object(), end_object(), begin_object_key(first: bool), end_object_key(),
        begin_object_value(), end_object_value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Number;
    use proptest::prelude::*;
    use rust_decimal::{Decimal, dec};

    #[test]
    fn numbers_are_plain() {
        assert_eq!(
            to_string(&(0.000_05, 110_176.0, 0.1 + 0.2, 3)).unwrap(),
            "[0.00005,110176,0.30000000000000004,3]"
        );
    }

    #[test]
    fn text_that_steers_a_terminal_is_escaped() {
        assert_eq!(to_string(&"\u{9b}2J\u{1b}").unwrap(), r#""\u009b2J\u001b""#);
    }

    #[test]
    fn pretty_text_is_indented_by_two_spaces() {
        assert_eq!(to_string_pretty(&[1.5]).unwrap(), "[\n  1.5\n]");
    }

    #[test]
    fn a_sum_of_any_size_is_written_with_its_first_fifteen_digits() {
        let text = |value: Decimal| to_string(&Number::new(value)).unwrap();
        assert_eq!(text(dec!(123456789012345678)), "123456789012346000");
        assert_eq!(text(dec!(-360000000000000000.5)), "-360000000000000000");
        assert_eq!(text(Decimal::MAX), "79228162514264300000000000000");
    }

    proptest! {
        #[test]
        fn every_number_of_a_report_can_be_written(high in any::<u32>(), low in any::<u64>(), scale in 0_u32..=28) {
            let mantissa = (i128::from(high) << 64) | i128::from(low);
            let number = Number::new(Decimal::from_i128_with_scale(mantissa, scale));
            let text = to_string(&number).unwrap();
            let digits = text.trim_start_matches(['0', '.']).replace('.', "");
            prop_assert!(digits.trim_end_matches('0').len() <= 15, "{}", text);
            // A double keeps 15 digits, whatever stands before and behind them.
            prop_assert_eq!(text.parse::<Decimal>().unwrap(), number.get());
        }
    }
}

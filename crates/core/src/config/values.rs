//! Typed values of a section: each checked, each with its default.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use rust_decimal::Decimal;

use super::node::Node;
use super::reader::Section;
use super::url::checked_url;
use crate::num::{SIGNIFICANT_DIGITS, parse_decimal, to_f64};

impl Section<'_> {
    /// Text without control characters, trimmed.
    pub(super) fn text(&mut self, key: &'static str, default: &str) -> String {
        let Some(given) = self.given(key) else {
            return default.to_owned();
        };
        let Node::Text(text) = &given.node else {
            self.wrong_type(key, "text", &given);
            return default.to_owned();
        };
        if text.chars().any(char::is_control) {
            self.problem(key, "contains a control character");
            return default.to_owned();
        }
        text.trim().to_owned()
    }

    /// Text that must not be empty.
    pub(super) fn required_text(&mut self, key: &'static str, default: &str) -> String {
        let text = self.text(key, default);
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return default.to_owned();
        }
        text
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let Some(given) = self.given(key) else {
            return default;
        };
        match (&given.node, given.expanded) {
            (Node::Bool(value), _) => return *value,
            (Node::Text(text), true) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => return true,
                "false" => return false,
                _ => {}
            },
            _ => {}
        }
        self.wrong_type(key, "true or false", &given);
        default
    }

    /// An integer in a range.
    pub(super) fn integer<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + fmt::Display + TryFrom<i128>,
    {
        let Some(given) = self.given(key) else {
            return default;
        };
        let value = match (&given.node, given.expanded) {
            (Node::Integer(value), _) => Some(*value),
            (Node::Text(text), true) => text.trim().parse::<i128>().ok(),
            _ => None,
        };
        let Some(value) = value else {
            let (low, high) = (range.start(), range.end());
            self.wrong_type(key, format_args!("an integer from {low} to {high}"), &given);
            return default;
        };
        match T::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                self.out_of_range(key, value, range.start(), range.end());
                default
            }
        }
    }

    /// An exact number in a range.
    pub(super) fn decimal(
        &mut self,
        key: &'static str,
        default: Decimal,
        range: RangeInclusive<Decimal>,
    ) -> Decimal {
        let Some(given) = self.given(key) else {
            return default;
        };
        let value = match (&given.node, given.expanded) {
            (Node::Integer(value), _) => Decimal::try_from_i128_with_scale(*value, 0).ok(),
            // The shortest text of the double: what stood in the file, up to 15 digits.
            (Node::Float(value), _) => parse_decimal(&value.to_string()).ok(),
            (Node::Text(text), true) => parse_decimal(text.trim()).ok(),
            _ => None,
        };
        let Some(value) = value else {
            let (low, high) = (range.start(), range.end());
            self.wrong_type(
                key,
                format_args!("a number from {low} to {high} of at most {SIGNIFICANT_DIGITS} digits"),
                &given,
            );
            return default;
        };
        if range.contains(&value) {
            value.normalize()
        } else {
            self.out_of_range(key, value, range.start(), range.end());
            default
        }
    }

    /// A double in a range, for shares and thresholds.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: Decimal,
        range: RangeInclusive<Decimal>,
    ) -> f64 {
        to_f64(self.decimal(key, default, range))
    }

    /// A duration given in seconds, fractions allowed.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Duration {
        let range = Decimal::from(*range.start())..=Decimal::from(*range.end());
        Duration::from_secs_f64(self.number(key, Decimal::from(default), range))
    }

    fn out_of_range(
        &self,
        key: &str,
        value: impl fmt::Display,
        low: impl fmt::Display,
        high: impl fmt::Display,
    ) {
        self.problem(key, format_args!("{value} is out of range, {low} to {high}"));
    }

    /// One of a few words, in any case.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, choices: &[(&str, T)]) -> T {
        let Some(given) = self.given(key) else {
            return default;
        };
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of {}", words.join(", "));
        let Node::Text(text) = &given.node else {
            self.wrong_type(key, expected, &given);
            return default;
        };
        let chosen = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        if let Some((_, chosen)) = chosen {
            return *chosen;
        }
        self.wrong_type(key, expected, &given);
        default
    }

    /// A URL with one of these schemes, its trailing slashes removed.
    pub(super) fn url(&mut self, key: &'static str, default: &str, schemes: &[&str]) -> String {
        let text = self.text(key, default);
        match checked_url(&text, schemes) {
            Ok(url) => url,
            Err(message) => {
                self.problem(key, message);
                default.to_owned()
            }
        }
    }
}

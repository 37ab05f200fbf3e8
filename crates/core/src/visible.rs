//! Foreign text made fit for a terminal and for a line of a log. Pure.
//!
//! Text of the exchange, of Redis, of the model and of files may hold anything. What must stay true: nothing
//! that leaves a program for a person passes on a character that steers a terminal or changes the direction
//! of text. Everything else stays as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

/// True for control characters and those that change the direction of text or break its lines.
pub fn is_steering(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// One line: line feeds are escaped too.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_steering)
}

/// Several lines, with their line feeds and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| {
        !matches!(letter, '\n' | '\t') && is_steering(letter)
    })
}

/// JSON text, which stays the same document: but for white space such characters can only stand inside its
/// strings.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_raw = |letter: char| letter != '\n' && is_steering(letter);
    if !text.contains(is_raw) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_ascii_whitespace() && is_raw(letter) {
            safe.push(' ');
        } else if is_raw(letter) {
            // All of them lie in the basic plane. Writing to a string does not fail.
            let _infallible = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

fn escaped(text: &str, is_raw: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_raw) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_raw(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_the_rest_is_left_alone() {
        assert_eq!(line("a\u{1b}[31mb\nc\u{9b}2J"), "a\\u{1b}[31mb\\nc\\u{9b}2J");
        assert_eq!(lines("one\r\ntwo\u{202e}"), "one\\r\ntwo\\u{202e}");
        assert!(matches!(line("价格 110,176 €"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_document() {
        let document = serde_json::json!({"a\u{9b}": ["\u{1b}[2J", "\u{7f}", "\u{202e}x", "价"]});
        let text = serde_json::to_string_pretty(&document).unwrap();
        let safe = json(&text);
        assert_eq!(safe.lines().count(), text.lines().count());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            document
        );
        assert!(
            !safe.contains(|letter| letter != '\n' && is_steering(letter)),
            "{safe:?}"
        );
        assert_eq!(json("{\r\n\t\"a\":1}"), "{ \n \"a\":1}");
    }

    proptest! {
        #[test]
        fn nothing_raw_is_left(text in "\\PC*|[\\x00-\\x1f\\x7f-\\x9f\u{2028}\u{202e}a]{0,50}") {
            prop_assert!(!line(&text).contains(is_steering));
            prop_assert!(!lines(&text).contains(|letter| !matches!(letter, '\n' | '\t') && is_steering(letter)));
        }

        #[test]
        fn any_json_string_survives(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json(&written)).unwrap(), text);
        }
    }
}

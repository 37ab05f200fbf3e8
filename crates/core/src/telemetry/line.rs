//! How a log line reads. Pure.
//!
//! `2026-11-22T06:14:00.123456Z  INFO analyzer cycle{id=7} recommendation written action=BUY elapsed_ms=12`
//!
//! What must stay true: one line per event; no control character, and none that changes the direction of
//! text, reaches a terminal or the file.

use std::error::Error;
use std::fmt::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::visible;

/// Longest text of one value, in characters; the rest is cut.
const MAX_VALUE: usize = 4000;

/// Most causes of an error that are printed.
const MAX_CAUSES: usize = 8;

/// The message and the fields of an event or a span, already escaped.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: String,
    pairs: String,
}

impl Fields {
    pub(super) fn of_message(message: &str) -> Self {
        Self {
            message: escaped(message),
            pairs: String::new(),
        }
    }

    /// The message alone.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// Appends `{name=value …}`, or nothing when there are no fields.
    pub(super) fn append_braced(&self, text: &mut String) {
        if !self.pairs.is_empty() {
            text.extend(["{", &self.pairs, "}"]);
        }
    }

    fn push(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = escaped(value);
            return;
        }
        // Fields of the log bridge repeat what the line has.
        if field.name().starts_with("log.") {
            return;
        }
        if !self.pairs.is_empty() {
            self.pairs.push(' ');
        }
        self.pairs.extend([field.name(), "=", &escaped(value)]);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && !value.contains([' ', '"', '=', '{', '}']);
        if plain || field.name() == "message" {
            self.push(field, value);
        } else {
            self.push(field, &format!("\"{}\"", value.replace('"', "\\\"")));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.push(field, &format!("\"{}\"", chain(value)));
    }
}

/// An error with its causes, as `what: why: why that`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(error) = cause else { break };
        let reason = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.ends_with(&reason) {
            text.extend([": ", &reason]);
        }
        cause = error.source();
    }
    text
}

/// The text with everything escaped that could break a line or steer a terminal, cut at [`MAX_VALUE`].
fn escaped(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => visible::line(&text[..end]).into_owned() + "…",
        None => visible::line(text).into_owned(),
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As in the file.
    Plain,
    /// With colours, for a terminal.
    Colours,
    /// Behind its priority, which systemd's journal takes for its own (`man sd-daemon`, 2026-11).
    Journal,
}

/// One log line in its parts.
#[derive(Debug)]
pub(super) struct Line {
    at: String,
    level: Level,
    rest: String,
}

impl Line {
    /// `spans` is empty or ends with a space.
    pub(super) fn new(at: DateTime<Utc>, level: Level, program: &str, spans: &str, fields: &Fields) -> Self {
        let mut rest = format!("{program} {spans}{}", fields.message);
        if !fields.pairs.is_empty() {
            rest.extend([" ", &fields.pairs]);
        }
        Self {
            at: at.to_rfc3339_opts(SecondsFormat::Micros, true),
            level,
            rest,
        }
    }

    /// The line with its line feed.
    pub(super) fn text(&self, form: Form) -> String {
        let Self { at, level, rest } = self;
        let mut text = String::with_capacity(at.len() + rest.len() + 24);
        let (colour, priority) = match *level {
            Level::ERROR => (31, 3),
            Level::WARN => (33, 4),
            Level::INFO => (32, 6),
            _ => (34, 7),
        };
        // Writing to a string does not fail.
        let _infallible = match form {
            Form::Plain => writeln!(text, "{at} {level:>5} {rest}"),
            Form::Colours => writeln!(
                text,
                "\u{1b}[2m{at}\u{1b}[0m \u{1b}[{colour}m{level:>5}\u{1b}[0m {rest}"
            ),
            Form::Journal => writeln!(text, "<{priority}>{at} {level:>5} {rest}"),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_has_time_level_program_message_and_fields() {
        let fields = Fields {
            message: "recommendation written".to_owned(),
            pairs: "action=BUY".to_owned(),
        };
        let at = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
        let line = Line::new(at, Level::INFO, "analyzer", "cycle{id=7} ", &fields);
        assert_eq!(
            line.text(Form::Plain),
            "2025-11-22T06:14:00.123456Z  INFO analyzer cycle{id=7} recommendation written action=BUY\n"
        );
        assert!(line.text(Form::Colours).contains("\u{1b}[32m INFO\u{1b}[0m"));
        assert_eq!(line.text(Form::Journal), format!("<6>{}", line.text(Form::Plain)));
    }

    #[test]
    fn an_error_is_printed_with_its_causes_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("the file cannot be read")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("no space"));
        assert_eq!(chain(&error), "the file cannot be read: no space");
    }

    proptest! {
        #[test]
        fn nothing_breaks_a_line_or_steers_a_terminal(text in "\\PC*|[\\x00-\\x1f\\x7f-\\x9f\u{2028}\u{202e}a]{0,50}") {
            let safe = escaped(&text);
            let unsafe_letters = safe.chars().filter(|letter| letter.is_control() || *letter == '\u{202e}');
            prop_assert_eq!(unsafe_letters.count(), 0);
        }
    }
}

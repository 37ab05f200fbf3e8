//! Finds the one JSON object with an action in a text: plain, fenced, wrapped, or with prose around it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::ReplyError;

/// Longest text that is searched, in bytes; a real answer has a few hundred.
const MAX_TEXT: usize = 64 * 1024;

/// Most objects, and most open braces without an end, that are looked at.
const MAX_OBJECTS: usize = 32;

/// The fields of an object in their order, names in lower case, duplicates kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// The value of a field that must be there, once, and not be null.
    pub(super) fn required(&self, name: &'static str) -> Result<&Value, ReplyError> {
        let mut matching = self.0.iter().filter(|(field, _)| field == name);
        match (matching.next(), matching.next()) {
            (Some((_, Value::Null)) | None, None) => Err(ReplyError::Missing(name)),
            (Some((_, value)), None) => Ok(value),
            _ => Err(ReplyError::Twice(name.to_owned())),
        }
    }

    fn has_action(&self) -> bool {
        self.0.iter().any(|(name, _)| name == "action")
    }

    /// The only object inside an object that holds nothing else of interest: `{"result": {…}}`.
    fn unwrapped(self, text: &str) -> Option<Self> {
        if self.has_action() {
            return Some(self);
        }
        let objects = self.0.iter().filter(|(_, value)| value.is_object()).count();
        if objects != 1 {
            return None;
        }
        // Read again from the text, so that duplicates inside are seen.
        let inner = text.get(1..).and_then(|rest| spans(rest).next())?;
        serde_json::from_str::<Self>(inner).ok().filter(Self::has_action)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    fields.push((name.trim().to_lowercase(), value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The object of the answer.
///
/// # Errors
/// [`ReplyError::TooLong`], [`ReplyError::NoObject`] or [`ReplyError::Ambiguous`].
pub(super) fn object(text: &str) -> Result<Fields, ReplyError> {
    if text.len() > MAX_TEXT {
        return Err(ReplyError::TooLong(text.len()));
    }
    let mut found: Option<Fields> = None;
    for span in spans(text).take(MAX_OBJECTS) {
        let Ok(fields) = serde_json::from_str::<Fields>(span) else {
            continue;
        };
        let Some(fields) = fields.unwrapped(span) else {
            continue;
        };
        match &found {
            // The same object again, for instance once in prose and once fenced.
            Some(earlier) if *earlier == fields => {}
            Some(_) => return Err(ReplyError::Ambiguous),
            None => found = Some(fields),
        }
    }
    found.ok_or(ReplyError::NoObject)
}

/// The stretches of text from a `{` to its matching `}`, outermost only, braces inside strings skipped.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut unclosed = 0;
    std::iter::from_fn(move || {
        while unclosed < MAX_OBJECTS {
            let start = rest.find('{')?;
            let from = &rest[start..];
            if let Some(length) = balanced(from) {
                rest = &from[length..];
                return Some(&from[..length]);
            }
            // Not closed: a brace of the prose, or a cut object. What follows may still be one.
            rest = &from[1..];
            unclosed += 1;
        }
        None
    })
}

/// Length of the object at the start of `text`; `None` when it does not end.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<usize, ReplyError> {
        object(text).map(|fields| fields.0.len())
    }

    #[test]
    fn one_object_is_found_wherever_it_stands() {
        for text in [
            r#"{"action":"BUY"}"#,
            "```json\n{\"action\":\"BUY\"}\n```",
            r#"I think {so}: {"action":"BUY"} is best."#,
            r#"{"result": {"ACTION":"BUY"}}"#,
            r#"{"action":"BUY"} or again {"action":"BUY"}"#,
            r#"[{"action":"BUY"}]"#,
        ] {
            assert_eq!(found(text), Ok(1), "{text}");
        }
        assert_eq!(found(r#"{"action":"BUY","why":"} {"}"#), Ok(2));
    }

    #[test]
    fn no_object_and_several_are_told_apart() {
        for text in [
            "",
            "buy",
            r#"{"action":"BUY""#,
            r#"{"price":1}"#,
            "{}{}",
            r#"{action:"BUY"}"#,
        ] {
            assert_eq!(found(text), Err(ReplyError::NoObject), "{text}");
        }
        let two = r#"{"action":"BUY"} {"action":"SELL"}"#;
        assert_eq!(found(two), Err(ReplyError::Ambiguous));
    }

    #[test]
    fn many_open_braces_do_not_take_long() {
        assert_eq!(found(&"{".repeat(MAX_TEXT)), Err(ReplyError::NoObject));
        let long = format!("{}{{\"action\":\"BUY\"}}", " ".repeat(MAX_TEXT));
        assert_eq!(found(&long), Err(ReplyError::TooLong(MAX_TEXT + 16)));
    }
}

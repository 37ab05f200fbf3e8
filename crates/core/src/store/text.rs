//! Text that Redis answers, whatever bytes somebody put there.

use redis::{FromRedisValue, ParsingError, Value};

/// A text of which bytes that are none are shown as `�`: it is judged by whoever wanted to know it, and one foreign element does
/// not keep the others from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromRedisValue for Text {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::BulkString(bytes) => Ok(Self(match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            })),
            other => String::from_redis_value(other).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_and_others_are_kept() {
        let read = |bytes: &[u8]| Text::from_redis_value(Value::BulkString(bytes.to_vec()));
        assert_eq!(read("grün".as_bytes()).unwrap(), Text("grün".to_owned()));
        assert_eq!(read(b"a\xffb").unwrap(), Text("a\u{fffd}b".to_owned()));
        assert_eq!(
            Text::from_redis_value(Value::SimpleString("OK".to_owned())).unwrap(),
            Text("OK".to_owned())
        );
        assert!(Text::from_redis_value(Value::Array(Vec::new())).is_err());
    }
}

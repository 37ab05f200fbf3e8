//! What a client may say on a stream connection, and the answers.

use serde_json::{Value, json};

/// Most streams of one connection.
const MAX_STREAMS: usize = 1024;

/// Subscriptions and properties of one connection.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    streams: Vec<String>,
    /// Frames have the form `{"stream":..,"data":..}`.
    pub(super) combined: bool,
}

impl Subscriptions {
    pub(super) fn new(streams: Vec<String>, combined: bool) -> Self {
        Self { streams, combined }
    }

    pub(super) fn contains(&self, stream: &str) -> bool {
        self.streams.iter().any(|known| known == stream)
    }

    /// Does what a message asks for and returns the answer. Acknowledgements are never wrapped.
    pub(super) fn handle(&mut self, text: &str) -> String {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return json!({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}).to_string();
        };
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        match self.perform(&message, &id) {
            Ok(result) => json!({"result": result, "id": id}).to_string(),
            Err((code, text)) => {
                let id = if legal_id(&id) { id } else { Value::Null };
                json!({"code": code, "msg": text, "id": id}).to_string()
            }
        }
    }

    fn perform(&mut self, message: &Value, id: &Value) -> Result<Value, (i32, String)> {
        let invalid = |reason: &str| (2, format!("Invalid request: {reason}"));
        if !message.is_object() {
            return Err(invalid("request must be an object"));
        }
        if !legal_id(id) {
            return Err(invalid(
                "request ID must be an integer, an alphanumeric string of at most 36 characters, or null",
            ));
        }
        let method = message
            .get("method")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("missing field `method`"))?;
        let params = message.get("params").cloned().unwrap_or(Value::Null);
        match method {
            "SUBSCRIBE" => {
                for stream in
                    stream_names(&params).ok_or_else(|| invalid("params must be an array of strings"))?
                {
                    if !self.streams.contains(&stream) {
                        self.streams.push(stream);
                    }
                }
                if self.streams.len() > MAX_STREAMS {
                    self.streams.truncate(MAX_STREAMS);
                    return Err(invalid("too many streams, at most 1024 are allowed"));
                }
                Ok(Value::Null)
            }
            "UNSUBSCRIBE" => {
                let gone =
                    stream_names(&params).ok_or_else(|| invalid("params must be an array of strings"))?;
                self.streams.retain(|stream| !gone.contains(stream));
                Ok(Value::Null)
            }
            "LIST_SUBSCRIPTIONS" => Ok(json!(self.streams)),
            "SET_PROPERTY" if params[0] == "combined" => {
                self.combined = params[1]
                    .as_bool()
                    .ok_or_else(|| invalid("value must be a boolean"))?;
                Ok(Value::Null)
            }
            "GET_PROPERTY" if params[0] == "combined" => Ok(json!(self.combined)),
            "SET_PROPERTY" | "GET_PROPERTY" => Err((0, "Unknown property".to_owned())),
            other => Err(invalid(&format!(
                "unknown variant `{other}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
            ))),
        }
    }
}

fn stream_names(params: &Value) -> Option<Vec<String>> {
    params
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(ToOwned::to_owned))
        .collect()
}

fn legal_id(id: &Value) -> bool {
    match id {
        Value::Null => true,
        Value::Number(number) => number.is_i64(),
        Value::String(text) => text.len() <= 36 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_answered_in_its_documented_form() {
        let mut subscriptions = Subscriptions::default();
        for (request, answer) in [
            (
                r#"{"method":"SUBSCRIBE","params":["btcfdusd@aggTrade","x@depth"],"id":1}"#,
                r#"{"id":1,"result":null}"#,
            ),
            (
                r#"{"method":"LIST_SUBSCRIPTIONS","id":"a3"}"#,
                r#"{"id":"a3","result":["btcfdusd@aggTrade","x@depth"]}"#,
            ),
            (
                r#"{"method":"UNSUBSCRIBE","params":["x@depth"],"id":312}"#,
                r#"{"id":312,"result":null}"#,
            ),
            (
                r#"{"method":"LIST_SUBSCRIPTIONS","id":null}"#,
                r#"{"id":null,"result":["btcfdusd@aggTrade"]}"#,
            ),
            (
                r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#,
                r#"{"id":2,"result":false}"#,
            ),
            (
                r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#,
                r#"{"id":5,"result":null}"#,
            ),
            (
                r#"{"method":"GET_PROPERTY","params":["other"],"id":6}"#,
                r#"{"code":0,"id":6,"msg":"Unknown property"}"#,
            ),
            (
                "no json",
                r#"{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}"#,
            ),
        ] {
            assert_eq!(subscriptions.handle(request), answer, "{request}");
        }
        assert!(subscriptions.combined);
        for refused in [
            "[]",
            r#"{"id":1}"#,
            r#"{"method":"DANCE","id":1}"#,
            r#"{"method":"SUBSCRIBE","params":"x","id":1}"#,
            r#"{"method":"SUBSCRIBE","params":["x"],"id":1.5}"#,
        ] {
            assert!(
                subscriptions.handle(refused).starts_with(r#"{"code":2,"#),
                "{refused}"
            );
        }
    }
}

//! Chat completions as they are on the wire: strict in what is sent, lenient in what is read. Pure.
//!
//! The answer is picked out of any JSON value, because real answers break every typed schema: unknown
//! `finish_reason`s, missing ids, `null` content, an error with status 200.
//!
//! Source: the vendor's API reference, chat completions, as of 2026-09-10.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Value;

/// A request for one turn of the conversation.
///
/// The order of the fields is fixed and what changes comes last in `messages`, so that the vendor's
/// prefix cache works.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// Model id.
    pub model: String,
    /// Thinking on or off; the vendor's default is on, so it is always said.
    pub thinking: Thinking,
    /// Sampling temperature, 0..2; left out when thinking, where it has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Most tokens of the answer, reasoning included.
    pub max_tokens: u32,
    /// Always false: one short answer a minute needs no stream.
    pub stream: bool,
    /// The tools, the same in every request.
    pub tools: Value,
    /// `auto` while tools may be called, `none` in the last round.
    pub tool_choice: &'static str,
    /// Asks for a JSON object; only in the last round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// The conversation so far.
    pub messages: Vec<Message>,
}

/// Whether the model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Thinking {
    /// Slower, dearer, not steered by temperature.
    Enabled,
    /// The answer at once.
    Disabled,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Instructions, the same in every request.
    System(String),
    /// From this program.
    User(String),
    /// From the model, sent back as it came.
    Assistant(AssistantMessage),
    /// The answer to one tool call.
    Tool {
        /// Id of the call.
        call_id: String,
        /// JSON text, never empty.
        content: String,
    },
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::System(content) => {
                map.serialize_entry("role", "system")?;
                map.serialize_entry("content", content)?;
            }
            Self::User(content) => {
                map.serialize_entry("role", "user")?;
                map.serialize_entry("content", content)?;
            }
            Self::Assistant(message) => {
                map.serialize_entry("role", "assistant")?;
                // Never null: null without tool calls is refused.
                map.serialize_entry("content", &message.content)?;
                if let Some(reasoning) = &message.reasoning_content {
                    map.serialize_entry("reasoning_content", reasoning)?;
                }
                if !message.tool_calls.is_empty() {
                    map.serialize_entry("tool_calls", &message.tool_calls)?;
                }
            }
            Self::Tool { call_id, content } => {
                map.serialize_entry("role", "tool")?;
                map.serialize_entry("tool_call_id", call_id)?;
                map.serialize_entry("content", content)?;
            }
        }
        map.end()
    }
}

/// What the model said in one turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssistantMessage {
    /// Text; empty when there is none.
    pub content: String,
    /// Must go back unchanged while thinking, even when it is empty.
    pub reasoning_content: Option<String>,
    /// The calls as received, with an id added where one was missing.
    pub tool_calls: Vec<Value>,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Id the answer must carry.
    pub id: String,
    /// Name of the function.
    pub name: String,
    /// Arguments as received; usually a JSON text, possibly broken.
    pub arguments: String,
}

/// One turn of the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turn {
    /// What was said.
    pub message: AssistantMessage,
    /// Why it ended; empty when missing.
    pub finish_reason: String,
    /// The model declined, in the form other vendors use.
    pub refused: bool,
    /// The model that answered.
    pub model: Option<String>,
    /// Version of the model behind its name.
    pub fingerprint: Option<String>,
    /// Tokens used; none where the answer does not state them, or absurdly.
    pub usage: Option<Usage>,
}

/// Most tokens a stated usage is believed to have; the vendor's context holds a million.
const MAX_TOKENS: u64 = 100_000_000;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Tokens sent that were in the vendor's cache.
    pub cached_tokens: u64,
    /// Tokens sent that were not.
    pub input_tokens: u64,
    /// Tokens received, reasoning included.
    pub output_tokens: u64,
}

impl Usage {
    /// Both sums must be there: where one is missing nothing is known of the cost.
    fn read(usage: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_u64().filter(|tokens| *tokens <= MAX_TOKENS);
        let prompt = number(&usage["prompt_tokens"])?;
        let output_tokens = number(&usage["completion_tokens"])?;
        let details = &usage["prompt_tokens_details"];
        let cached = [
            &usage["prompt_cache_hit_tokens"],
            &details["prompt_cache_hit_tokens"],
            &details["cached_tokens"],
        ];
        let cached_tokens = cached
            .into_iter()
            .find_map(Value::as_u64)
            .unwrap_or(0)
            .min(prompt);
        Some(Self {
            cached_tokens,
            input_tokens: prompt - cached_tokens,
            output_tokens,
        })
    }
}

impl Turn {
    /// Picks a turn out of an answer.
    ///
    /// # Errors
    /// The vendor's message when the answer is an error, or a word when it has no choices.
    pub fn read(answer: &Value) -> Result<Self, String> {
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let message = error["message"].as_str().or_else(|| error.as_str());
            return Err(message.unwrap_or("without a message").to_owned());
        }
        let Some(choice) = answer["choices"].get(0) else {
            return Err("no choices".to_owned());
        };
        let message = &choice["message"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut tool_calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        for (index, call) in tool_calls.iter_mut().enumerate() {
            let missing = call["id"].as_str().is_none_or(str::is_empty);
            if let (true, Some(call)) = (missing, call.as_object_mut()) {
                call.insert("id".to_owned(), Value::from(format!("call_{index}")));
            }
        }
        Ok(Self {
            message: AssistantMessage {
                content: text(&message["content"]).unwrap_or_default(),
                reasoning_content: text(&message["reasoning_content"]),
                tool_calls,
            },
            finish_reason: text(&choice["finish_reason"]).unwrap_or_default(),
            refused: message["refusal"].as_str().is_some_and(|words| !words.is_empty()),
            model: text(&answer["model"]),
            fingerprint: text(&answer["system_fingerprint"]),
            usage: Usage::read(&answer["usage"]),
        })
    }

    /// The calls of tools in it.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        let calls = self.message.tool_calls.iter();
        calls
            .map(|call| {
                let arguments = &call["function"]["arguments"];
                ToolCall {
                    id: call["id"].as_str().unwrap_or_default().to_owned(),
                    name: call["function"]["name"].as_str().unwrap_or_default().to_owned(),
                    arguments: arguments
                        .as_str()
                        .map_or_else(|| arguments.to_string(), str::to_owned),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_full_answer_is_read() {
        let turn = Turn::read(&json!({
            "id": "x", "created": 1.5, "model": "deepseek-flash", "system_fingerprint": "fp",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": null, "reasoning_content": "",
                "tool_calls": [
                    {"index": 0, "id": "call_00", "type": "function",
                     "function": {"name": "a", "arguments": "{\"symbol\":\"X\"}"}},
                    {"function": {"name": "b", "arguments": {"symbol": "X"}}}]}}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 60, "prompt_cache_hit_tokens": 768}
        }))
        .unwrap();
        assert_eq!(turn.finish_reason, "tool_calls");
        assert_eq!(turn.message.reasoning_content.as_deref(), Some(""));
        let calls = turn.tool_calls();
        assert_eq!(
            (calls[0].id.as_str(), calls[1].id.as_str()),
            ("call_00", "call_1")
        );
        assert_eq!(calls[1].arguments, "{\"symbol\":\"X\"}");
        let usage = Usage {
            cached_tokens: 768,
            input_tokens: 132,
            output_tokens: 60,
        };
        assert_eq!(turn.usage, Some(usage));
    }

    #[test]
    fn a_usage_that_is_not_stated_is_not_nothing() {
        for usage in [
            json!(null),
            json!({}),
            json!({"prompt_tokens": 5}),
            json!({"completion_tokens": 5}),
            json!({"prompt_tokens": -5, "completion_tokens": 5}),
            json!({"prompt_tokens": 5, "completion_tokens": 1e30}),
        ] {
            let answer = json!({"choices": [{"message": {}}], "usage": usage});
            assert_eq!(Turn::read(&answer).unwrap().usage, None, "{answer}");
        }
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        let error = Turn::read(&json!({"error": {"message": "busy"}})).unwrap_err();
        assert_eq!(error, "busy");
        assert!(Turn::read(&json!({"choices": []})).is_err());
        assert!(Turn::read(&json!([])).is_err());
        assert!(Turn::read(&Value::Null).is_err());
    }

    #[test]
    fn an_assistant_message_goes_back_as_it_came() {
        let message = Message::Assistant(AssistantMessage {
            content: String::new(),
            reasoning_content: Some(String::new()),
            tool_calls: vec![json!({"id": "a"})],
        });
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"role":"assistant","content":"","reasoning_content":"","tool_calls":[{"id":"a"}]}"#
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z_]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let keys = prop::sample::select(vec![
                "choices",
                "message",
                "content",
                "tool_calls",
                "function",
                "id",
                "usage",
                "error",
                "prompt_tokens",
                "finish_reason",
            ]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((keys, inner), 0..4).prop_map(|pairs| {
                    Value::Object(
                        pairs
                            .into_iter()
                            .map(|(key, value)| (key.to_owned(), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in any_json()) {
            if let Ok(turn) = Turn::read(&answer) {
                let _calls = turn.tool_calls();
            }
        }
    }
}

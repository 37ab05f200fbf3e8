//! What a request must be, and the words in which it is refused.

use serde_json::json;

use super::*;

const MODEL: &str = "deepseek-chat";

/// A request that is accepted, with these fields besides or in place of its own.
fn judged(fields: &Value) -> Result<Accepted, Refused> {
    let mut body = json!({"model": MODEL, "messages": [{"role": "user", "content": "json"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    validate(&body, &[MODEL.to_owned()])
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "book", "arguments": "{}"}})
}

/// A conversation in which the model has called a tool, and what follows.
fn called(following: &[Value]) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": "json"}),
        json!({"role": "assistant", "tool_calls": [call("1")]}),
    ];
    messages.extend_from_slice(following);
    json!({ "messages": messages })
}

#[test]
fn what_is_accepted_is_answered_by_what_it_asks() {
    let plain = judged(&json!({"tools": null, "tool_choice": null, "response_format": null})).unwrap();
    assert_eq!((plain.phase, plain.thinking), (Phase::Final, true));
    let tools = json!({"tools": [tool("book"), tool("minutes")], "tool_choice": "auto", "user_id": "a-b_1"});
    let accepted = judged(&tools).unwrap();
    assert_eq!((accepted.phase, accepted.tools.len()), (Phase::Tools, 2));
    let forbidden = json!({"tools": [tool("book")], "tool_choice": "none"});
    assert_eq!(judged(&forbidden).unwrap().phase, Phase::Final);
    let answer = json!({"role": "tool", "tool_call_id": "1", "content": "{}"});
    assert_eq!(judged(&called(&[answer])).unwrap().phase, Phase::Final);
    let named =
        json!({"tools": [tool("book")], "tool_choice": tool("book"), "thinking": {"type": "disabled"}});
    assert!(!judged(&named).unwrap().thinking);
    for format in ["text", "json_object"] {
        judged(&json!({"response_format": {"type": format}})).unwrap();
    }
}

#[test]
fn what_cannot_be_read_is_422_and_names_the_field() {
    let role = |message: Value| json!({ "messages": [message] });
    for (fields, named) in [
        (json!({"model": 7}), "missing field `model`"),
        (json!({"messages": "x"}), "missing field `messages`"),
        (json!({"tools": "x"}), "tools: invalid type"),
        (
            json!({"tools": [{"type": "plugin", "function": {"name": "x"}}]}),
            "expected `function`",
        ),
        (json!({"tool_choice": "perhaps"}), "tool_choice: unknown variant"),
        (json!({"max_tokens": "many"}), "max_tokens: invalid type"),
        (role(json!({"content": "x"})), "missing field `role`"),
        (role(json!({"role": "user"})), "missing field `content`"),
        (
            role(json!({"role": "judge", "content": "x"})),
            "unknown variant `judge`",
        ),
        (
            role(json!({"role": "tool", "content": "x"})),
            "missing field `tool_call_id`",
        ),
        (
            role(json!({"role": "assistant", "tool_calls": [{"type": "function"}]})),
            "missing field `id`",
        ),
    ] {
        let refused = judged(&fields).unwrap_err();
        assert_eq!((refused.status, refused.plain_text), (422, true), "{fields}");
        assert!(refused.message.contains(named), "{fields}: {}", refused.message);
    }
}

#[test]
fn what_can_be_read_and_not_be_answered_is_400_and_says_why() {
    let many: Vec<Value> = (0..=MAX_TOOLS).map(|number| tool(&number.to_string())).collect();
    let answer = |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let forgotten = json!({"tools": [tool("book")], "messages": [
        {"role": "user", "content": "json"}, {"role": "assistant", "content": "x"}]});
    for (fields, why) in [
        (
            json!({"model": "another"}),
            "The supported API model names are deepseek-chat",
        ),
        (json!({ "tools": many }), "array too long"),
        (json!({"tools": [tool("a b")]}), "does not match pattern"),
        (json!({"tools": [tool("book"), tool("book")]}), "must be unique"),
        (
            json!({"tools": [tool("book")], "tool_choice": tool("minutes")}),
            "'minutes', which is not in tools",
        ),
        (
            json!({"tools": [tool("book")], "tool_choice": "required"}),
            "Thinking mode does not support",
        ),
        (json!({"messages": []}), "Empty input messages"),
        (
            called(&[]),
            "insufficient tool messages following tool_calls message: 1",
        ),
        (
            called(&[json!({"role": "user", "content": "x"})]),
            "insufficient tool messages",
        ),
        (
            called(&[answer("2", "{}")]),
            "must be a response to a preceding message",
        ),
        (called(&[answer("1", "")]), "must be a non-empty string"),
        (
            json!({"messages": [{"role": "assistant"}]}),
            "content or tool_calls must be set",
        ),
        (forgotten, "must be passed back"),
        (
            json!({"response_format": {"type": "grammar"}}),
            "response_format type is unavailable",
        ),
        (
            json!({"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "x"}]}),
            "must contain the word 'json'",
        ),
        (
            json!({"temperature": 2.5}),
            "valid range of temperature is [0, 2]",
        ),
        (json!({"stream_options": {}}), "set along with stream = true"),
        (json!({"stream": true}), "stream must be false"),
        (json!({"user_id": "a b"}), "Invalid 'user_id'"),
    ] {
        let refused = judged(&fields).unwrap_err();
        assert_eq!((refused.status, refused.plain_text), (400, false), "{fields}");
        assert!(refused.message.contains(why), "{fields}: {}", refused.message);
    }
}

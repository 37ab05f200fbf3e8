//! What the real endpoint refuses, with its messages.
//!
//! Source: vendor documents and reports of users, as of November 2026.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Phase;

/// Most tools of a request.
const MAX_TOOLS: usize = 128;
/// Most tokens that may be asked for.
const MAX_TOKENS: f64 = 393_216.0;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) message: String,
    /// The body is the bare message, not the usual error object.
    pub(super) plain_text: bool,
}

/// What the answer needs to know of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) phase: Phase,
    pub(super) thinking: bool,
    pub(super) tools: Vec<String>,
}

/// Judges a body.
pub(super) fn validate(body: &Value, models: &[String]) -> Result<Accepted, Refused> {
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .ok_or_else(|| undecodable("missing field `model`"))?;
    let messages = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| undecodable("missing field `messages`"))?;
    let alias = matches!(model, "deepseek-v4-flash" | "deepseek-v4-flash-vision-exp");
    if !alias && !models.iter().any(|known| known == model) {
        let names = models.join(", ");
        return Err(invalid(format!(
            "The supported API model names are {names}, but you passed {model}."
        )));
    }
    let thinking = is_thinking(body);
    let tools = tool_names(body)?;
    check_tool_choice(body, &tools, thinking)?;
    check_messages(messages, thinking && !tools.is_empty())?;
    check_response_format(body, messages)?;
    check_range(body, "max_tokens", 1.0, MAX_TOKENS)?;
    check_range(body, "temperature", 0.0, 2.0)?;
    check_range(body, "top_p", 0.0, 1.0)?;
    if body
        .get("stream_options")
        .is_some_and(|options| !options.is_null())
        && body["stream"] != true
    {
        return Err(invalid("stream_options should be set along with stream = true"));
    }
    if body["stream"] == true {
        return Err(invalid(
            "this simulator answers in one piece only: stream must be false",
        ));
    }
    check_user_id(body)?;
    let called = messages.last().is_some_and(|message| message["role"] == "tool");
    let forbidden = body["tool_choice"] == "none";
    let phase = if tools.is_empty() || called || forbidden {
        Phase::Final
    } else {
        Phase::Tools
    };
    Ok(Accepted {
        phase,
        thinking,
        tools,
    })
}

fn is_thinking(body: &Value) -> bool {
    body["thinking"]["type"] != "disabled" && body["reasoning_effort"] != "none"
}

fn tool_names(body: &Value) -> Result<Vec<String>, Refused> {
    let Some(tools) = body.get("tools").filter(|tools| !tools.is_null()) else {
        return Ok(Vec::new());
    };
    let tools = tools
        .as_array()
        .ok_or_else(|| undecodable("tools: invalid type, expected a sequence"))?;
    if tools.len() > MAX_TOOLS {
        return Err(invalid(
            "Invalid 'tools': array too long, at most 128 are supported",
        ));
    }
    let mut names = Vec::new();
    for tool in tools {
        let name = tool["function"]["name"].as_str().unwrap_or("");
        if tool["type"] != "function" {
            return Err(undecodable("tools[0].type: unknown variant, expected `function`"));
        }
        if !is_plain_name(name, 128) {
            return Err(invalid(
                "Invalid 'tools[0].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.",
            ));
        }
        if names.iter().any(|known| known == name) {
            return Err(invalid("Tool names must be unique."));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn check_tool_choice(body: &Value, tools: &[String], thinking: bool) -> Result<(), Refused> {
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => return Ok(()),
        Some(choice) => choice,
    };
    match choice.as_str() {
        Some("none" | "auto") => return Ok(()),
        Some("required") => {}
        Some(_) => return Err(undecodable("tool_choice: unknown variant")),
        None => {
            let name = choice["function"]["name"].as_str().unwrap_or("");
            if !tools.iter().any(|known| known == name) {
                return Err(invalid(format!(
                    "tool_choice names the function '{name}', which is not in tools."
                )));
            }
        }
    }
    if thinking {
        return Err(invalid("Thinking mode does not support this tool_choice"));
    }
    Ok(())
}

fn check_messages(messages: &[Value], reasoning_needed: bool) -> Result<(), Refused> {
    if messages.is_empty() {
        return Err(invalid("Empty input messages"));
    }
    let mut unanswered: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        let role = message["role"]
            .as_str()
            .ok_or_else(|| undecodable("messages: missing field `role`"))?;
        if role == "tool" {
            let id = message["tool_call_id"]
                .as_str()
                .ok_or_else(|| undecodable("messages: missing field `tool_call_id`"))?;
            if !unanswered.remove(id) {
                return Err(invalid(
                    "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
                ));
            }
            if message["content"].as_str().is_none_or(str::is_empty) {
                return Err(invalid(
                    "Invalid 'messages': content of a tool message must be a non-empty string",
                ));
            }
            continue;
        }
        check_answered(&unanswered)?;
        match role {
            "system" | "user" if is_content(&message["content"]) => {}
            "system" | "user" => return Err(undecodable("messages: missing field `content`")),
            "assistant" => unanswered = check_assistant(message, reasoning_needed)?,
            other => {
                return Err(undecodable(&format!(
                    "messages: unknown variant `{other}`, expected one of `system`, `user`, `assistant`, `tool`"
                )));
            }
        }
    }
    check_answered(&unanswered)
}

/// The ids of the calls that now wait for their results.
fn check_assistant(message: &Value, reasoning_needed: bool) -> Result<BTreeSet<&str>, Refused> {
    if reasoning_needed && !message["reasoning_content"].is_string() {
        return Err(invalid(
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
        ));
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let Some(calls) = calls.filter(|calls| !calls.is_empty()) else {
        if message["content"].is_string() {
            return Ok(BTreeSet::new());
        }
        return Err(invalid(
            "Invalid assistant message: content or tool_calls must be set",
        ));
    };
    let mut ids = BTreeSet::new();
    for call in calls {
        let complete = call["type"] == "function"
            && call["function"]["name"].is_string()
            && call["function"]["arguments"].is_string();
        match call["id"].as_str().filter(|_| complete) {
            Some(id) => ids.insert(id),
            None => {
                return Err(undecodable(
                    "messages: tool_calls: missing field `id`, `type` or `function`",
                ));
            }
        };
    }
    Ok(ids)
}

fn check_answered(unanswered: &BTreeSet<&str>) -> Result<(), Refused> {
    if unanswered.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = unanswered.iter().copied().collect();
    Err(invalid(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. (insufficient tool messages following tool_calls message: {})",
        ids.join(", ")
    )))
}

fn check_response_format(body: &Value, messages: &[Value]) -> Result<(), Refused> {
    let format = match body.get("response_format") {
        None | Some(Value::Null) => return Ok(()),
        Some(format) => format,
    };
    match format["type"].as_str() {
        Some("text") => Ok(()),
        Some("json_object") => {
            let named = messages
                .iter()
                .any(|message| message["content"].to_string().to_lowercase().contains("json"));
            if named {
                Ok(())
            } else {
                Err(invalid(
                    "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
                ))
            }
        }
        _ => Err(invalid("This response_format type is unavailable now")),
    }
}

fn check_range(body: &Value, field: &str, low: f64, high: f64) -> Result<(), Refused> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => match value.as_f64() {
            None => Err(undecodable(&format!("{field}: invalid type, expected a number"))),
            Some(number) if (low..=high).contains(&number) => Ok(()),
            Some(_) => Err(invalid(format!(
                "Invalid {field} value, the valid range of {field} is [{low}, {high}]"
            ))),
        },
    }
}

fn check_user_id(body: &Value) -> Result<(), Refused> {
    match body.get("user_id") {
        None | Some(Value::Null) => Ok(()),
        Some(id) if id.as_str().is_some_and(|id| is_plain_name(id, 512)) => Ok(()),
        Some(_) => Err(invalid(
            "Invalid 'user_id': string does not match pattern '^[a-zA-Z0-9_-]{1,512}$'.",
        )),
    }
}

fn is_content(content: &Value) -> bool {
    content.is_string() || content.is_array()
}

fn is_plain_name(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn invalid(message: impl Into<String>) -> Refused {
    Refused {
        status: 400,
        message: message.into(),
        plain_text: false,
    }
}

/// The body does not have the shape of a request.
fn undecodable(reason: &str) -> Refused {
    Refused {
        status: 422,
        message: format!("Failed to deserialize the JSON body into the target type: {reason}"),
        plain_text: true,
    }
}

#[cfg(test)]
mod tests;

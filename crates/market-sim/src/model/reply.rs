//! The replies a script can be made of: every quirk that users of the real endpoint report.

use std::time::Duration;

use serde_json::{Value, json};

/// One scripted reply.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ModelReply {
    /// As a good model: tool calls first, then an answer from their results.
    Well,
    /// This text as the content of the message.
    Content {
        /// The text.
        text: String,
        /// `stop`, `length`, `content_filter`, ... or none for a missing one.
        finish_reason: Option<String>,
    },
    /// These tool calls: names and argument texts, valid JSON or not.
    ToolCalls {
        /// The calls.
        calls: Vec<(String, String)>,
        /// `tool_calls` where nothing is wrong.
        finish_reason: String,
    },
    /// The good answer with these fields replaced; a field set to null is left out.
    AnswerWith(Value),
    /// The good reply with another `finish_reason`.
    FinishReason(String),
    /// The good reply after its text was wrapped in a fence of three backticks.
    Fenced,
    /// The answer is only in `reasoning_content`, and the content is empty.
    OnlyReasoning,
    /// This HTTP answer.
    Http {
        /// Status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
    /// Status 200, empty lines, then the reply.
    BlankLinesThen {
        /// How many lines.
        lines: usize,
        /// Pause before each.
        pause: Duration,
        /// What follows.
        then: Box<ModelReply>,
    },
    /// Status 200, empty lines, then the end of the body.
    BlankLines {
        /// How many lines.
        lines: usize,
        /// Pause before each.
        pause: Duration,
    },
    /// The reply, a few bytes at a time.
    Trickle {
        /// Bytes per piece.
        chunk: usize,
        /// Pause before each piece.
        pause: Duration,
        /// The reply.
        reply: Box<ModelReply>,
    },
    /// The reply after a wait without a byte.
    Delayed(Duration, Box<ModelReply>),
    /// The connection breaks after so many bytes of the good reply.
    Cut(usize),
    /// Nothing, ever.
    Hang,
}

impl ModelReply {
    /// A final text that ends with `stop`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Content {
            text: text.into(),
            finish_reason: Some("stop".to_owned()),
        }
    }

    /// A final answer that is this JSON.
    pub fn json(answer: &Value) -> Self {
        Self::text(answer.to_string())
    }

    /// Spaces, as JSON mode gives when the output was not JSON.
    pub fn blank_content() -> Self {
        Self::text("        ")
    }

    /// Tool calls written as text.
    pub fn dsml() -> Self {
        Self::text(
            "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"depth_snapshot_analysis\">\n<｜DSML｜parameter name=\"symbol\" string=\"true\">BTCFDUSD</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        )
    }

    /// A call of a tool that exists with arguments that are not JSON.
    pub fn invalid_arguments(tool: &str) -> Self {
        Self::tool_calls(&[(tool, "{\"symbol\": BTCFDUSD, \"levels\":")])
    }

    /// A call of a tool nobody offered.
    pub fn unknown_tool() -> Self {
        Self::tool_calls(&[("place_order", "{\"side\":\"BUY\"}")])
    }

    /// These calls, in order.
    pub fn tool_calls(calls: &[(&str, &str)]) -> Self {
        let calls = calls
            .iter()
            .map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned()));
        Self::ToolCalls {
            calls: calls.collect(),
            finish_reason: "tool_calls".to_owned(),
        }
    }

    /// The good reply cut off for this reason: `length`, `content_filter`,
    /// `insufficient_system_resource`, `aborted`, an unknown one or an empty one.
    pub fn finish_reason(reason: &str) -> Self {
        Self::FinishReason(reason.to_owned())
    }

    /// An HTTP error with the usual error object.
    pub fn error(status: u16, message: &str) -> Self {
        let body = json!({"error": {
            "message": message, "type": "invalid_request_error", "param": null, "code": "invalid_request_error",
        }});
        Self::http(status, "application/json", &[], body.to_string())
    }

    /// 401; the message repeats the end of the key, as the real one does.
    pub fn unauthorized() -> Self {
        Self::error(401, "Authentication Fails, Your api key: ****cdef is invalid")
    }

    /// 402: the balance is used up.
    pub fn no_balance() -> Self {
        Self::error(402, "Insufficient Balance")
    }

    /// 422 in plain text.
    pub fn unprocessable_text() -> Self {
        let text = "Failed to deserialize the JSON body into the target type: messages[1]: missing field `content` at line 1 column 120";
        Self::http(422, "text/plain; charset=utf-8", &[], text.to_owned())
    }

    /// 429, with `Retry-After` in seconds if given.
    pub fn rate_limited(retry_after: Option<u64>) -> Self {
        let seconds = retry_after.unwrap_or(0).to_string();
        let headers = [("retry-after", seconds.as_str())];
        let headers = if retry_after.is_some() { &headers[..] } else { &[] };
        let body = json!({"error": {"message": "Rate limit reached", "type": "rate_limit_error", "param": null, "code": "rate_limit_error"}});
        Self::http(429, "application/json", headers, body.to_string())
    }

    /// 502 of the gateway, in HTML.
    pub fn bad_gateway_html() -> Self {
        Self::http(
            502,
            "text/html",
            &[],
            "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>".to_owned(),
        )
    }

    /// 200 with this body instead of a completion.
    pub fn body(body: impl Into<String>) -> Self {
        Self::http(200, "application/json", &[], body.into())
    }

    fn http(status: u16, content_type: &str, headers: &[(&str, &str)], body: String) -> Self {
        let mut all = vec![("content-type".to_owned(), content_type.to_owned())];
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self::Http {
            status,
            headers: all,
            body,
        }
    }
}

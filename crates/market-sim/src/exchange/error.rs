//! The exchange's error answers.

use axum::http::StatusCode;
use serde_json::json;

/// An error with its code; the message is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) retry_after: Option<u64>,
}

impl ApiError {
    /// 400 with a code.
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn illegal_characters(name: &str, range: &str) -> Self {
        Self::new(
            -1100,
            format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."),
        )
    }

    pub(super) fn too_many(expected: usize, received: usize) -> Self {
        Self::new(
            -1101,
            format!("Too many parameters; expected '{expected}' and received '{received}'."),
        )
    }

    pub(super) fn duplicate(name: &str) -> Self {
        Self::new(
            -1101,
            format!("Duplicate values for parameter '{name}' detected."),
        )
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::new(
            -1102,
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."),
        )
    }

    pub(super) fn unread(read: usize, sent: usize) -> Self {
        Self::new(
            -1104,
            format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."),
        )
    }

    pub(super) fn empty(name: &str) -> Self {
        Self::new(-1105, format!("Parameter '{name}' was empty."))
    }

    pub(super) fn unknown_symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    pub(super) fn bad_combination() -> Self {
        Self::new(-1128, "Combination of optional parameters invalid.")
    }

    pub(super) fn invalid(name: &str) -> Self {
        Self::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }

    pub(super) fn bad_time_unit() -> Self {
        Self::new(
            -1194,
            "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.",
        )
    }

    /// The body.
    pub(super) fn body(&self) -> String {
        json!({"code": self.code, "msg": self.message}).to_string()
    }
}

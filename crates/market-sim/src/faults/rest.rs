//! Faults of one REST answer.

use std::time::Duration;

use serde_json::{Value, json};

/// What happens to one REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestFault {
    /// This answer instead of the true one.
    Respond {
        /// HTTP status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body.
        body: String,
    },
    /// The true answer, in pieces with pauses of wall time.
    SlowBody {
        /// Bytes per piece.
        chunk: usize,
        /// Pause before each piece.
        pause: Duration,
    },
    /// The true answer ends after so many bytes, as a whole HTTP message.
    Truncated(usize),
    /// The connection breaks after so many bytes of the true answer.
    Cut(usize),
    /// No answer at all until the client gives up.
    Hang,
    /// `[]`.
    EmptyPage,
    /// Only the first rows of the true page.
    ShortPage(usize),
    /// The first rows of the true page come twice.
    RepeatRows(usize),
    /// A book that cannot be used, made from the true one.
    Depth(DepthEdit),
}

/// How a book is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepthEdit {
    /// Best bid above best ask.
    Crossed,
    /// No bids.
    NoBids,
    /// No asks.
    NoAsks,
    /// Neither.
    Empty,
    /// An update id lower than one given out before, by so much.
    OlderBy(u64),
    /// At most so many levels a side.
    Levels(usize),
    /// A quantity of zero in the first bid.
    ZeroQuantity,
    /// Bids in the order of asks.
    Unsorted,
}

impl RestFault {
    /// Status 200 with this body.
    pub fn body(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    /// A status with a JSON body.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self::respond(status, "application/json;charset=UTF-8", &[], body)
    }

    /// 429 with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after: u64) -> Self {
        let body = json!({"code": -1003, "msg": "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."});
        let retry_after = retry_after.to_string();
        Self::respond(
            429,
            "application/json;charset=UTF-8",
            &[("retry-after", &retry_after)],
            body.to_string(),
        )
    }

    /// 418 with `Retry-After` in seconds and the end of the ban in the text.
    pub fn banned(retry_after: u64, until_ms: i64) -> Self {
        let body = json!({"code": -1003, "msg": format!("Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates to avoid bans.")});
        let retry_after = retry_after.to_string();
        Self::respond(
            418,
            "application/json;charset=UTF-8",
            &[("retry-after", &retry_after)],
            body.to_string(),
        )
    }

    /// 418 without `Retry-After`: the end of the ban stands in the words alone.
    pub fn banned_in_words(until_ms: i64) -> Self {
        let body = json!({"code": -1003, "msg": format!("Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates to avoid bans.")});
        Self::status(418, body.to_string())
    }

    /// 418 in HTML, without any end.
    pub fn banned_html() -> Self {
        Self::html(418, "418 I'm a teapot")
    }

    /// 400: a request the exchange will never answer.
    pub fn invalid_symbol() -> Self {
        Self::status(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#)
    }

    /// 403 of the firewall, in HTML.
    pub fn forbidden_html() -> Self {
        Self::html(403, "ERROR: The request could not be satisfied")
    }

    /// 502 of the gateway, in HTML.
    pub fn bad_gateway_html() -> Self {
        Self::html(502, "502 Bad Gateway")
    }

    /// 451: not from this country.
    pub fn geo_blocked() -> Self {
        let body = json!({"code": 0, "msg": "Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms. Please contact customer service if you believe you received this message in error."});
        Self::status(451, body.to_string())
    }

    /// 500 with the usual error object.
    pub fn server_error() -> Self {
        Self::status(
            500,
            r#"{"code":-1000,"msg":"An unknown error occurred while processing the request."}"#,
        )
    }

    /// 503 with the usual error object.
    pub fn busy() -> Self {
        Self::status(
            503,
            r#"{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}"#,
        )
    }

    fn html(status: u16, title: &str) -> Self {
        let body = format!(
            "<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
        );
        Self::respond(status, "text/html", &[], body)
    }

    fn respond(status: u16, content_type: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Self {
        let mut all = vec![("content-type".to_owned(), content_type.to_owned())];
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self::Respond {
            status,
            headers: all,
            body: body.into(),
        }
    }

    /// The body of the true answer as this fault leaves it.
    pub(crate) fn edit(&self, body: String) -> String {
        match self {
            Self::Truncated(keep) => body.chars().take(*keep).collect(),
            Self::EmptyPage => "[]".to_owned(),
            Self::ShortPage(rows) => edit_json(body, |page| {
                if let Some(page) = page.as_array_mut() {
                    page.truncate(*rows);
                }
            }),
            Self::RepeatRows(rows) => edit_json(body, |page| {
                if let Some(page) = page.as_array_mut() {
                    let again = page[..(*rows).min(page.len())].to_vec();
                    page.splice(0..0, again);
                }
            }),
            Self::Depth(edit) => edit_json(body, |book| edit.apply(book)),
            _ => body,
        }
    }
}

impl DepthEdit {
    fn apply(self, book: &mut Value) {
        match self {
            Self::Crossed => {
                let ask = book["asks"][0][0].clone();
                book["bids"][0][0] = ask;
            }
            Self::NoBids => book["bids"] = json!([]),
            Self::NoAsks => book["asks"] = json!([]),
            Self::Empty => {
                book["bids"] = json!([]);
                book["asks"] = json!([]);
            }
            Self::OlderBy(ids) => {
                let id = book["lastUpdateId"].as_u64().unwrap_or(0);
                book["lastUpdateId"] = json!(id.saturating_sub(ids));
            }
            Self::Levels(levels) => {
                for side in ["bids", "asks"] {
                    if let Some(side) = book[side].as_array_mut() {
                        side.truncate(levels);
                    }
                }
            }
            Self::ZeroQuantity => book["bids"][0][1] = json!("0.00000000"),
            Self::Unsorted => {
                if let Some(bids) = book["bids"].as_array_mut() {
                    bids.reverse();
                }
            }
        }
    }
}

/// A body that is not JSON, such as an error of the exchange in HTML, stays as it is.
fn edit_json(body: String, edit: impl FnOnce(&mut Value)) -> String {
    match serde_json::from_str::<Value>(&body) {
        Ok(mut value) => {
            edit(&mut value);
            value.to_string()
        }
        Err(_) => body,
    }
}

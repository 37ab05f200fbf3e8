//! HTTP below the client library: no retry, a bounded body, and a status that is never lost.
//!
//! The library drops the status of an error whose body is not the JSON it expects, and reads bodies
//! without a limit. This service answers it only with complete successful responses.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use tower_service::Service;

/// Longest body that is read; a real answer has a few kilobytes.
const MAX_BODY: usize = 1024 * 1024;

/// Longest message of an error that is kept, in characters.
pub(crate) const MAX_MESSAGE: usize = 300;

/// Why there is no successful response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A status other than success.
    #[error("status {status}: {message}")]
    Status {
        /// HTTP status code.
        status: u16,
        /// From the body, cut.
        message: String,
        /// How long to wait, when the answer says so in whole seconds.
        retry_after: Option<Duration>,
    },
    /// No connection, or it broke.
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
    /// The body is longer than a megabyte.
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLong,
    /// The request could not be built.
    #[error("the request could not be built")]
    Request(#[source] Box<OpenAIError>),
}

impl From<TransportError> for OpenAIError {
    fn from(error: TransportError) -> Self {
        Self::Boxed(Box::new(error))
    }
}

/// Sends requests, once each.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
}

impl Transport {
    /// Uses this client, whose timeouts apply.
    pub fn new(http: reqwest::Client) -> Self {
        Self { http }
    }
}

impl Service<HttpRequestFactory> for Transport {
    type Response = reqwest::Response;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<reqwest::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let http = self.http.clone();
        Box::pin(async move {
            let request = request.build().await;
            let request = request.map_err(|error| TransportError::Request(Box::new(error)))?;
            let mut response = http.execute(request).await.map_err(TransportError::Http)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(TransportError::Http)? {
                if body.len() + chunk.len() > MAX_BODY {
                    return Err(TransportError::TooLong);
                }
                body.extend_from_slice(&chunk);
            }
            if status.is_success() {
                return Ok(reqwest::Response::from(http::Response::new(body)));
            }
            Err(TransportError::Status {
                status: status.as_u16(),
                message: message(&body),
                retry_after: retry_after(&headers),
            })
        })
    }
}

/// The vendor's message, or the start of whatever else the body is.
pub(crate) fn message(body: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let message = parsed.as_ref().and_then(|body| {
        body["error"]["message"]
            .as_str()
            .or_else(|| body["error"].as_str())
    });
    let text = message.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    text.chars().take(MAX_MESSAGE).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_json_text_and_markup() {
        assert_eq!(message(br#"{"error":{"message":"bad key","code":7}}"#), "bad key");
        assert_eq!(message(br#"{"error":"busy"}"#), "busy");
        assert_eq!(
            message(b"Failed to deserialize the JSON body\n"),
            "Failed to deserialize the JSON body"
        );
        assert_eq!(message(&[0xff, 0xfe]).chars().count(), 2);
        assert_eq!(message("x".repeat(1000).as_bytes()).len(), MAX_MESSAGE);
    }

    #[test]
    fn only_whole_seconds_are_a_wait() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "3600".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3600)));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}

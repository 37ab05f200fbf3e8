//! HTTP answers that misbehave in time: slow, cut off, never coming.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream::{self, StreamExt as _};

/// Time in which the beginning of a cut answer leaves.
const FLUSH_PAUSE: Duration = Duration::from_millis(30);

/// An answer of these parts.
pub(crate) fn build(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Sets headers from texts; what is not a legal header is left out.
pub(crate) fn set_headers(headers: &mut HeaderMap, texts: &[(String, String)]) {
    for (name, value) in texts {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// A body in pieces of `chunk` bytes, with a pause of wall time before each.
pub(crate) fn slow(body: Bytes, chunk: usize, pause: Duration) -> Body {
    let pieces = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(chunk.clamp(1, rest.len()));
        Some((Ok::<_, Infallible>(piece), rest))
    });
    Body::from_stream(pieces)
}

/// The first `keep` bytes of a body, then the connection breaks.
pub(crate) fn cut(body: &Bytes, keep: usize) -> Body {
    let kept = body.slice(..keep.min(body.len()));
    let broken = stream::once(async {
        // The server flushes what it has while it waits; without the wait it would drop even the headers.
        tokio::time::sleep(FLUSH_PAUSE).await;
        Err(io::Error::other("cut on purpose"))
    });
    Body::from_stream(stream::once(std::future::ready(Ok(kept))).chain(broken))
}

//! The REST server: limits, faults, headers and compression around the true answers.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::answer::Asked;
use super::endpoint::Endpoint;
use super::error::ApiError;
use super::weight::{Verdict, WeightMeter};
use crate::faults::RestFault;
use crate::http::{build, cut, set_headers, slow};

/// Smaller answers are not compressed.
const COMPRESS_FROM: usize = 1024;

struct Rest {
    shared: Arc<Shared>,
    meter: Mutex<WeightMeter>,
    token: CancellationToken,
}

/// Serves until the exchange ends.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, token: CancellationToken) {
    let config = &shared.config;
    let meter = WeightMeter::new(config.weight_limit, config.patience, config.ban);
    let rest = Arc::new(Rest {
        shared,
        meter: Mutex::new(meter),
        token,
    });
    let router = Router::new().fallback(serve).with_state(rest);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "REST server ended");
    }
}

async fn serve(State(rest): State<Arc<Rest>>, request: Request) -> Response {
    let (request, _body) = request.into_parts();
    // Connections outlive the listener; on one of them nobody is at home any more.
    let gone = rest.token.clone();
    tokio::select! {
        biased;
        () = gone.cancelled() => {
            plain(StatusCode::SERVICE_UNAVAILABLE, &[("connection", "close")], Body::empty())
        }
        response = respond(&rest, &request) => response,
    }
}

async fn respond(rest: &Rest, request: &Parts) -> Response {
    let Some(endpoint) = Endpoint::of_path(request.uri.path()) else {
        return plain(StatusCode::NOT_FOUND, &[], Body::empty());
    };
    if request.method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, &[("allow", "GET")], Body::empty());
    }
    let shared = &*rest.shared;
    shared.stats.add_request(endpoint);
    let asked = Asked::new(endpoint, request.uri.query().unwrap_or(""));
    let weight = asked.weight();
    shared.stats.add_weight(weight);
    let (verdict, used) = {
        let mut meter = rest.meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.spend_elsewhere(shared.faults.take_foreign_weight());
        (meter.spend(weight), meter.used())
    };
    let fault = shared.faults.take_rest(endpoint);
    if matches!(fault, Some(RestFault::Hang)) {
        return std::future::pending().await;
    }
    let answer = match (&fault, verdict) {
        (
            Some(RestFault::Respond {
                status,
                headers,
                body,
            }),
            _,
        ) => {
            return replaced(shared, (*status, headers, body), used);
        }
        (_, Verdict::Allowed) => asked.answer(shared, &request.headers),
        (_, refused) => {
            shared.stats.add_limited(1);
            Err(refusal(shared, refused))
        }
    };
    let (status, body, retry_after) = match answer {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => (error.status, error.body(), error.retry_after),
    };
    let body = match &fault {
        Some(fault) => fault.edit(body),
        None => body,
    };
    let mut headers = json_headers(shared, used);
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let body = encode(body, &request.headers, &mut headers);
    let body = match fault {
        Some(RestFault::SlowBody { chunk, pause }) => slow(body, chunk, pause),
        Some(RestFault::Cut(keep)) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            cut(&body, keep)
        }
        _ => Body::from(body),
    };
    build(status, headers, body)
}

fn refusal(shared: &Shared, verdict: Verdict) -> ApiError {
    let limit = shared.config.weight_limit;
    let (status, seconds, message) = match verdict {
        Verdict::Banned(seconds) => {
            let until = shared.clock.now_ms() + i64::try_from(seconds).unwrap_or(0) * 1000;
            let message = format!(
                "Way too much request weight used; IP banned until {until}. Please use WebSocket Streams for live updates to avoid bans."
            );
            (StatusCode::IM_A_TEAPOT, seconds, message)
        }
        Verdict::TooMuch(seconds) => {
            let message = format!(
                "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
            );
            (StatusCode::TOO_MANY_REQUESTS, seconds, message)
        }
        Verdict::Allowed => (StatusCode::OK, 0, String::new()),
    };
    ApiError {
        status,
        code: -1003,
        message,
        retry_after: Some(seconds),
    }
}

fn json_headers(shared: &Shared, used: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let date = shared.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::try_from(date) {
        headers.insert(header::DATE, date);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    headers.insert("x-mbx-used-weight", HeaderValue::from(used));
    headers.insert("x-mbx-used-weight-1m", HeaderValue::from(used));
    headers
}

fn replaced(
    shared: &Shared,
    (status, headers, body): (u16, &[(String, String)], &str),
    used: u64,
) -> Response {
    let mut all = json_headers(shared, used);
    set_headers(&mut all, headers);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    build(status, all, Body::from(body.to_owned()))
}

/// Compresses a long answer when the client can read it.
fn encode(body: String, request: &HeaderMap, headers: &mut HeaderMap) -> Bytes {
    let accepted = request
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    if !accepted || body.len() < COMPRESS_FROM {
        return Bytes::from(body);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    match encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(compressed) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Bytes::from(compressed)
        }
        Err(_) => Bytes::from(body),
    }
}

fn plain(status: StatusCode, headers: &[(&'static str, &'static str)], body: Body) -> Response {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.insert(*name, HeaderValue::from_static(value));
    }
    build(status, all, body)
}

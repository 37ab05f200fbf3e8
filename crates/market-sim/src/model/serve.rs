//! The HTTP side of the model: routes, the key, and how a reply goes out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use strategy_core::time::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::validate::{Accepted, validate};
use super::{ModelReply, Phase, RecordedRequest, Shared, answer, lock, usage};
use crate::http::{build, cut, set_headers, slow};

/// Largest request body; the real one's limit is not documented.
const MAX_BODY: usize = 8 << 20;

struct Model {
    shared: Arc<Shared>,
    token: CancellationToken,
}

/// A reply on its way out: status, headers, body.
type Reply = (StatusCode, HeaderMap, Bytes);

/// Serves until the endpoint ends.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, token: CancellationToken) {
    let model = Arc::new(Model { shared, token });
    let router = Router::new().fallback(serve).with_state(model);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "model server ended");
    }
}

async fn serve(State(model): State<Arc<Model>>, request: Request) -> Response {
    let gone = model.token.clone();
    tokio::select! {
        biased;
        () = gone.cancelled() => build(StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Body::empty()),
        response = respond(&model.shared, request) => response,
    }
}

async fn respond(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let authorized = shared.config.api_key.as_ref().is_none_or(|key| {
        let sent = parts.headers.get(header::AUTHORIZATION);
        sent.is_some_and(|sent| sent.as_bytes() == format!("Bearer {key}").as_bytes())
    });
    let route = path.strip_prefix("/v1").unwrap_or(path);
    if route == "/chat/completions" && parts.method == "POST" {
        let others = Running::enter(shared);
        return complete(shared, path, &parts.headers, body, authorized, others.before).await;
    }
    let answer = match (route, parts.method.as_str()) {
        ("/models" | "/user/balance", "GET") if !authorized => refusal(401, "Authentication Fails"),
        ("/models", "GET") => {
            let models = shared.config.models.iter();
            let data: Vec<Value> = models
                .map(|id| json!({"id": id, "object": "model", "owned_by": "deepseek"}))
                .collect();
            ok(&json!({"object": "list", "data": data}))
        }
        ("/user/balance", "GET") => {
            let broke = shared.broke.load(Ordering::Relaxed);
            let total = if broke { "0.00" } else { "110.00" };
            ok(&json!({"is_available": !broke, "balance_infos": [
                {"currency": "USD", "total_balance": total, "granted_balance": "0.00", "topped_up_balance": total},
            ]}))
        }
        _ => refusal(404, "Not Found"),
    };
    into_response(answer)
}

/// One request that is being served; a client that goes away ends it too.
struct Running<'a> {
    shared: &'a Shared,
    /// Requests that were being served when it came.
    before: usize,
}

impl<'a> Running<'a> {
    fn enter(shared: &'a Shared) -> Self {
        let before = shared.running.fetch_add(1, Ordering::Relaxed);
        Self { shared, before }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn complete(
    shared: &Shared,
    path: &str,
    headers: &HeaderMap,
    body: Body,
    authorized: bool,
    running: usize,
) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY).await else {
        return into_response(refusal(413, "Request body too large"));
    };
    shared.stats.add_model_call(1);
    let parsed = serde_json::from_slice::<Value>(&bytes);
    let index = {
        let mut requests = lock(&shared.requests);
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let authorization = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        requests.push(RecordedRequest {
            path: path.to_owned(),
            authorization: authorization.map(ToOwned::to_owned),
            body: parsed.as_ref().cloned().unwrap_or_else(|_| text()),
            status: 0,
        });
        requests.len() - 1
    };
    let response = if !authorized {
        into_response(refusal(401, "Authentication Fails, Your api key is invalid"))
    } else if shared.broke.load(Ordering::Relaxed) {
        into_response(refusal(402, "Insufficient Balance"))
    } else if running >= shared.config.concurrency {
        into_response(refusal(429, "Rate limit reached: too many concurrent requests"))
    } else {
        match parsed {
            Err(error) => into_response(refusal(
                400,
                &format!("Failed to parse the request body as JSON: {error}"),
            )),
            Ok(body) => judge(shared, &body).await,
        }
    };
    if response.status().is_client_error() {
        shared.stats.add_model_refusal(1);
    }
    lock(&shared.requests)[index].status = response.status().as_u16();
    response
}

async fn judge(shared: &Shared, body: &Value) -> Response {
    match validate(body, &shared.config.models) {
        Ok(accepted) => {
            let reply = shared.script.take(accepted.phase);
            send(shared, body, &accepted, reply).await
        }
        Err(refused) if refused.plain_text => {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            into_response((status(refused.status), headers, Bytes::from(refused.message)))
        }
        Err(refused) => into_response(refusal(refused.status, &refused.message)),
    }
}

/// Sends a reply with its bad manners.
async fn send(shared: &Shared, body: &Value, accepted: &Accepted, reply: ModelReply) -> Response {
    match reply {
        ModelReply::Hang => std::future::pending().await,
        ModelReply::Delayed(wait, then) => {
            tokio::time::sleep(wait).await;
            Box::pin(send(shared, body, accepted, *then)).await
        }
        ModelReply::BlankLinesThen { lines, pause, then } => {
            let (status, headers, rest) = content_of(shared, body, accepted, &then);
            let mut bytes = vec![b'\n'; lines];
            bytes.extend_from_slice(&rest);
            build(status, headers, blank_lines(Bytes::from(bytes), lines, pause))
        }
        ModelReply::BlankLines { lines, pause } => {
            let (status, headers, _) = ok(&Value::Null);
            build(
                status,
                headers,
                blank_lines(Bytes::from(vec![b'\n'; lines]), lines, pause),
            )
        }
        ModelReply::Trickle { chunk, pause, reply } => {
            let (status, headers, bytes) = content_of(shared, body, accepted, &reply);
            build(status, headers, slow(bytes, chunk, pause))
        }
        ModelReply::Cut(keep) => {
            let (status, mut headers, bytes) = content_of(shared, body, accepted, &reply);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            build(status, headers, cut(&bytes, keep))
        }
        other => into_response(content_of(shared, body, accepted, &other)),
    }
}

/// The first `lines` bytes one by one with a pause before each, the rest at once.
fn blank_lines(bytes: Bytes, lines: usize, pause: Duration) -> Body {
    let pieces = futures_util::stream::unfold((bytes, lines), move |(mut rest, lines)| async move {
        if rest.is_empty() {
            return None;
        }
        if lines == 0 {
            return Some((Ok::<_, std::convert::Infallible>(rest), (Bytes::new(), 0)));
        }
        tokio::time::sleep(pause).await;
        Some((Ok(rest.split_to(1)), (rest, lines - 1)))
    });
    Body::from_stream(pieces)
}

/// The reply itself, without its manners.
fn content_of(shared: &Shared, body: &Value, accepted: &Accepted, reply: &ModelReply) -> Reply {
    let (calls, text, reason) = match reply {
        ModelReply::Http {
            status: code,
            headers,
            body,
        } => {
            let mut all = HeaderMap::new();
            set_headers(&mut all, headers);
            return (status(*code), all, Bytes::from(body.clone()));
        }
        ModelReply::Content { text, finish_reason } => (Vec::new(), text.clone(), finish_reason.clone()),
        ModelReply::ToolCalls { calls, finish_reason } => {
            (calls.clone(), String::new(), Some(finish_reason.clone()))
        }
        other => well(body, accepted, other),
    };
    let only_reasoning = *reply == ModelReply::OnlyReasoning;
    let reasoning = match (accepted.thinking, only_reasoning) {
        (_, true) => text.clone(),
        (true, _) => "Weighing the levels against the flow.".to_owned(),
        (false, _) => String::new(),
    };
    let text = if only_reasoning { String::new() } else { text };
    let mut message = json!({"role": "assistant", "content": text});
    if accepted.thinking || only_reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    let number = shared.stats.model_calls();
    if !calls.is_empty() {
        let calls = calls.iter().enumerate().map(|(index, (name, arguments))| {
            json!({"index": index, "id": format!("call_{index:02}_{number:08x}"), "type": "function",
                   "function": {"name": name, "arguments": arguments}})
        });
        message["tool_calls"] = calls.collect();
    }
    let prompt = format!("{}{}", body["tools"], body["messages"]);
    let hit = lock(&shared.cache).hit(prompt.clone());
    let (usage, total) = usage::usage(&prompt, hit, &message.to_string(), &reasoning);
    shared.stats.add_tokens(total);
    if !matches!(reply, ModelReply::Cut(_)) {
        let number = |name: &str| usage[name].as_u64().unwrap_or(0);
        shared.stats.add_model_answer(1);
        shared.stats.add_cached_tokens(number("prompt_cache_hit_tokens"));
        shared.stats.add_input_tokens(number("prompt_cache_miss_tokens"));
        shared.stats.add_output_tokens(number("completion_tokens"));
    }
    let mut choice = json!({"index": 0, "message": message, "logprobs": null});
    if let Some(reason) = reason {
        choice["finish_reason"] = json!(reason);
    }
    let alias = body["model"]
        .as_str()
        .is_some_and(|model| model.starts_with("deepseek-v4-flash"));
    let model = if alias {
        json!(shared.config.models.first())
    } else {
        body["model"].clone()
    };
    ok(&json!({
        "id": format!("00000000-0000-4000-8000-{number:012x}"),
        "object": "chat.completion",
        "created": SystemClock.now().timestamp(),
        "model": model,
        "system_fingerprint": "fp_simulated",
        "choices": [choice],
        "usage": usage,
    }))
}

/// The good reply, or one that differs from it in one thing: calls, text, finish reason.
fn well(
    body: &Value,
    accepted: &Accepted,
    reply: &ModelReply,
) -> (Vec<(String, String)>, String, Option<String>) {
    let wants_answer = matches!(
        reply,
        ModelReply::AnswerWith(_) | ModelReply::Fenced | ModelReply::OnlyReasoning
    );
    let (calls, mut text, mut reason) = if accepted.phase == Phase::Tools && !wants_answer {
        (answer::tool_calls(body), String::new(), "tool_calls")
    } else {
        (Vec::new(), answer::advice(body).to_string(), "stop")
    };
    match reply {
        ModelReply::AnswerWith(fields) => text = replace_fields(answer::advice(body), fields).to_string(),
        ModelReply::Fenced => text = format!("```json\n{text}\n```"),
        ModelReply::FinishReason(other) => reason = other,
        _ => {}
    }
    (calls, text, Some(reason.to_owned()))
}

fn replace_fields(mut answer: Value, fields: &Value) -> Value {
    if let (Some(answer), Some(fields)) = (answer.as_object_mut(), fields.as_object()) {
        for (name, value) in fields {
            if value.is_null() {
                answer.remove(name);
            } else {
                answer.insert(name.clone(), value.clone());
            }
        }
    }
    answer
}

fn ok(body: &Value) -> Reply {
    (StatusCode::OK, json_headers(), Bytes::from(body.to_string()))
}

fn refusal(code: u16, message: &str) -> Reply {
    let kind = match code {
        401 => "authentication_error",
        _ => "invalid_request_error",
    };
    let body =
        json!({"error": {"message": message, "type": kind, "param": null, "code": "invalid_request_error"}});
    (status(code), json_headers(), Bytes::from(body.to_string()))
}

fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        "x-ds-trace-id",
        HeaderValue::from_static("00000000000000000000000000000000"),
    );
    headers
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn into_response((status, headers, body): Reply) -> Response {
    build(status, headers, Body::from(body))
}

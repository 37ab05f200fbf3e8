//! The stream server: accepts connections and refuses those it should.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::commands::Subscriptions;
use super::connection::Connection;
use crate::faults::WsCommand;
use crate::tasks::spawn_until;
use crate::trade::TimeUnit;

/// Wall time over which connection attempts are counted.
const CONNECT_WINDOW: Duration = Duration::from_secs(300);
/// A client that does not finish its upgrade is dropped.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the URL of an upgrade asked for.
#[derive(Debug)]
struct Target {
    subscriptions: Subscriptions,
    unit: TimeUnit,
}

/// Accepts until the exchange ends.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, token: CancellationToken) {
    let mut attempts = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                continue;
            }
        };
        // Before it is counted: who has seen the count may command the connection.
        let commands = shared.faults.subscribe();
        shared.stats.add_connect(1);
        let now = Instant::now();
        attempts.push_back(now);
        while attempts.front().is_some_and(|at| now - *at >= CONNECT_WINDOW) {
            attempts.pop_front();
        }
        let too_many = attempts.len() > shared.config.connects_per_five_minutes;
        let refusal = shared.faults.take_refusal().or(too_many.then_some(429));
        let connection = serve(stream, Arc::clone(&shared), refusal, commands);
        spawn_until(token.clone(), connection);
    }
}

async fn serve(
    stream: TcpStream,
    shared: Arc<Shared>,
    refusal: Option<u16>,
    commands: broadcast::Receiver<WsCommand>,
) {
    let mut target = None;
    // Tells the library's error type, whose size is not ours to choose.
    #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
    let on_request = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if let Some(status) = refusal {
            return Err(refused(status));
        }
        let path = request.uri().path();
        match parse_target(path, request.uri().query().unwrap_or("")) {
            Some(parsed) => {
                target = Some(parsed);
                Ok(response)
            }
            None => Err(refused(404)),
        }
    };
    // Small frames must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set_nodelay failed");
    }
    let upgrade = tokio::time::timeout(UPGRADE_TIMEOUT, accept_hdr_async(stream, on_request));
    let socket = match upgrade.await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            shared.stats.add_refused(1);
            tracing::debug!(%error, "upgrade refused");
            return;
        }
        Err(_) => return,
    };
    let Some(Target { subscriptions, unit }) = target else {
        return;
    };
    let open = shared.stats.open_guard();
    Connection::new(socket, shared, subscriptions, unit, commands)
        .run()
        .await;
    drop(open);
}

fn refused(status: u16) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(match status {
        403 => "<html><body>403 Forbidden</body></html>".to_owned(),
        451 => r#"{"code":0,"msg":"Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms."}"#.to_owned(),
        _ => String::new(),
    }));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    response
}

/// Reads `/ws`, `/ws/<stream>[/<stream>]`, `/stream` and `/stream?streams=<stream>/<stream>`.
fn parse_target(path: &str, query: &str) -> Option<Target> {
    let mut unit = TimeUnit::Millisecond;
    let mut asked = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("timeUnit", "MICROSECOND" | "microsecond")) => unit = TimeUnit::Microsecond,
            Some(("streams", names)) => asked = split_streams(names),
            _ => {}
        }
    }
    let (streams, combined) = match path.split_at_checked(3) {
        Some(("/ws", "" | "/")) => (Vec::new(), false),
        Some(("/ws", names)) => (split_streams(names.strip_prefix('/')?), false),
        _ if path == "/stream" => (asked, true),
        _ => return None,
    };
    Some(Target {
        subscriptions: Subscriptions::new(streams, combined),
        unit,
    })
}

fn split_streams(names: &str) -> Vec<String> {
    names
        .replace("%40", "@")
        .replace("%2F", "/")
        .replace("%2f", "/")
        .split('/')
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

//! Answers `GET /metrics` on a loopback address.
//!
//! Its limits: 8 connections at a time (further ones wait in the system's queue), at most 50 new ones a second,
//! one request on each, 8 KB and 32 headers for it, 2 s until it is there, 5 s for everything. The page is
//! written at most five times a second, however often it is asked for.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most connections that are served at a time.
const CONNECTIONS: usize = 8;

/// Pause between two new connections.
const BETWEEN: Duration = Duration::from_millis(20);

/// Longest wait for the head of the request.
const HEAD_LIMIT: Duration = Duration::from_secs(2);

/// Longest life of a connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// Largest head of a request, in bytes; the smallest that the library takes.
const HEAD_BYTES: usize = 8192;

/// Most headers of a request.
const HEADERS: usize = 32;

/// For so long a page is given out again.
const PAGE_AGE: Duration = Duration::from_millis(200);

/// How often an address that is not free is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Format of the page.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves what `page` writes until the program stops. `note` hears why the address cannot be listened on, and
/// when it can again.
///
/// # Errors
/// None; a monitoring that is not there stops nobody.
pub async fn serve(
    listen: SocketAddr,
    page: impl Fn() -> String + Send + Sync + 'static,
    note: impl Fn(Option<&io::Error>) + Send,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let pages = Arc::new(Pages::new(page));
    while !stop.is_cancelled() {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                note(None);
                // Ends when the program stops.
                let _stopped = stop.run_until_cancelled(accept(&listener, &pages)).await;
                return Ok(());
            }
            Err(error) => note(Some(&error)),
        }
        let _stopped = stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
    }
    Ok(())
}

async fn accept(listener: &TcpListener, pages: &Arc<Pages>) {
    let mut connections = JoinSet::new();
    loop {
        if connections.len() >= CONNECTIONS {
            // There are some, so one ends, at the latest when its time is up.
            drop(connections.join_next().await);
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(answer(stream, Arc::clone(pages)))),
            // Too many open files, for instance: the pause below keeps this from spinning.
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no connection"),
        }
        while connections.try_join_next().is_some() {}
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn answer(stream: TcpStream, pages: Arc<Pages>) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &pages);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever a client does wrong is its own affair.
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_LIMIT, connection).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a request for metrics failed"
        );
    }
}

fn respond(request: &Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, pages.get()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"see /metrics\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(FORMAT));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Writes the page, not too often.
struct Pages {
    write: Box<dyn Fn() -> String + Send + Sync>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Pages {
    fn new(write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            write: Box::new(write),
            last: Mutex::default(),
        }
    }

    fn get(&self) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, page)) if at.elapsed() < PAGE_AGE => page.clone(),
            _ => {
                let page = Bytes::from((self.write)());
                *last = Some((Instant::now(), page.clone()));
                page
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that counts how often its page was written.
    async fn server() -> (SocketAddr, Arc<AtomicU64>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let pages = Arc::new(Pages::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            "figure 1\n".to_owned()
        }));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { accept(&listener, &pages).await });
        (address, written, tasks)
    }

    /// Sends this and reads until the other side closes.
    async fn talk(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may close before everything was sent.
        drop(stream.write_all(request).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn only_a_plain_request_for_the_page_gets_it() {
        let (address, _, _tasks) = server().await;
        let page = talk(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(
            page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\nfigure 1\n"),
            "{page}"
        );
        assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
        let head = talk(address, b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        for (request, status) in [
            (&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], "404"),
            (
                b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
                "405",
            ),
            (b"nonsense\r\n\r\n", "400"),
        ] {
            let answer = talk(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_large_request_is_refused() {
        let (address, _, _tasks) = server().await;
        let long = format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
        for request in [long, many] {
            let answer = talk(address, request.as_bytes()).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
    }

    #[tokio::test]
    async fn clients_that_say_nothing_are_sent_away_and_others_served_after_them() {
        let (address, written, _tasks) = server().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS * 3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /met").await.unwrap();
            silent.push(stream);
        }
        // Three rounds of at most HEAD_LIMIT; without limits this would never come.
        let served = tokio::time::timeout(
            Duration::from_secs(30),
            talk(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"),
        );
        assert!(served.await.unwrap().contains("figure 1"));
        assert_eq!(written.load(Ordering::SeqCst), 1);
        for mut stream in silent {
            // Closed, and not kept open.
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
            assert!(closed.await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_page_is_not_written_for_every_request() {
        let (address, written, _tasks) = server().await;
        let start = Instant::now();
        for _ in 0..20 {
            let page = talk(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert!(page.contains("figure 1"));
        }
        let most = start.elapsed().as_millis() / PAGE_AGE.as_millis() + 1;
        assert!(u128::from(written.load(Ordering::SeqCst)) <= most);
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_said_and_tried_again() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (heard, stop) = (Arc::clone(&said), CancellationToken::new());
        let note = move |error: Option<&io::Error>| {
            heard.lock().unwrap().push(error.map(io::Error::kind));
        };
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move {
            let Ok(()) = serve(address, String::new, note, token).await;
        });
        let wait = |length: usize| {
            let said = Arc::clone(&said);
            async move {
                while said.lock().unwrap().len() < length {
                    tokio::task::yield_now().await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait(1))
            .await
            .unwrap();
        drop(taken);
        tokio::time::timeout(Duration::from_secs(20), wait(2))
            .await
            .unwrap();
        assert_eq!(*said.lock().unwrap(), [Some(io::ErrorKind::AddrInUse), None]);
        stop.cancel();
        assert!(tasks.join_next().await.unwrap().is_ok());
    }
}

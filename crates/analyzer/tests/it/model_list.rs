//! The question at the start for the vendor's list of models, and answers that mean no good.

use std::time::{Duration, Instant};

use analyzer::llm::models::{ListError, ModelList, Verdict};
use secrecy::SecretString;
use strategy_core::telemetry::error_chain;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::market::{self, KEY};
use crate::program;

/// How an answer goes on after its first bytes.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The connection ends.
    End,
    /// Megabytes without an end.
    Flood,
    /// A byte now and then.
    Trickle,
}

/// A vendor that says this to whoever asks, and answers nothing else, as long as the tasks live. Answers its base
/// address.
async fn vendor(beginning: String, then: Then) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut vendor = JoinSet::new();
    vendor.spawn(async move {
        let mut answers = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            answers.spawn(answer(stream, beginning.clone(), then));
        }
    });
    (url, vendor)
}

async fn answer(mut stream: TcpStream, beginning: String, then: Then) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).await?;
    if !request[..read].starts_with(b"GET /v1/models ") {
        return stream
            .write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    stream.write_all(beginning.as_bytes()).await?;
    loop {
        match then {
            Then::End => return stream.shutdown().await,
            Then::Flood => stream.write_all(&[b' '; 8192]).await?,
            Then::Trickle => {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

async fn said(beginning: &str, then: Then) -> String {
    let (url, _vendor) = vendor(beginning.to_owned(), then).await;
    let text = market::yaml(std::path::Path::new("."), 1, &url, "timeout: 20");
    let config = market::config(&text);
    let list = ModelList::new(&config.analyzer.deepseek, SecretString::from(KEY)).unwrap();
    match list.ask().await {
        Verdict::Unknown(error @ ListError::Http(_)) => error_chain(&error),
        Verdict::Unknown(error) => error.to_string(),
        verdict => format!("{verdict:?}"),
    }
}

// All of these were "the list cannot be read", without a reason.
#[tokio::test]
async fn an_answer_that_is_no_list_is_bounded_and_named() {
    let too_long = "the answer is longer than 1048576 bytes";
    assert_eq!(said("{\"data\": [", Then::Flood).await, too_long);
    let huge = format!("{{\"data\": [{{\"id\": \"{}\"}}]}}", "x".repeat(2 << 20));
    assert_eq!(said(&huge, Then::End).await, too_long);
    assert_eq!(
        said("<html><body>Bad gateway</body></html>", Then::End).await,
        "the answer is no json: it begins with \"<html><body>Bad gateway</body></html>\""
    );
    assert_eq!(
        said("{\"error\": {\"message\": \"overloaded\"}}", Then::End).await,
        "the answer is an error: \"overloaded\""
    );
    let asked = Instant::now();
    let endless = said("{", Then::Trickle).await;
    assert!(
        endless.starts_with("it does not come: ") && endless.contains("timed out"),
        "{endless}"
    );
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

/// Whatever the vendor calls its models: the log stays lines, and without the key.
#[tokio::test]
async fn hostile_names_of_models_do_not_reach_the_log_as_they_are() {
    let names = format!(
        r#"{{"data": [{{"id": "a\u001b[2J\r\nERROR forged\u202e"}}, {{"id": "{KEY}"}}, {{"id": "{}"}}]}}"#,
        "z".repeat(100_000)
    );
    let (url, _vendor) = vendor(names, Then::End).await;
    let directory = program::directory(1, &url);
    let output = program::run(directory.path(), &["--once"]).await;
    let log = std::fs::read_to_string(directory.path().join("logs/strategy_agent.log")).unwrap();
    for text in [log, program::text(&output.stderr)] {
        let line = text
            .lines()
            .find(|line| line.contains("does not offer the configured model"));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(
            line.contains(r"a\u{1b}[2J\r\nERROR forged\u{202e}, [REDACTED], zzz"),
            "{line}"
        );
        assert!(line.len() < 500, "{line}");
        assert!(!text.contains(KEY) && !text.contains(['\u{1b}', '\r', '\u{202e}']));
    }
}

//! The program: one line of URLs, servers behind them, an end at once.
#![expect(clippy::disallowed_types, reason = "it runs a program")]

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{SOON, client};

/// Starts the program and reads its line of URLs.
async fn program(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_market-sim"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(SOON, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

async fn get(url: &Value, path: &str) -> Value {
    let url = format!("{}{path}", url.as_str().unwrap());
    client().get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn it_says_where_it_is_and_ends_at_once_when_told() {
    for signal in ["-TERM", "-INT"] {
        let arguments = [
            "--start",
            "2026-11-22T06:14:00Z",
            "--speed",
            "60",
            "--seed",
            "3",
            "--rare-events",
        ];
        let (mut child, urls) = program(&arguments).await;
        assert!(
            get(&urls["rest"], "/api/v3/time").await["serverTime"]
                .as_i64()
                .unwrap()
                >= 1_795_328_040_000
        );
        let trades = get(&urls["rest"], "/api/v3/aggTrades?symbol=BTCFDUSD&limit=5").await;
        assert_eq!(trades.as_array().unwrap().len(), 5);
        assert_eq!(
            get(&urls["model"], "/models").await["data"][0]["id"],
            "deepseek-flash"
        );
        let socket = format!("{}/ws/btcfdusd@aggTrade", urls["ws"].as_str().unwrap());
        let _connection = tokio_tungstenite::connect_async(socket).await.unwrap();
        let id = child.id().unwrap().to_string();
        Command::new("kill").args([signal, &id]).status().await.unwrap();
        let status = tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

#[tokio::test]
async fn it_replays_a_capture() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    let capture = format!("{fixtures}/btcusdt_aggtrade_20210404.jsonl.gz");
    let depth = format!("{fixtures}/btcusdt_depth5000_20250414T000000Z.json.gz");
    let (_child, urls) = program(&["--replay", &capture, "--replay-depth", &depth]).await;
    let trades = get(&urls["rest"], "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000").await;
    assert_eq!(trades.as_array().unwrap().len(), 1000);
    let depth = get(&urls["rest"], "/api/v3/depth?symbol=BTCUSDT&limit=5000").await;
    assert_eq!(depth["bids"].as_array().unwrap().len(), 5000);
}

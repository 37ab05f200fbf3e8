//! Bytes that would steer a terminal, from everywhere they can come from: none leaves a program raw.

use std::path::Path;
use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::exchange::Endpoint;
use market_sim::faults::{RestFault, WsCommand};
use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::json;
use strategy_core::visible::is_steering;

const LIMIT: Duration = Duration::from_secs(60);

/// Red letters, a cleared screen in eight-bit form, another title, text that runs backwards, an end of a line.
const HOSTILE: &str = "\u{1b}[31mRED\u{9b}2J\u{1b}]0;title\u{7}\u{202e}\rgnp.exe";

/// What the programs wrote below a directory and printed, apart from what the test wrote.
fn written(directory: &Path, texts: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, texts);
        } else if path.extension().is_none_or(|end| end != "yaml") {
            texts.push((
                path.display().to_string(),
                std::fs::read(&path).unwrap_or_default(),
            ));
        }
    }
}

/// Nothing raw, and where the hostile text is expected, its words.
fn assert_harmless(directory: &Path, seen: usize) {
    let mut texts = Vec::new();
    written(directory, &mut texts);
    let mut found = 0;
    for (path, bytes) in texts {
        let text = String::from_utf8(bytes).unwrap();
        let raw: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(|letter| letter != '\t' && is_steering(letter)))
            .collect();
        assert!(raw.is_empty() && !text.contains('\r'), "{path}: {raw:?}");
        found += text.matches("gnp.exe").count();
    }
    assert!(
        found >= seen,
        "the text was shown {found} times, of {seen} at least"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_exchange() {
    let world = World::start(WorldOptions {
        seed: 311,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let faults = world.exchange.faults();
    let refusal = json!({"code": -1121, "msg": HOSTILE}).to_string();
    faults.rest(Endpoint::Depth, RestFault::status(400, refusal.clone()), 1);
    faults.rest(Endpoint::Depth, RestFault::status(500, HOSTILE), 1);
    faults.rest(Endpoint::ExchangeInfo, RestFault::status(400, refusal), 1);
    faults.rest(
        Endpoint::AggTrades,
        RestFault::body(format!("[{{\"a\":\"{HOSTILE}\"}}]")),
        1,
    );
    faults.rest(
        Endpoint::Time,
        RestFault::body(json!({"serverTime": HOSTILE}).to_string()),
        1,
    );
    let mut collector = world.collector();
    eventually("the stream is open", LIMIT, async || {
        collector.stderr().contains("trade stream connected")
    })
    .await
    .unwrap();
    for frame in [
        json!({"e": HOSTILE, "E": 1, "s": "BTCFDUSD"}).to_string(),
        json!({"code": 2, "msg": HOSTILE}).to_string(),
        json!({"stream": HOSTILE, "data": {"e": HOSTILE}}).to_string(),
        HOSTILE.to_owned(),
    ] {
        faults.command(WsCommand::Text(frame));
    }
    faults.command(WsCommand::Close(1008, "\u{1b}[31mgnp.exe".to_owned()));
    eventually("the close is said", LIMIT, async || {
        collector.stderr().contains("trade stream ended")
    })
    .await
    .unwrap();
    world.assert_whole(world.now(), LIMIT).await;
    let (_, _, _) = world.ask("data-collector", &["status"]).await;
    collector.stop("INT").await;
    assert_harmless(&world.directory(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_redis() {
    let world = World::start(WorldOptions {
        seed: 312,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let mut connection = world.connection().await;
    let status = json!({
        "is_running": true, "symbol": HOSTILE, "websocket_connected": true, "depth_snapshots_count": 1,
        "trade_window_count": 1, "last_trade_id": 1, "last_update": "2026-11-22T06:14:00Z",
        "backfill": {"done_minutes": 0, "total_minutes": 0}, "degraded": [HOSTILE],
        "redis_connected": true, "last_analysis": HOSTILE, "last_recommendation": HOSTILE,
        "model": {"name": HOSTILE, "not_asked": HOSTILE, "last_call": null, "max_cost_per_day_usd": 1,
            "today": {"day": "2026-11-22", "spending": {"requests": 1, "cached_tokens": 0, "input_tokens": 0,
                "output_tokens": 0, "cost_usd": 0, "estimated_requests": 0, "estimated_usd": 0}}},
    });
    // As some other program may write it: what JSON allows to stand raw stands raw.
    let documents = [status.to_string(), HOSTILE.to_owned(), format!("\"{HOSTILE}\"")];
    for (program, key) in [
        ("data-collector", "data_collector_status"),
        ("analyzer", "analyzer_status"),
    ] {
        for document in &documents {
            let () = connection.set(key, document).await.unwrap();
            for arguments in [&["status"][..], &["status", "--json"]] {
                let (code, out, err) = world.ask(program, arguments).await;
                assert_eq!(code, Some(1), "{out}{err}");
                if *document == documents[0] && arguments.len() == 2 {
                    let read: serde_json::Value = serde_json::from_str(&out).unwrap();
                    assert_eq!(read, status, "escaped, and the same document");
                }
            }
        }
        let () = connection.del(key).await.unwrap();
    }
    // A holder of the lease, minutes, books and lines.
    let () = connection
        .set_ex("data_collector_lease", HOSTILE, 5)
        .await
        .unwrap();
    for key in ["trades_window", "depth_snapshot_5000", "trading_recommendations"] {
        let () = connection.lpush(key, HOSTILE).await.unwrap();
        let () = connection
            .lpush(key, json!({"symbol": HOSTILE, "timestamp": HOSTILE}).to_string())
            .await
            .unwrap();
    }
    let () = connection.lpush("trades_window_changes", HOSTILE).await.unwrap();
    let () = connection.set("analyzer_model_spending", HOSTILE).await.unwrap();
    let (code, _, err) = world.ask("analyzer", &["--once"]).await;
    assert_eq!(code, Some(0), "{err}");
    let mut collector = world.collector();
    eventually("the collector is a standby for a while", LIMIT, async || {
        collector.stderr().contains("waiting as its standby")
    })
    .await
    .unwrap();
    world.assert_whole(world.now(), LIMIT).await;
    collector.stop("INT").await;
    assert_harmless(&world.directory(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_model() {
    let world = World::start(WorldOptions::in_real_time(313)).await;
    let model = ModelServer::start(ModelConfig::default()).await.unwrap();
    world.write_config(
        "config.yaml",
        &format!(
            "analyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"{}\", timeout: 2 }}\n  analysis: {{ interval_seconds: 3, flow_window_minutes: 60, profile_window_minutes: 90 }}",
            model.url()
        ),
    );
    std::fs::write(
        world.directory().join(".env"),
        "DEEPSEEK_API_KEY=only-for-the-simulator\n",
    )
    .unwrap();
    let mut collector = world.collector();
    eventually("the window is filled and a book is there", LIMIT, async || {
        let books: u64 = world
            .connection()
            .await
            .llen("depth_snapshot_5000")
            .await
            .unwrap();
        books >= 1
            && world
                .recorded()
                .await
                .is_ok_and(|recorded| recorded.window.len() >= 80 && recorded.incomplete() == 0)
    })
    .await
    .unwrap();
    let content = |text: &str| ModelReply::Content {
        text: text.to_owned(),
        finish_reason: Some("stop".to_owned()),
    };
    for reply in [
        ModelReply::AnswerWith(json!({"reasoning": HOSTILE})),
        content(HOSTILE),
        ModelReply::Http {
            status: 400,
            headers: Vec::new(),
            body: json!({"error": {"message": HOSTILE, "type": HOSTILE, "code": HOSTILE}}).to_string(),
        },
        ModelReply::FinishReason(HOSTILE.to_owned()),
        ModelReply::ToolCalls {
            calls: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
            finish_reason: HOSTILE.to_owned(),
        },
    ] {
        model.script().clear();
        model.script().always(reply);
        let (code, _, err) = world.ask("analyzer", &["--once"]).await;
        assert_eq!(code, Some(0), "{err}");
    }
    drop(world.ask("analyzer", &["status"]).await);
    collector.stop("INT").await;
    // In the log of recommendations, in the archive of conversations and in the main log.
    assert_harmless(&world.directory(), 5);
    let lines: Vec<String> = world
        .connection()
        .await
        .lrange("trading_recommendations", 0, -1)
        .await
        .unwrap();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| !line.contains(is_steering)), "{lines:?}");
}

#[tokio::test]
async fn from_the_configuration_and_from_files_to_explain() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let quoted = quoted.as_str();
    for (program, arguments) in [
        ("data-collector", &["--check-config"][..]),
        ("analyzer", &["--check-config"]),
        ("analyzer", &["status"]),
    ] {
        for text in [
            format!("app: {{ name: {quoted} }}"),
            format!("{quoted}: 1"),
            format!("redis: {{ {quoted}: 1 }}"),
            format!("redis: {{ host: {quoted}, port: {quoted}, password: {quoted} }}"),
            format!("binance: {{ symbol: {quoted}, rest_api_base: {quoted} }}"),
            format!("logging: {{ level: {quoted}, file_path: {quoted} }}"),
            format!("a: [{HOSTILE}"),
            format!("metrics: {{ listen: {quoted} }}"),
        ] {
            write("config.yaml", text.clone());
            let arguments = [&["--config", "config.yaml"], arguments].concat();
            let mut run = Program::start(program, directory.path(), &arguments);
            let (status, _) = run.wait().await;
            assert_eq!(status.code(), Some(78), "{text}");
            assert!(!run.stderr().is_empty());
        }
    }
    // Not control characters, but what turns text around: valid in a name, and shown escaped.
    write("config.yaml", "app: { name: \"\u{202e}gnp.exe\" }".to_owned());
    let mut run = Program::start(
        "analyzer",
        directory.path(),
        &["--config", "config.yaml", "--check-config"],
    );
    assert_eq!(run.wait().await.0.code(), Some(0));
    assert!(run.stdout().contains("gnp.exe"));
    write("config.yaml", "{}".to_owned());
    std::fs::create_dir(directory.path().join("minutes")).unwrap();
    for text in [
        HOSTILE.to_owned(),
        json!({"lastUpdateId": 1, "bids": [[HOSTILE, "1"]], "asks": []}).to_string(),
        json!({"symbol": HOSTILE, "timestamp": HOSTILE, "last_update_id": 1, "bids": [], "asks": []})
            .to_string(),
    ] {
        let book = directory.path().join("book.json");
        std::fs::write(&book, &text).unwrap();
        std::fs::write(directory.path().join("minutes/trades_20251122_0614.json"), &text).unwrap();
        for arguments in [&["--snapshot", "book.json"][..], &["--minutes", "minutes"]] {
            let arguments = [&["explain"], arguments].concat();
            let mut run = Program::start("analyzer", directory.path(), &arguments);
            assert_ne!(run.wait().await.0.code(), Some(0), "{text}");
        }
        std::fs::remove_file(book).unwrap();
    }
    std::fs::remove_dir_all(directory.path().join("minutes")).unwrap();
    assert_harmless(directory.path(), 1);
}

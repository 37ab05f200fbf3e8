//! The key of the model: searched for wherever the program writes, while the model repeats it wherever it can.

use std::path::Path;

use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use redis::AsyncCommands as _;
use serde_json::json;

use crate::adviser::adviser;
use crate::market::{self, KEY};
use crate::program::{directory, market_in_redis, run, text};

/// Everything in every file below a directory.
fn files(directory: &Path) -> String {
    let mut everything = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            everything.push_str(&files(&path));
        } else {
            everything.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    everything
}

async fn redis_dump(connection: &mut redis::aio::MultiplexedConnection) -> String {
    let keys: Vec<String> = connection.keys("*").await.unwrap();
    let mut everything = String::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE")
            .arg(&key)
            .query_async(connection)
            .await
            .unwrap();
        let values: Vec<String> = if kind == "list" {
            connection.lrange(&key, 0, -1).await.unwrap()
        } else {
            vec![connection.get(&key).await.unwrap()]
        };
        everything.push_str(&values.concat());
    }
    everything
}

fn said(message: &serde_json::Value) -> ModelReply {
    let answer = json!({"model": format!("m {KEY}"), "system_fingerprint": KEY,
        "choices": [{"finish_reason": "stop", "message": message}], KEY: KEY});
    ModelReply::body(answer.to_string())
}

#[tokio::test]
async fn the_key_is_nowhere_to_be_found_whatever_the_model_repeats() {
    let words = format!("Your api key: {KEY} is invalid, {KEY}.");
    let call = json!({"content": KEY, "tool_calls": [{"id": KEY, "function": {"name": KEY, "arguments": format!("{{\"{KEY}\": \"{KEY}\"}}")}}]});
    for (name, reply) in [
        ("401", ModelReply::error(401, &words)),
        ("400", ModelReply::error(400, &words)),
        ("429", ModelReply::error(429, &words)),
        ("500", ModelReply::error(500, &words)),
        (
            "200 with an error",
            ModelReply::body(json!({"error": {"message": words}}).to_string()),
        ),
        ("200 with markup", ModelReply::body(format!("<html>{KEY}</html>"))),
        ("prose", ModelReply::text(&words)),
        (
            "an odd finish",
            ModelReply::Content {
                text: "x".to_owned(),
                finish_reason: Some(format!("end {KEY}")),
            },
        ),
        (
            "an answer",
            ModelReply::AnswerWith(json!({"reasoning": words, "action": "HOLD", "note": KEY})),
        ),
        ("names", said(&json!({"content": words}))),
        ("a call", said(&call)),
    ] {
        let redis = market_in_redis().await;
        let config = ModelConfig {
            api_key: Some(KEY.to_owned()),
            ..ModelConfig::default()
        };
        let model = ModelServer::start(config).await.unwrap();
        model.script().always(reply);
        let directory = directory(redis.port(), &model.url());
        let yaml = directory.path().join("analyzer.yaml");
        let traced = std::fs::read_to_string(&yaml).unwrap();
        let traced = traced
            .replace("DEBUG", "TRACE")
            .replace("timeout: 45", "timeout: 2");
        std::fs::write(&yaml, traced).unwrap();
        let ran = run(directory.path(), &["--once"]).await;
        assert_eq!(ran.status.code(), Some(0), "{name}: {}", text(&ran.stderr));
        let mut everything = text(&ran.stderr) + &text(&ran.stdout) + &files(directory.path());
        everything.push_str(&redis_dump(&mut redis.connection().await).await);
        assert!(
            everything.contains("trading_recommendations") || everything.contains("recommendation written")
        );
        assert!(!model.requests().is_empty(), "{name}");
        if let Some(place) = everything.find(KEY) {
            let from = place.saturating_sub(200);
            panic!(
                "{name}: {}",
                String::from_utf8_lossy(&everything.as_bytes()[from..place + 40])
            );
        }
    }
}

/// What a panic or a debug line could show.
#[tokio::test]
async fn the_key_is_in_no_debug_text() {
    let config = market::config(&market::yaml(
        Path::new("."),
        1,
        "http://127.0.0.1:1/v1",
        "timeout: 20",
    ));
    let adviser = adviser("http://127.0.0.1:1/v1", "timeout: 20");
    let cycle = analyzer::build(
        &config,
        &config.redis.store_options(),
        None,
        std::sync::Arc::new(strategy_core::time::SystemClock),
    )
    .unwrap();
    let key = config.analyzer.deepseek.api_key.get().unwrap().clone();
    let list = analyzer::llm::models::ModelList::new(&config.analyzer.deepseek, key).unwrap();
    for text in [
        format!("{config:#?}"),
        format!("{adviser:#?}"),
        format!("{cycle:#?}"),
        format!("{list:#?}"),
        config.to_redacted_yaml(),
    ] {
        assert!(text.len() > 50 && !text.contains(KEY), "{text}");
    }
}

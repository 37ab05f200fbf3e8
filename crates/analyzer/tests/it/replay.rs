//! A recorded day replayed: answers from the archive, no network, no cost.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use market_sim::model::ModelReply;
use serde_json::Value;

use crate::market::{self, KEY};
use crate::world::{World, once, once_with};

const SAID: [&str; 8] = [
    "action",
    "price_range",
    "confidence",
    "reasoning",
    "source",
    "status",
    "model",
    "quotes",
];

fn archive(directory: &Path) -> PathBuf {
    let files = std::fs::read_dir(directory.join("logs/model")).unwrap();
    files.last().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_recorded_day_is_replayed_at_no_cost() {
    let world = World::new().await;
    let config = world.config("timeout: 20", 60);
    assert!(once(&config).await);
    let asked = world.model.requests().len();
    let archive = archive(world.directory.path());
    let text = std::fs::read_to_string(&archive).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["outcome"], "accepted");
    assert_eq!(record["messages"][0]["role"], "system");
    assert_eq!(record["turns"].as_array().unwrap().len(), 2);
    assert!(!text.contains(KEY));

    assert!(once_with(&config, Some(&archive)).await);
    let lines = world.lines();
    for field in SAID {
        assert_eq!(lines[0][field], lines[1][field], "{field}");
    }
    assert_eq!(lines[1]["replayed"], true);
    assert!(lines[0].get("replayed").is_none());
    for field in ["model_usage", "model_today"] {
        assert!(
            lines[0][field].is_object() && lines[1].get(field).is_none(),
            "{field}"
        );
    }
    assert_eq!(world.model.requests().len(), asked);
}

/// Puts one book in front, `seconds` old, and answers its time.
async fn next_book(world: &World, seconds: i64) -> chrono::DateTime<chrono::Utc> {
    let at = market::now() - TimeDelta::seconds(seconds);
    let at = chrono::DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap();
    let mut connection = world.redis.connection().await;
    let books: Vec<_> = std::iter::once(market::book(at))
        .chain(market::books(TimeDelta::minutes(2)))
        .collect();
    market::publish(&mut connection, &books, &market::minutes(180)).await;
    at
}

#[tokio::test]
async fn each_book_gets_the_answer_it_got_in_whatever_order_they_come_back() {
    let world = World::new().await;
    let config = world.config("timeout: 20", 60);
    let mut books = Vec::new();
    for (turn, confidence) in [0.11, 0.22, 0.33].into_iter().enumerate() {
        books.push(next_book(&world, 60 - 20 * i64::try_from(turn).unwrap()).await);
        let answer = serde_json::json!({"confidence": confidence});
        world.model.script().next_final(ModelReply::AnswerWith(answer));
        assert!(once(&config).await);
    }
    let asked = world.model.stats().model_calls();
    let archive = archive(world.directory.path());
    let recorded = world.lines();
    for turn in [1, 2, 0] {
        let mut connection = world.redis.connection().await;
        let newest: Vec<_> = std::iter::once(market::book(books[turn]))
            .chain(market::books(TimeDelta::minutes(2)))
            .collect();
        market::publish(&mut connection, &newest, &market::minutes(180)).await;
        assert!(once_with(&config, Some(&archive)).await);
        let lines = world.lines();
        let line = lines.last().unwrap();
        assert_eq!(line["replayed"], true);
        for field in SAID {
            assert_eq!(line[field], recorded[turn][field], "{turn} {field}");
        }
    }
    assert_eq!(world.model.stats().model_calls(), asked);
}

#[tokio::test]
async fn a_replay_needs_no_key_and_no_network_and_spends_nothing() {
    let world = World::new().await;
    assert!(once(&world.config("timeout: 20", 60)).await);
    let spent =
        std::fs::read_to_string(world.directory.path().join("logs/model_spending_btcfdusd.json")).unwrap();
    let text = market::yaml(
        world.directory.path(),
        world.redis.port(),
        // Nobody listens there; a budget of nothing and no key.
        "http://127.0.0.1:1/v1",
        "timeout: 1, api_key: '', max_cost_per_day_usd: 0",
    );
    let archive = archive(world.directory.path());
    let kept = std::fs::read_to_string(&archive).unwrap();
    assert!(once_with(&market::config(&text), Some(&archive)).await);
    let lines = world.lines();
    assert_eq!(
        (&lines[1]["source"], &lines[1]["status"]),
        (&"deepseek".into(), &"ok".into()),
        "{}",
        lines[1]
    );
    let after =
        std::fs::read_to_string(world.directory.path().join("logs/model_spending_btcfdusd.json")).unwrap();
    assert_eq!(spent, after);
    // What is replayed is not archived again.
    assert_eq!(std::fs::read_to_string(&archive).unwrap(), kept);
}

#[tokio::test]
async fn a_market_that_is_another_is_judged_and_a_recording_that_ended_says_so() {
    let world = World::new().await;
    let config = world.config("timeout: 20", 60);
    world.model.script().always(ModelReply::Hang);
    assert!(once(&world.config("timeout: 1", 60)).await);
    world.model.script().clear();
    let archive = archive(world.directory.path());
    // The recorded conversation had no answer, and the line says what it says.
    assert!(once_with(&config, Some(&archive)).await);
    let lines = world.lines();
    assert_eq!(
        (&lines[1]["source"], &lines[1]["fallback_reason"]),
        (&"rules".into(), &"not_recorded".into())
    );
    let detail = lines[1]["detail"].as_str().unwrap();
    assert!(detail.contains("did not answer within 1 s"), "{detail}");
    // An answer about prices that are no level now is refused as a live one would be.
    let record: Value = serde_json::from_str(std::fs::read_to_string(&archive).unwrap().trim()).unwrap();
    let mut foreign = record.clone();
    foreign["book"] = Value::Null;
    foreign["turns"] = serde_json::json!([{"model": "deepseek-flash", "choices": [{"finish_reason": "stop",
        "message": {"content": r#"{"action":"BUY","price_range":[90000,90010],"confidence":0.5,"reasoning":"x","risk_level":"LOW"}"#}}]}]);
    let path = world.directory.path().join("foreign.jsonl");
    std::fs::write(&path, foreign.to_string()).unwrap();
    assert!(once_with(&config, Some(&path)).await);
    let lines = world.lines();
    assert_eq!(lines[2]["status"], "ok", "{}", lines[2]);
    assert_eq!(
        lines[2]["fallback_reason"], "not_recorded",
        "the repair round is not in the recording"
    );
    assert!(lines.iter().skip(1).all(|line| line["replayed"] == true));
    assert_eq!(world.model.stats().model_calls(), 1);
}

//! Two hundred cycles of the whole program with a model that fails at random: what the lines say, and what it
//! cost by three records and by the model's own count.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use analyzer::recommendation::day_spending;
use chrono::{DateTime, TimeDelta, Utc};
use market_sim::model::{ModelReply, Phase};
use redis::AsyncCommands as _;
use rust_decimal::{Decimal, dec};
use serde_json::{Value, json};
use strategy_core::store::{DaySpending, encode_depth, encode_minute};
use strategy_core::time::{Clock, Minute};
use tokio_util::sync::CancellationToken;

use crate::market;
use crate::world::{World, log};

const CYCLES: usize = 200;

/// A clock the test moves.
#[derive(Debug)]
struct Hands(Mutex<DateTime<Utc>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// What the model does in a cycle, and what the line says if it was asked.
struct Mood {
    reply: Option<(Phase, ModelReply)>,
    said: (&'static str, &'static str, &'static str),
}

fn rules(reply: ModelReply, code: &'static str) -> Mood {
    Mood {
        reply: Some((Phase::Any, reply)),
        said: ("rules", "ok", code),
    }
}

fn abstains(phase: Phase, reply: ModelReply, reason: &'static str) -> Mood {
    Mood {
        reply: Some((phase, reply)),
        said: ("deepseek", "abstain", reason),
    }
}

/// Mostly well, otherwise one of many things.
fn mood(random: u64) -> Mood {
    let late = ModelReply::Delayed(Duration::from_secs(60), Box::new(ModelReply::Well));
    match random % 60 {
        0 => rules(ModelReply::Hang, "timeout"),
        1 => rules(late, "timeout"),
        2 => rules(ModelReply::error(500, "fault"), "overloaded"),
        3 => rules(ModelReply::error(503, "busy"), "overloaded"),
        4 => rules(ModelReply::bad_gateway_html(), "overloaded"),
        5 => rules(ModelReply::no_balance(), "no_balance"),
        6 => rules(ModelReply::unauthorized(), "unauthorized"),
        7 => rules(ModelReply::rate_limited(Some(3600)), "rate_limited"),
        8 => rules(ModelReply::body("<html>"), "unreadable"),
        9 => rules(ModelReply::Cut(60), "unreachable"),
        10 => rules(ModelReply::error(400, "no"), "request_rejected"),
        11 => rules(ModelReply::unprocessable_text(), "request_rejected"),
        12 => abstains(
            Phase::Any,
            ModelReply::text("Buy now, do not sell."),
            "invalid_answer",
        ),
        13 => abstains(Phase::Any, ModelReply::blank_content(), "invalid_answer"),
        14 => abstains(Phase::Any, ModelReply::dsml(), "invalid_answer"),
        15 => abstains(
            Phase::Final,
            ModelReply::finish_reason("length"),
            "invalid_answer",
        ),
        16 => abstains(
            Phase::Final,
            ModelReply::finish_reason("content_filter"),
            "model_refused",
        ),
        17 => abstains(
            Phase::Final,
            ModelReply::AnswerWith(json!({"price_range": [0, 0]})),
            "invalid_answer",
        ),
        18 => abstains(
            Phase::Any,
            ModelReply::tool_calls(&[("orderflow_analysis", "{}")]),
            "invalid_answer",
        ),
        _ => Mood {
            reply: None,
            said: ("deepseek", "ok", ""),
        },
    }
}

/// One more book and one more minute, as the collector adds them.
async fn go_on(connection: &mut redis::aio::MultiplexedConnection, now: DateTime<Utc>, turn: i64) {
    let minute = Minute::of(now).unwrap().previous();
    let minute = encode_minute(&market::symbol(), &market::minute(minute, turn)).unwrap();
    let book = encode_depth(&market::book(now - TimeDelta::seconds(5))).unwrap();
    let mut pipeline = redis::pipe();
    pipeline
        .lpush("depth_snapshot_5000", book)
        .ltrim("depth_snapshot_5000", 0, 11);
    pipeline
        .lpush("trades_window", minute)
        .ltrim("trades_window", 0, 179);
    let () = pipeline.query_async(connection).await.unwrap();
}

fn said(line: &Value) -> (&str, &str, &str) {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let reason = match (text("fallback_reason"), text("abstain_reason")) {
        ("", reason) | (reason, "") => reason,
        both => panic!("two reasons: {both:?}"),
    };
    (text("source"), text("status"), reason)
}

fn count(line: &Value, name: &str) -> u64 {
    line["model_usage"][name].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn two_hundred_cycles_with_a_moody_model_are_honest_and_add_up() {
    let world = World::new().await;
    let config = world.config(
        "timeout: 3, max_cost_per_day_usd: 100, prices: {peak_factor: 1}",
        60,
    );
    let clock = Arc::new(Hands(Mutex::new("2026-11-20T00:10:00.25Z".parse().unwrap())));
    let mut connection = world.redis.connection().await;
    let () = connection
        .del(&["depth_snapshot_5000", "trades_window"])
        .await
        .unwrap();
    for turn in 0..30 {
        go_on(&mut connection, clock.now() - TimeDelta::minutes(30 - turn), turn).await;
    }
    let mut cycle = analyzer::build(
        &config,
        &config.redis.store_options(),
        None,
        Arc::<Hands>::clone(&clock),
    )
    .unwrap();
    let (model, never) = (&world.model, CancellationToken::new());
    let mut random = 88_172_645_463_325_252_u64;
    let mut moods = Vec::new();
    for turn in 0..CYCLES {
        // Xorshift: the same moods in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mood = mood(random);
        model.script().clear();
        if let Some((phase, reply)) = &mood.reply {
            model.script().push(*phase, reply.clone(), u32::MAX);
        }
        go_on(&mut connection, clock.now(), i64::try_from(turn).unwrap()).await;
        let before = model.stats().model_calls();
        cycle.run(&never).await.unwrap();
        moods.push((mood, model.stats().model_calls() - before));
        *clock.0.lock().unwrap() += TimeDelta::seconds(60);
    }
    cycle.close().await;

    let lines = world.lines();
    assert_eq!(lines.len(), CYCLES);
    let mut by_model = 0;
    for (line, (mood, asked)) in lines.iter().zip(&moods) {
        assert_eq!(count(line, "requests"), *asked, "{line}");
        if *asked == 0 {
            let (source, status, reason) = said(line);
            assert_eq!((source, status), ("rules", "ok"), "{line}");
            assert!(
                ["breaker_open", "unauthorized", "no_balance"].contains(&reason),
                "{line}"
            );
        } else {
            assert_eq!(said(line), mood.said, "{line}");
        }
        by_model += usize::from(said(line).1 == "ok" && line["source"] == "deepseek");
    }
    assert!(by_model > CYCLES / 4, "{by_model}");
    for reason in [
        "timeout",
        "overloaded",
        "no_balance",
        "unauthorized",
        "rate_limited",
        "unreadable",
        "unreachable",
        "request_rejected",
        "invalid_answer",
        "model_refused",
    ] {
        let asked = lines.iter().filter(|line| count(line, "requests") > 0);
        assert!(
            asked.map(said).any(|said| said.2 == reason),
            "{reason} did not happen"
        );
    }

    adds_up(&world, &lines).await;
}

/// Three records of the day agree with the lines and with what the model counted.
async fn adds_up(world: &World, lines: &[Value]) {
    let stats = world.model.stats();
    let unstated = stats.model_calls() - stats.model_answers() - stats.model_refusals();
    let text = std::fs::read_to_string(log(world.directory.path())).unwrap();
    let line = day_spending(text.lines().last().unwrap()).unwrap();
    let today = line.spending;
    assert_eq!(today.requests, stats.model_calls());
    assert_eq!(today.cached_tokens, stats.cached_tokens());
    assert_eq!(today.input_tokens, stats.input_tokens());
    assert_eq!(today.output_tokens, stats.output_tokens());
    assert_eq!(today.estimated_requests, unstated);
    assert!(unstated > 5, "{unstated}");
    // To the last digit, by the model's own count.
    let million = |tokens: u64, usd: Decimal| Decimal::from(tokens) * usd / dec!(1_000_000);
    let stated = million(stats.cached_tokens(), dec!(0.003))
        + million(stats.input_tokens(), dec!(0.15))
        + million(stats.output_tokens(), dec!(0.6));
    assert_eq!(today.cost_usd - today.estimated_usd, stated);
    // Never too little: also what was done for answers that were cut off is covered.
    let lost = stats.tokens() - stats.cached_tokens() - stats.input_tokens() - stats.output_tokens();
    assert!(
        lost > 0 && today.estimated_usd > million(lost, dec!(0.6)),
        "{lost}"
    );
    // The day is the sum of its lines.
    let sum: u64 = lines.iter().map(|line| count(line, "input_tokens")).sum();
    assert_eq!(sum, today.input_tokens);
    // File, Redis and log agree.
    let file = world.directory.path().join("logs/model_spending_btcfdusd.json");
    let file: DaySpending = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let stored: String = world
        .redis
        .connection()
        .await
        .get("analyzer_model_spending")
        .await
        .unwrap();
    let stored: DaySpending = serde_json::from_str(&stored).unwrap();
    assert_eq!((file, stored), (line, line));
    let in_redis: Vec<Value> = world
        .in_redis()
        .await
        .iter()
        .rev()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(in_redis, lines);
}

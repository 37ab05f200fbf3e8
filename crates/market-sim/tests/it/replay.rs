//! Recorded payloads: the generated ones have their form, and they can be replayed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use market_sim::clock::EventClock;
use market_sim::exchange::{Exchange, ExchangeConfig};
use market_sim::market::Market;
use market_sim::replay::{Recording, Replay, ReplayConfig};
use market_sim::tape::Tape;
use market_sim::trade::TimeUnit;
use serde_json::Value;
use strategy_core::num::BucketWidth;

use crate::support::{after_start, config, exchange, get, start};

const CAPTURE: &str = "btcusdt_aggtrade_20210404.jsonl.gz";
const DEPTH: &str = "btcusdt_depth5000_20250414T000000Z.json.gz";
const PAGE: &str = "btcusdt_aggtrades_20200102.json.gz";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(name)
}

fn text(name: &str) -> String {
    let file = std::fs::File::open(fixture(name)).unwrap();
    std::io::read_to_string(GzDecoder::new(file)).unwrap()
}

fn recording() -> Recording {
    Recording::read(&fixture(CAPTURE))
        .unwrap()
        .with_depth(&fixture(DEPTH))
        .unwrap()
}

/// The form of a value: names and kinds, amounts by their number of decimals.
fn form(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, String> =
                fields.iter().map(|(name, value)| (name, form(value))).collect();
            format!("{fields:?}")
        }
        Value::Array(items) => format!("[{}]", items.first().map(form).unwrap_or_default()),
        Value::String(text) => match text.split_once('.') {
            Some((_, decimals)) => format!("text with {} decimals", decimals.len()),
            None => "text".to_owned(),
        },
        Value::Number(number) if number.is_u64() => "whole number".to_owned(),
        other => format!("{other:?}")
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect(),
    }
}

#[tokio::test]
async fn generated_payloads_have_the_form_of_recorded_ones() {
    let exchange = exchange().await;
    let capture = text(CAPTURE);
    let line = capture.lines().next().unwrap();
    let frame: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    let row = exchange.market().block(start()).rows[0];
    let payload = row.stream_payload("BTCFDUSD", TimeUnit::Millisecond);
    assert_eq!(
        form(&serde_json::from_str(&payload).unwrap()),
        form(&frame["data"])
    );
    // The order of the fields is that of the exchange, too.
    let names = |json: &str| {
        json.split('"')
            .filter(|name| name.len() == 1 && name.chars().all(char::is_alphabetic))
            .collect::<String>()
    };
    assert_eq!(
        names(&payload),
        names(&line[line.find("\"data\"").unwrap() + 6..])
    );

    let page: Value = serde_json::from_str(&text(PAGE)).unwrap();
    assert_eq!(
        form(&get(&exchange, "aggTrades?symbol=BTCFDUSD").await.json()),
        form(&page)
    );
    let depth: Value = serde_json::from_str(&text(DEPTH)).unwrap();
    let generated = get(&exchange, "depth?symbol=BTCFDUSD&limit=5000").await;
    assert_eq!(form(&generated.json()), form(&depth));
    assert!(generated.text.starts_with("{\"lastUpdateId\":"));
}

#[tokio::test]
async fn a_recorded_market_is_served_at_the_event_clocks_time() {
    let replay_config = ReplayConfig {
        begin: start().start_ms() + 20_000,
        repeat: false,
        history_minutes: 2,
        align_book: false,
    };
    let market: Arc<dyn Market> = Arc::new(Replay::new(recording(), replay_config).unwrap());
    let clock = EventClock::paused(after_start(60_000));
    let exchange = Exchange::start(market, clock, ExchangeConfig::default())
        .await
        .unwrap();
    let frames: Vec<Value> = text(CAPTURE)
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line[line.find('{').unwrap()..]).unwrap()["data"].take())
        .collect();
    let shift = start().start_ms() + 20_000 - frames[0]["E"].as_i64().unwrap();
    let served = get(&exchange, "aggTrades?symbol=BTCUSDT&fromId=0&limit=1000")
        .await
        .json();
    let served = served.as_array().unwrap();
    let due = frames
        .iter()
        .take_while(|frame| frame["E"].as_i64().unwrap() + shift <= exchange.clock().now_ms());
    assert_eq!(served.len(), due.count().min(1000));
    for (row, frame) in served.iter().zip(&frames) {
        for field in ["a", "p", "q", "f", "l", "m", "M"] {
            assert_eq!(row[field], frame[field]);
        }
        assert_eq!(row["T"].as_i64().unwrap(), frame["T"].as_i64().unwrap() + shift);
    }
    let book = get(&exchange, "depth?symbol=BTCUSDT&limit=5000").await.json();
    let recorded: Value = serde_json::from_str(&text(DEPTH)).unwrap();
    assert_eq!(
        (&book["bids"], &book["asks"]),
        (&recorded["bids"], &recorded["asks"])
    );
    exchange.clock().set(after_start(600_000));
    assert_eq!(
        get(&exchange, "aggTrades?symbol=BTCUSDT&limit=1").await.json()[0]["a"],
        frames[1226]["a"]
    );
    let truth = exchange
        .truth(BucketWidth::ONE, 1000)
        .minutes(start(), 3)
        .unwrap();
    assert_eq!(truth.iter().map(|minute| minute.trade_count).sum::<u64>(), 1227);
}

#[test]
fn a_repeated_recording_never_ends_and_stays_dense() {
    let replay_config = ReplayConfig {
        begin: start().start_ms(),
        repeat: true,
        history_minutes: 10,
        align_book: true,
    };
    let replay = Replay::new(recording(), replay_config).unwrap();
    let mut next: Option<(u64, i64, i64)> = None;
    for offset in -10..10 {
        let block = replay.block(start().offset(offset));
        assert!(block.rows.len() > 500);
        for row in &block.rows {
            if let Some((id, raw, published)) = next {
                assert_eq!((row.id, row.first_raw), (id, raw));
                assert!(row.event_ms >= published);
            }
            next = Some((row.id + 1, row.last_raw + 1, row.event_ms));
            let minute = replay.minute_of_id(row.id, start().offset(20));
            assert_eq!(minute, Some(block.minute));
        }
    }
    assert!(replay.minute_of_id(next.unwrap().0, start().offset(9)).is_none());
    let book = replay.book(start().start_ms());
    let last = replay.block(start()).rows[0].price_e8;
    assert!(
        book.bids[0].price_e8.abs_diff(last) < 20_000_000_000
            && book.bids[0].price_e8 < book.asks[0].price_e8
    );
    let tape = Tape::new(config());
    assert_ne!(tape.symbol(), replay.symbol());
}

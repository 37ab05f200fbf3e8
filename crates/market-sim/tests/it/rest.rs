//! The REST server, rule by rule.

use std::time::Duration;

use market_sim::exchange::{Endpoint, ExchangeConfig};
use market_sim::faults::{DepthEdit, RestFault};
use market_sim::tape::{Tape, TapeConfig};
use serde_json::{Value, json};
use strategy_core::model::{AggTrade, Aggressor, MinuteFootprint};
use strategy_core::num::{BucketWidth, Price, Quantity};
use strategy_core::time::Minute;

use crate::support::{SOON, after_start, client, config, exchange, exchange_of, get, start};

#[tokio::test]
async fn time_and_ping_answer() {
    let exchange = exchange().await;
    assert_eq!(get(&exchange, "ping").await.text, "{}");
    let time = get(&exchange, "time").await;
    assert_eq!(time.json()["serverTime"], exchange.clock().now_ms());
    let url = format!("{}/api/v3/time", exchange.rest_url());
    let micro = client()
        .get(&url)
        .header("x-mbx-time-unit", "MICROSECOND")
        .send()
        .await
        .unwrap();
    let micro: Value = micro.json().await.unwrap();
    assert_eq!(micro["serverTime"], exchange.clock().now_ms() * 1000);
    let bad = client()
        .get(&url)
        .header("x-mbx-time-unit", "hour")
        .send()
        .await
        .unwrap();
    assert_eq!(bad.json::<Value>().await.unwrap()["code"], -1194);
    assert_eq!(get(&exchange, "klines").await.status, 404);
    assert_eq!(client().post(url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn bad_parameters_get_their_codes() {
    let exchange = exchange().await;
    for (path, code) in [
        ("ping?x=1", -1101),
        ("depth?symbol=BTCFDUSD&symbol=BTCFDUSD", -1101),
        ("depth?symbol=BTCFDUSD&limit=5&foo=1", -1101),
        ("depth", -1102),
        ("aggTrades?limit=5", -1102),
        ("depth?symbol=BTCFDUSD&foo=1", -1104),
        ("depth?symbol=", -1105),
        ("depth?symbol=btcfdusd", -1100),
        ("depth?symbol=BTCFDUSD&limit=five", -1100),
        ("depth?symbol=BTCFDUSD&limit=-5", -1100),
        ("aggTrades?symbol=BTCFDUSD&fromId=1.5", -1100),
        ("depth?symbol=NOPE", -1121),
        ("exchangeInfo?symbol=NOPE", -1121),
        ("aggTrades?symbol=BTCFDUSD&fromId=1&startTime=1", -1128),
        ("aggTrades?symbol=BTCFDUSD&startTime=2&endTime=1", -1128),
        ("depth?symbol=BTCFDUSD&limit=0", -1130),
        ("aggTrades?symbol=BTCFDUSD&fromId=99999999999999999999", -1130),
    ] {
        let answer = get(&exchange, path).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_i64()),
            (400, Some(code)),
            "{path}: {}",
            answer.text
        );
        assert!(answer.json()["msg"].is_string());
    }
}

#[tokio::test]
async fn depth_honours_its_limit_and_its_price() {
    let exchange = exchange().await;
    let mut spent = 0;
    for (query, levels, weight) in [
        ("", 100, 5),
        ("&limit=3", 3, 5),
        ("&limit=500", 500, 25),
        ("&limit=1000", 1000, 50),
        ("&limit=5000", 5000, 250),
        ("&limit=9999", 5000, 250),
    ] {
        let answer = get(&exchange, &format!("depth?symbol=BTCFDUSD{query}")).await;
        let book = answer.json();
        for side in ["bids", "asks"] {
            assert_eq!(book[side].as_array().unwrap().len(), levels, "{query}");
        }
        spent += weight;
        assert_eq!(answer.header("x-mbx-used-weight-1m"), spent.to_string());
        assert_eq!(answer.header("x-mbx-used-weight"), spent.to_string());
    }
    get(&exchange, "exchangeInfo?symbol=BTCFDUSD").await;
    get(&exchange, "aggTrades?symbol=BTCFDUSD").await;
    assert_eq!(
        get(&exchange, "ping").await.header("x-mbx-used-weight-1m"),
        (spent + 25).to_string()
    );
    assert_eq!(exchange.stats().weight(), spent + 25);
    assert_eq!(exchange.stats().requests(Endpoint::Depth), 6);
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_can_read_it() {
    let exchange = exchange().await;
    let url = format!("{}/api/v3/depth?symbol=BTCFDUSD&limit=5000", exchange.rest_url());
    let gzipped = reqwest::Client::builder().no_gzip().build().unwrap();
    let raw = gzipped
        .get(&url)
        .header("accept-encoding", "gzip, br")
        .send()
        .await
        .unwrap();
    assert_eq!(raw.headers()["content-encoding"], "gzip");
    assert!(raw.bytes().await.unwrap().len() < 120_000);
    let book: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(book["asks"].as_array().unwrap().len(), 5000);
}

#[tokio::test]
async fn pages_follow_ids_and_times() {
    let exchange = exchange_of(config().with_rare_events(), ExchangeConfig::default()).await;
    let page = async |query: &str| get(&exchange, &format!("aggTrades?symbol=BTCFDUSD{query}")).await;
    let newest = page("").await.ids();
    assert_eq!(newest.len(), 500);
    let head = newest[499];
    assert_eq!(page("&limit=5000").await.ids().len(), 1000);
    assert_eq!(
        page(&format!("&fromId={}&limit=3", newest[0])).await.ids(),
        newest[..3]
    );
    assert_eq!(page(&format!("&fromId={head}")).await.ids(), [head]);
    assert!(page(&format!("&fromId={}", head + 1)).await.ids().is_empty());
    assert!(page("&fromId=9000000000000000000").await.ids().is_empty());
    let first = exchange.market().block(exchange.market().first_minute()).rows[0].id;
    assert_eq!(page("&fromId=0&limit=1").await.ids(), [first]);

    // Times filter on T, both ends included; rows stay in the order of ids.
    let minute = start().offset(-5);
    let rows = exchange.market().trades_of(minute);
    let expected: Vec<u64> = rows.iter().map(|row| row.id).collect();
    let (from, to) = (minute.start_ms(), minute.end_ms() - 1);
    let both = page(&format!("&startTime={from}&endTime={to}&limit=1000"))
        .await
        .ids();
    assert_eq!(both, expected[..expected.len().min(1000)]);
    assert_eq!(
        page(&format!("&startTime={from}&endTime={to}&limit=2"))
            .await
            .ids(),
        expected[..2]
    );
    assert_eq!(
        page(&format!("&startTime={from}000&limit=2")).await.ids(),
        expected[..2]
    );
    let newest_until = page(&format!("&endTime={to}&limit=4")).await.ids();
    assert_eq!(newest_until, expected[expected.len() - 4..]);
    let row = rows[7];
    let same = page(&format!("&startTime={0}&endTime={0}", row.time_ms))
        .await
        .ids();
    assert!(same.contains(&row.id));
    assert!(
        page(&format!("&startTime={}", exchange.clock().now_ms() + 1))
            .await
            .ids()
            .is_empty()
    );
}

#[tokio::test]
async fn rest_may_lag_behind_the_stream() {
    let lagging = ExchangeConfig {
        rest_lag: Duration::from_secs(3),
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(config(), lagging).await;
    let page = get(&exchange, "aggTrades?symbol=BTCFDUSD&limit=1").await.json();
    let lag = exchange.clock().now_ms() - page[0]["T"].as_i64().unwrap();
    assert!((3000..6000).contains(&lag), "{lag}");
}

/// Walks the whole history as a collector does and sums it up without the simulator's help.
#[tokio::test]
async fn the_truth_is_what_paging_by_id_adds_up_to() {
    let tape = TapeConfig {
        history_minutes: 30,
        rate: 200.0,
        ..config().with_rare_events()
    };
    let exchange = exchange_of(tape, ExchangeConfig::default()).await;
    let mut minutes: std::collections::BTreeMap<i64, MinuteFootprint> = std::collections::BTreeMap::new();
    let mut next = 0;
    loop {
        let page = get(
            &exchange,
            &format!("aggTrades?symbol=BTCFDUSD&fromId={next}&limit=1000"),
        )
        .await
        .json();
        for row in page.as_array().unwrap() {
            next = row["a"].as_u64().unwrap() + 1;
            if row["f"] == -1 {
                assert_eq!(
                    (&row["p"], &row["q"], &row["l"]),
                    (&json!("0"), &json!("0"), &json!(-1))
                );
                continue;
            }
            let trade = AggTrade {
                id: row["a"].as_u64().unwrap(),
                price: Price::parse(row["p"].as_str().unwrap()).unwrap(),
                quantity: Quantity::parse(row["q"].as_str().unwrap()).unwrap(),
                traded_at: row["T"].as_i64().unwrap(),
                aggressor: Aggressor::from_buyer_is_maker(row["m"].as_bool().unwrap()),
            };
            let minute = Minute::containing(trade.traded_at).unwrap();
            let footprint = minutes
                .entry(minute.number())
                .or_insert(MinuteFootprint::empty(minute, true));
            footprint.add(&trade, BucketWidth::ONE).unwrap();
        }
        if page.as_array().unwrap().len() < 1000 {
            break;
        }
    }
    let truth = exchange.truth(BucketWidth::ONE, 1000);
    for offset in -30..0 {
        let minute = start().offset(offset);
        let mut expected = truth.minute(minute).unwrap();
        assert!(expected.complete);
        expected.permanent_holes.clear();
        let found = minutes
            .remove(&minute.number())
            .unwrap_or(MinuteFootprint::empty(minute, true));
        assert_eq!(found, expected);
    }
    let limited = exchange
        .truth(BucketWidth::ONE, 5)
        .minute(start().offset(-3))
        .unwrap();
    assert_eq!((limited.levels.len(), limited.dropped_levels > 0), (5, true));
    let holes = truth.minutes(start().offset(-30), 30).unwrap();
    assert!(holes.iter().any(|minute| !minute.permanent_holes.is_empty()));
}

#[tokio::test]
async fn too_much_weight_is_429_and_insisting_is_418() {
    let strict = ExchangeConfig {
        weight_limit: 300,
        patience: 1,
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(config(), strict).await;
    let depth = async || get(&exchange, "depth?symbol=BTCFDUSD&limit=5000").await;
    assert_eq!(depth().await.status, 200);
    let refused = depth().await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_i64()),
        (429, Some(-1003))
    );
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    let banned = depth().await;
    assert_eq!((banned.status, banned.header("retry-after")), (418, "120"));
    let until = exchange.clock().now_ms() + 120_000;
    assert!(
        banned.json()["msg"]
            .as_str()
            .unwrap()
            .contains(&format!("IP banned until {until}"))
    );
    assert_eq!(get(&exchange, "ping").await.status, 418);
    assert_eq!(exchange.stats().limited(), 3);
}

#[tokio::test]
async fn every_rest_fault_does_what_it_says_and_is_used_up() {
    let exchange = exchange().await;
    let faults = exchange.faults();
    for (fault, status, part) in [
        (RestFault::forbidden_html(), 403, "<html>"),
        (RestFault::bad_gateway_html(), 502, "<html>"),
        (RestFault::geo_blocked(), 451, "restricted location"),
        (
            RestFault::banned(300, 1_795_000_000_000),
            418,
            "IP banned until 1795000000000",
        ),
        (RestFault::too_many_requests(17), 429, "-1003"),
        (RestFault::server_error(), 500, "-1000"),
        (RestFault::busy(), 503, "-1008"),
        (RestFault::body("not json"), 200, "not json"),
        (RestFault::Depth(DepthEdit::NoBids), 200, "\"bids\":[]"),
        (RestFault::Depth(DepthEdit::Empty), 200, "\"asks\":[]"),
        (RestFault::Depth(DepthEdit::ZeroQuantity), 200, "\"0.00000000\""),
        (
            RestFault::SlowBody {
                chunk: 100,
                pause: Duration::from_millis(1),
            },
            200,
            "lastUpdateId",
        ),
    ] {
        faults.rest(Endpoint::Depth, fault.clone(), 1);
        let answer = get(&exchange, "depth?symbol=BTCFDUSD&limit=20").await;
        assert_eq!(answer.status, status, "{fault:?}");
        assert!(answer.text.contains(part), "{fault:?}: {}", answer.text);
        if status == 429 {
            assert_eq!(answer.header("retry-after"), "17");
        }
    }
    let true_id = get(&exchange, "depth?symbol=BTCFDUSD").await.json()["lastUpdateId"]
        .as_u64()
        .unwrap();
    faults.rest(Endpoint::Depth, RestFault::Depth(DepthEdit::OlderBy(1000)), 1);
    faults.rest(Endpoint::Depth, RestFault::Depth(DepthEdit::Levels(7)), 1);
    faults.rest(Endpoint::Depth, RestFault::Depth(DepthEdit::Crossed), 1);
    faults.rest(Endpoint::Depth, RestFault::Truncated(90), 1);
    let depth = async || get(&exchange, "depth?symbol=BTCFDUSD").await;
    assert_eq!(depth().await.json()["lastUpdateId"], true_id - 1000);
    assert_eq!(depth().await.json()["asks"].as_array().unwrap().len(), 7);
    let crossed = depth().await.json();
    assert_eq!(crossed["bids"][0][0], crossed["asks"][0][0]);
    assert_eq!(depth().await.text.len(), 90);
    assert_eq!(depth().await.json()["bids"].as_array().unwrap().len(), 100);

    faults.rest(Endpoint::AggTrades, RestFault::EmptyPage, 2);
    faults.rest(Endpoint::AggTrades, RestFault::ShortPage(3), 1);
    faults.rest(Endpoint::AggTrades, RestFault::RepeatRows(2), 1);
    for rows in [0, 0, 3, 502, 500] {
        assert_eq!(
            get(&exchange, "aggTrades?symbol=BTCFDUSD").await.ids().len(),
            rows
        );
    }
}

#[tokio::test]
async fn an_answer_may_break_off_or_never_come() {
    let exchange = exchange().await;
    let url = format!("{}/api/v3/depth?symbol=BTCFDUSD&limit=5000", exchange.rest_url());
    exchange.faults().rest(Endpoint::Depth, RestFault::Cut(1000), 1);
    let cut = client().get(&url).send().await.unwrap();
    assert!(cut.bytes().await.is_err());
    exchange.faults().rest_outage(&RestFault::Hang);
    let hung = client().get(&url).send();
    assert!(
        tokio::time::timeout(Duration::from_millis(100), hung)
            .await
            .is_err()
    );
    exchange.faults().clear();
    assert!(client().get(&url).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_stopped_exchange_is_gone_and_a_new_one_takes_its_port() {
    let tape: std::sync::Arc<Tape> = std::sync::Arc::new(Tape::new(config()));
    let exchange = exchange().await;
    let url = format!("{}/api/v3/ping", exchange.rest_url());
    let client = client();
    assert!(client.get(&url).send().await.unwrap().status().is_success());
    let ports = ExchangeConfig {
        rest_port: exchange.rest_address().port(),
        ws_port: exchange.ws_address().port(),
        ..ExchangeConfig::default()
    };
    exchange.stop();
    market_sim::wait::eventually("it is gone", SOON, async || match client.get(&url).send().await {
        Ok(answer) => !answer.status().is_success(),
        Err(_) => true,
    })
    .await
    .unwrap();
    let clock = market_sim::clock::EventClock::paused(after_start(0));
    let again = market_sim::wait::eventually_some("the port is free again", SOON, async || {
        let market: std::sync::Arc<dyn market_sim::market::Market> = tape.clone();
        market_sim::exchange::Exchange::start(market, clock.clone(), ports.clone())
            .await
            .ok()
    })
    .await
    .unwrap();
    assert!(client.get(&url).send().await.unwrap().status().is_success());
    drop(again);
}

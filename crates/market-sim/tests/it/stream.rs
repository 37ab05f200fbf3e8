//! The stream server, rule by rule and fault by fault.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use market_sim::exchange::{Exchange, ExchangeConfig};
use market_sim::faults::{StreamMode, WsCommand};
use market_sim::wait::eventually;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{SOON, config, exchange, exchange_of, start};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

const RAW: &str = "/ws/btcfdusd@aggTrade";
const COMBINED: &str = "/stream?streams=btcfdusd@aggTrade";

/// Connects and waits until the exchange serves the connection.
async fn connect(exchange: &Exchange, target: &str) -> Client {
    let open = exchange.stats().open_connections();
    let (client, _) = connect_async(format!("{}{target}", exchange.ws_url()))
        .await
        .unwrap();
    eventually("the connection is served", SOON, async || {
        exchange.stats().open_connections() > open
    })
    .await
    .unwrap();
    client
}

async fn next(client: &mut Client) -> Result<Message, Error> {
    let message = tokio::time::timeout(SOON, client.next())
        .await
        .expect("a message in time");
    message.unwrap_or(Err(Error::ConnectionClosed))
}

async fn next_json(client: &mut Client) -> Value {
    loop {
        match next(client).await.unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Ids of the rows that come within `advance` of event time, up to the last one published by then.
async fn ids_during(exchange: &Exchange, client: &mut Client, advance: Duration) -> Vec<u64> {
    let before = exchange.clock().now_ms();
    exchange.clock().advance(advance);
    let last = published(exchange, before).last().copied().unwrap();
    let mut ids = Vec::new();
    while ids.last() != Some(&last) {
        let row = next_json(client).await;
        ids.push(row["data"]["a"].as_u64().or(row["a"].as_u64()).unwrap());
    }
    ids
}

/// Ids of the rows published after `after` and until now.
fn published(exchange: &Exchange, after: i64) -> Vec<u64> {
    let now = exchange.clock().now_ms();
    let rows = [start(), start().next()]
        .map(|minute| exchange.market().block(minute).rows.clone())
        .concat();
    let during = rows
        .iter()
        .filter(|row| row.event_ms > after && row.event_ms <= now);
    during.map(|row| row.id).collect()
}

#[tokio::test]
async fn rows_published_after_the_connection_come_once_and_in_order() {
    for target in [RAW, COMBINED] {
        let exchange = exchange_of(config().with_rare_events(), ExchangeConfig::default()).await;
        let before = exchange.clock().now_ms();
        let mut client = connect(&exchange, target).await;
        let ids = ids_during(&exchange, &mut client, Duration::from_secs(45)).await;
        assert_eq!(ids, published(&exchange, before));
        assert_eq!(exchange.stats().rows_sent(), ids.len() as u64);
    }
}

#[tokio::test]
async fn combined_frames_are_wrapped_and_microseconds_are_given_when_asked_for() {
    let exchange = exchange().await;
    let mut raw = connect(&exchange, RAW).await;
    let mut combined = connect(&exchange, &format!("{COMBINED}&timeUnit=MICROSECOND")).await;
    exchange.clock().advance(Duration::from_secs(10));
    let (raw, combined) = (next_json(&mut raw).await, next_json(&mut combined).await);
    assert_eq!(combined["stream"], "btcfdusd@aggTrade");
    assert_eq!(raw["e"], "aggTrade");
    assert_eq!(raw["a"], combined["data"]["a"]);
    assert_eq!(
        raw["T"].as_i64().unwrap() * 1000,
        combined["data"]["T"].as_i64().unwrap()
    );
}

#[tokio::test]
async fn subscriptions_may_be_changed_on_the_connection() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, "/stream").await;
    let mut ask = async |request: Value| {
        client.send(Message::text(request.to_string())).await.unwrap();
        next_json(&mut client).await
    };
    let subscribe =
        json!({"method": "SUBSCRIBE", "params": ["btcfdusd@aggTrade", "BTCFDUSD@aggTrade"], "id": 1});
    assert_eq!(ask(subscribe).await, json!({"result": null, "id": 1}));
    let listed = ask(json!({"method": "LIST_SUBSCRIPTIONS", "id": "b"})).await;
    assert_eq!(
        listed,
        json!({"result": ["btcfdusd@aggTrade", "BTCFDUSD@aggTrade"], "id": "b"})
    );
    assert_eq!(ask(json!({"method": "WHAT", "id": 3})).await["code"], 2);
    exchange.clock().advance(Duration::from_secs(10));
    assert_eq!(next_json(&mut client).await["stream"], "btcfdusd@aggTrade");
}

#[tokio::test]
async fn an_acknowledgement_may_come_after_the_first_data_or_not_at_all() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, "/ws").await;
    exchange.faults().late_answers(1);
    let subscribe = json!({"method": "SUBSCRIBE", "params": ["btcfdusd@aggTrade"], "id": 1}).to_string();
    client.send(Message::text(subscribe)).await.unwrap();
    eventually("it is subscribed", SOON, async || {
        exchange.stats().client_messages() == 1
    })
    .await
    .unwrap();
    exchange.clock().advance(Duration::from_secs(10));
    assert_eq!(next_json(&mut client).await["e"], "aggTrade");
    let acknowledged = loop {
        let message = next_json(&mut client).await;
        if message.get("e").is_none() {
            break message;
        }
    };
    assert_eq!(acknowledged, json!({"result": null, "id": 1}));
    exchange.faults().lose_answers(1);
    for id in [2, 3] {
        let list = json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string();
        client.send(Message::text(list)).await.unwrap();
    }
    assert_eq!(next_json(&mut client).await["id"], 3);
}

#[tokio::test]
async fn a_fast_clock_loses_nothing() {
    let exchange = exchange_of(config().with_rare_events(), ExchangeConfig::default()).await;
    let before = exchange.clock().now_ms();
    let mut client = connect(&exchange, RAW).await;
    exchange.clock().set_speed(600.0);
    exchange.clock().resume();
    let mut ids = Vec::new();
    while exchange.clock().now_ms() < start().offset(5).end_ms() {
        ids.push(next_json(&mut client).await["a"].as_u64().unwrap());
    }
    let minutes = (0..7).map(|offset| exchange.market().block(start().offset(offset)).rows.clone());
    let rows = minutes.collect::<Vec<_>>().concat();
    let expected = rows.iter().filter(|row| row.event_ms > before).map(|row| row.id);
    assert!(ids.len() > 1000);
    assert!(expected.take(ids.len()).eq(ids));
}

#[tokio::test]
async fn an_upper_case_stream_is_accepted_and_silent() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, "/ws/BTCFDUSD@aggTrade").await;
    exchange.clock().advance(Duration::from_secs(20));
    client
        .send(Message::text(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#))
        .await
        .unwrap();
    assert_eq!(
        next_json(&mut client).await,
        json!({"result": ["BTCFDUSD@aggTrade"], "id": 1})
    );
    assert_eq!(exchange.stats().rows_sent(), 0);
}

#[tokio::test]
async fn pings_come_and_a_client_that_does_not_answer_is_closed() {
    let config_with_pings = ExchangeConfig {
        ping_interval: Duration::from_millis(20),
        pong_timeout: Duration::from_millis(150),
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(
        config(),
        ExchangeConfig {
            messages_per_second: 1000,
            ..config_with_pings
        },
    )
    .await;
    let mut client = connect(&exchange, RAW).await;
    let stats = exchange.stats().clone();
    // Reading is what answers pings.
    while stats.pongs_received() < 3 {
        assert!(matches!(next(&mut client).await.unwrap(), Message::Ping(_)));
    }
    assert!(stats.pings_sent() >= 3);
    drop(client);

    // A client that reads everything and answers nothing.
    let mut silent = TcpStream::connect(exchange.ws_address()).await.unwrap();
    let upgrade = format!(
        "GET {RAW} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    silent.write_all(upgrade.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    tokio::time::timeout(SOON, silent.read_to_end(&mut received))
        .await
        .unwrap()
        .unwrap();
    let closed = [&[0x88, 14][..], &1008_u16.to_be_bytes(), b"Pong timeout"].concat();
    assert!(received.ends_with(&closed), "{received:?}");
}

#[tokio::test]
async fn a_connection_lives_as_long_as_it_may() {
    let short = ExchangeConfig {
        connection_lifetime: Duration::from_millis(50),
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(config(), short).await;
    let mut client = connect_async(format!("{}{RAW}", exchange.ws_url()))
        .await
        .unwrap()
        .0;
    assert!(matches!(
        next(&mut client).await.unwrap(),
        Message::Close(Some(_))
    ));
}

#[tokio::test]
async fn too_many_messages_and_too_many_connections_are_refused() {
    let strict = ExchangeConfig {
        connects_per_five_minutes: 2,
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(config(), strict).await;
    let mut client = connect(&exchange, RAW).await;
    for id in 0..6 {
        client
            .send(Message::text(
                json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string(),
            ))
            .await
            .unwrap();
    }
    let closed = loop {
        if let Message::Close(frame) = next(&mut client).await.unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(
        (u16::from(closed.code), closed.reason.as_str()),
        (1008, "Too many requests")
    );
    let url = format!("{}{RAW}", exchange.ws_url());
    connect_async(&url).await.unwrap();
    assert_eq!(refused_status(connect_async(&url).await.unwrap_err()), 429);
    assert_eq!((exchange.stats().connects(), exchange.stats().refused()), (3, 1));
}

fn refused_status(error: Error) -> u16 {
    match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn upgrades_are_refused_as_told() {
    let exchange = exchange().await;
    let url = format!("{}{RAW}", exchange.ws_url());
    for status in [429, 403, 451] {
        exchange.faults().refuse_upgrade(status, 1);
        assert_eq!(refused_status(connect_async(&url).await.unwrap_err()), status);
    }
    assert_eq!(
        refused_status(
            connect_async(format!("{}/other", exchange.ws_url()))
                .await
                .unwrap_err()
        ),
        404
    );
    exchange.faults().close_on_accept(1);
    let mut client = connect_async(&url).await.unwrap().0;
    assert!(matches!(
        next(&mut client).await.unwrap(),
        Message::Close(Some(_))
    ));
    connect(&exchange, RAW).await;
}

#[tokio::test]
async fn rows_may_be_skipped_repeated_and_exchanged() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, RAW).await;
    let before = exchange.clock().now_ms();
    exchange.faults().skip_rows(3);
    exchange.faults().duplicate_rows(2);
    exchange.faults().swap_rows(1);
    let ids = ids_during(&exchange, &mut client, Duration::from_secs(20)).await;
    let all = published(&exchange, before);
    let expected = [
        vec![all[3], all[3], all[4], all[4], all[6], all[5]],
        all[7..].to_vec(),
    ]
    .concat();
    assert_eq!(ids, expected);

    exchange.faults().extra_fields(1);
    exchange.clock().advance(Duration::from_secs(10));
    assert_eq!(next_json(&mut client).await["X"], json!({"new": [1, null]}));
}

#[tokio::test]
async fn strange_frames_are_sent_as_they_are() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, COMBINED).await;
    let faults = exchange.faults();
    faults.send_text("{\"e\":\"aggTr");
    assert_eq!(next(&mut client).await.unwrap(), Message::text("{\"e\":\"aggTr"));
    faults.command(WsCommand::Binary(vec![1, 2, 3]));
    assert_eq!(next(&mut client).await.unwrap(), Message::binary(vec![1, 2, 3]));
    faults.send_unknown_event();
    assert_eq!(next_json(&mut client).await["data"]["e"], "somethingNew");
    faults.send_foreign_trade();
    assert_eq!(next_json(&mut client).await["data"]["s"], "ETHFDUSD");
    faults.send_error_object();
    assert_eq!(next_json(&mut client).await["code"], 2);
    faults.command(WsCommand::AnnounceShutdown);
    let event = next_json(&mut client).await;
    assert_eq!(
        (&event["stream"], &event["data"]["e"]),
        (&json!("!serverShutdown"), &json!("serverShutdown"))
    );
}

#[tokio::test]
async fn a_shutdown_is_announced_and_then_happens() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, RAW).await;
    exchange.faults().command(WsCommand::Shutdown);
    assert_eq!(next_json(&mut client).await["e"], "serverShutdown");
    assert!(
        matches!(next(&mut client).await.unwrap(), Message::Close(Some(frame)) if u16::from(frame.code) == 1001)
    );
}

#[tokio::test]
async fn connections_end_in_every_way() {
    let exchange = exchange().await;
    for code in [1000, 1001, 1008] {
        let mut client = connect(&exchange, RAW).await;
        exchange.faults().close_all(code, "told to");
        let message = next(&mut client).await.unwrap();
        assert!(matches!(message, Message::Close(Some(frame)) if u16::from(frame.code) == code));
        // Answers the close frame.
        assert!(next(&mut client).await.is_err());
        eventually("it is closed", SOON, async || {
            exchange.stats().open_connections() == 0
        })
        .await
        .unwrap();
    }
    for command in [WsCommand::Drop, WsCommand::HalfFrame] {
        let mut client = connect(&exchange, RAW).await;
        exchange.faults().command(command.clone());
        let end = next(&mut client).await;
        assert!(end.is_err(), "{command:?}: {end:?}");
        eventually("it is gone", SOON, async || {
            exchange.stats().open_connections() == 0
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn silence_has_two_kinds() {
    let quick = ExchangeConfig {
        ping_interval: Duration::from_millis(20),
        messages_per_second: 1000,
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(config(), quick).await;
    let mut client = connect(&exchange, RAW).await;
    let faults = exchange.faults();
    faults.set_mode(StreamMode::DataSilent);
    let silent_from = exchange.clock().now_ms();
    exchange.clock().advance(Duration::from_secs(10));
    let lost = published(&exchange, silent_from);
    for _ in 0..3 {
        assert!(matches!(next(&mut client).await.unwrap(), Message::Ping(_)));
    }
    faults.set_mode(StreamMode::Normal);
    let ids = ids_during(&exchange, &mut client, Duration::from_secs(10)).await;
    assert_eq!(ids[0], lost.last().unwrap() + 1);

    faults.set_mode(StreamMode::BlackHole);
    eventually("pings end", SOON, async || {
        let heard = tokio::time::timeout(Duration::from_millis(150), client.next()).await;
        exchange.clock().advance(Duration::from_millis(500));
        heard.is_err()
    })
    .await
    .unwrap();
    assert_eq!(exchange.stats().open_connections(), 1);
}

#[tokio::test]
async fn a_burst_of_thousands_of_rows_arrives_whole() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, RAW).await;
    assert_eq!(exchange.burst(5000), Ok(start().next()));
    let ids = ids_during(&exchange, &mut client, Duration::from_secs(90)).await;
    assert!(ids.len() > 5000);
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[tokio::test]
async fn a_stopped_exchange_ends_its_connections() {
    let exchange = exchange().await;
    let mut client = connect(&exchange, RAW).await;
    exchange.stop();
    assert!(next(&mut client).await.is_err());
}

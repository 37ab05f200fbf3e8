//! A command that Redis carries out late, after its sender has given it up, changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use market_sim::proxy::TcpProxy;
use market_sim::redis::RedisServer;
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use strategy_core::model::MinuteFootprint;
use strategy_core::store::{
    LeaseToken, Store, StoreError, StoreOptions, WindowContent, WindowImage, decode_minute,
};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

const SIZE: usize = 10;

fn store(port: u16) -> Store {
    Store::new(&StoreOptions {
        host: "127.0.0.1".to_owned(),
        port,
        db: 0,
        username: String::new(),
        password: None,
        tls: false,
        tls_ca: None,
        meter: std::sync::Arc::default(),
        key_prefix: String::new(),
        socket_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
    })
    .unwrap()
}

/// A minute that can be told by its number of trades.
fn minute(number: i64, trades: u64) -> MinuteFootprint {
    let mut minute = MinuteFootprint::empty(Minute::from_number(29_000_000 + number).unwrap(), true);
    minute.trade_count = trades;
    minute
}

async fn loaded(store: &mut Store, symbol: &Symbol) -> WindowImage {
    match store.load_window(symbol).await.unwrap() {
        WindowContent::Whole(image) => image,
        other => panic!("{other:?}"),
    }
}

/// Puts one minute into the window as the image shows it.
async fn put(
    store: &mut Store,
    owner: &LeaseToken,
    symbol: &Symbol,
    image: &mut WindowImage,
    minute: MinuteFootprint,
) -> Result<(), StoreError> {
    let plan = image.plan(BTreeMap::from([(minute.minute, minute)]), SIZE);
    store
        .apply_window(owner, symbol, image, plan.leaving, &plan.changes)
        .await?;
    *image = plan.after;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_arrives_after_its_repetition_is_not_made() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(([127, 0, 0, 1], redis.port()).into())
        .await
        .unwrap();
    let (owner, symbol) = (LeaseToken::new("here", 1, 1), Symbol::new("BTCFDUSD").unwrap());
    let (mut slow, mut quick) = (store(proxy.address().port()), store(redis.port()));
    slow.acquire_lease(&owner).await.unwrap();
    let mut image = loaded(&mut slow, &symbol).await;
    put(&mut slow, &owner, &symbol, &mut image, minute(1, 1))
        .await
        .unwrap();

    proxy.freeze(true);
    // Given up, and on its way all the same.
    let late = put(&mut slow, &owner, &symbol, &mut image, minute(1, 2)).await;
    assert!(matches!(late, Err(StoreError::Unreachable { .. })), "{late:?}");
    let mut image = loaded(&mut quick, &symbol).await;
    put(&mut quick, &owner, &symbol, &mut image, minute(1, 3))
        .await
        .unwrap();
    let mut connection = redis.connection().await;
    let calls = async |connection: &mut redis::aio::MultiplexedConnection| -> String {
        redis::cmd("INFO")
            .arg("commandstats")
            .query_async(connection)
            .await
            .unwrap()
    };
    let count = |stats: &str| -> u64 {
        let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
        let calls = line.and_then(|line| line.split_once("calls=")?.1.split_once(','));
        calls.map_or(0, |(calls, _)| calls.parse().unwrap())
    };
    let before = count(&calls(&mut connection).await);
    proxy.freeze(false);
    eventually("the late command arrives", Duration::from_secs(5), async || {
        count(&calls(&mut connection).await) > before
    })
    .await
    .unwrap();

    let window: Vec<String> = connection.lrange("trades_window", 0, -1).await.unwrap();
    let trades: Vec<u64> = window
        .iter()
        .map(|text| decode_minute(text).unwrap().1.trade_count)
        .collect();
    assert_eq!(trades, [3]);
}

//! REST that shows some rows later than others, or not as they are.

use std::time::Duration;

use market_sim::exchange::{Exchange, ExchangeConfig};
use market_sim::tape::TapeConfig;
use serde_json::Value;

use crate::support::{config, exchange_of, get};

/// Enough trades that some rows of a page are always young.
fn busy() -> TapeConfig {
    TapeConfig {
        rate: 2_000.0,
        quiet_share: 0.0,
        ..config()
    }
}

/// The newest rows of REST, oldest first.
async fn newest(exchange: &Exchange) -> Vec<Value> {
    let answer = get(exchange, "aggTrades?symbol=BTCFDUSD&limit=1000").await;
    answer.json().as_array().unwrap().clone()
}

fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["a"].as_u64().unwrap()).collect()
}

fn lacks_some(ids: &[u64]) -> bool {
    ids.windows(2).any(|pair| pair[1] != pair[0] + 1)
}

#[tokio::test]
async fn a_ragged_page_lacks_rows_for_as_long_as_it_may_and_no_longer() {
    let ragged = ExchangeConfig {
        rest_ragged: Duration::from_secs(3),
        ..ExchangeConfig::default()
    };
    let exchange = exchange_of(busy(), ragged).await;
    exchange.clock().advance(Duration::from_secs(30));
    let young = newest(&exchange).await;
    assert!(lacks_some(&ids(&young)), "{:?}", ids(&young).len());
    let last = *ids(&young).last().unwrap();
    exchange.clock().advance(Duration::from_secs(3));
    let settled: Vec<u64> = ids(&newest(&exchange).await)
        .into_iter()
        .filter(|id| *id <= last)
        .collect();
    assert!(!lacks_some(&settled));
}

#[tokio::test]
async fn a_broken_row_has_its_id_and_no_price_until_it_is_mended() {
    let exchange = exchange_of(busy(), ExchangeConfig::default()).await;
    let whole = newest(&exchange).await;
    let broken = ids(&whole)[10];
    exchange.faults().break_row(broken);
    let rows = newest(&exchange).await;
    assert_eq!(ids(&rows), ids(&whole));
    assert!(rows[10]["p"].is_null());
    assert_eq!(rows[11], whole[11]);
    exchange.faults().clear();
    assert_eq!(newest(&exchange).await, whole);
}

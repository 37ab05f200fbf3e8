//! The REST server, rule by rule.

use crate::support::{exchange, get};

#[tokio::test]
async fn time_and_ping_answer() {
    let exchange = exchange().await;
    assert_eq!(get(&exchange, "ping").await.text, "{}");
    let time = get(&exchange, "time").await;
    assert_eq!(time.json()["serverTime"], exchange.clock().now_ms());
}

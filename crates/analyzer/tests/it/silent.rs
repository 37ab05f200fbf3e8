//! A program that never advises does not look well.

use std::sync::{Arc, Mutex};

use analyzer::cycle::Cycle;
use chrono::{DateTime, TimeDelta, Utc};
use redis::AsyncCommands as _;
use strategy_core::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::market;
use crate::world::World;

/// A clock that stands where it is put.
#[derive(Debug)]
struct Hand(Mutex<DateTime<Utc>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Runs a cycle at this time; answers what the status says then.
async fn degraded(cycle: &mut Cycle, hand: &Hand, at: DateTime<Utc>) -> Vec<String> {
    *hand.0.lock().unwrap() = at;
    cycle.run(&CancellationToken::new()).await.unwrap();
    cycle.board.status(true, true, at).degraded
}

#[tokio::test]
async fn empty_keys_are_named_after_five_minutes_and_forgotten_with_the_first_advice() {
    let world = World::new().await;
    let mut connection = world.redis.connection().await;
    let config = world.config("timeout: 1, api_key: ''", 60);
    let keys = ["depth_snapshot_5000", "trades_window"];
    let _: u64 = connection.del(&keys).await.unwrap();
    let start = market::now() - TimeDelta::minutes(7);
    let hand = Arc::new(Hand(Mutex::new(start)));
    let clock: Arc<dyn Clock> = hand.clone();
    let mut cycle = analyzer::build(&config, &config.redis.store_options(), None, clock).unwrap();
    for minute in [0, 1, 4] {
        let at = start + TimeDelta::minutes(minute);
        assert!(degraded(&mut cycle, &hand, at).await.is_empty(), "{minute}");
    }
    let words = |minutes: u32| {
        let since = start.format("since %H:%M UTC");
        format!("no advice for {minutes} min: there is no order book; there are no minutes of trades {since}")
    };
    for minute in [5, 7] {
        let at = start + TimeDelta::minutes(minute.into());
        let reasons = degraded(&mut cycle, &hand, at).await;
        // A test at midnight has the date as well.
        let same_day = start.date_naive() == at.date_naive();
        assert!(
            reasons.len() == 1 && (!same_day || reasons[0] == words(minute)),
            "{reasons:?}"
        );
    }
    world.publish(&market::minutes(180)).await;
    let reasons = degraded(&mut cycle, &hand, market::now()).await;
    assert!(reasons.is_empty(), "{reasons:?}");
}

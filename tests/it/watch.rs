//! What tests read while a collector runs.

use std::time::{Duration, Instant};

use end_to_end_tests::World;
use market_sim::wait::eventually;
use serde_json::Value;

/// Longest wait for something that should come soon.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// The collector's status.
pub(crate) async fn status(world: &World) -> Value {
    serde_json::from_str(&world.status().await).unwrap_or(Value::Null)
}

/// The reasons of the status.
pub(crate) fn reasons(status: &Value) -> Vec<String> {
    let reasons = status["degraded"].as_array().cloned().unwrap_or_default();
    reasons
        .iter()
        .filter_map(|reason| reason.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Waits until a reason of the status contains a text, and returns that reason.
pub(crate) async fn reason_with(world: &World, text: &str) -> String {
    let mut found = None;
    let said = eventually(text, LIMIT, async || {
        let reasons = reasons(&status(world).await);
        found = reasons.into_iter().find(|reason| reason.contains(text));
        found.is_some()
    });
    said.await.unwrap();
    found.unwrap()
}

/// Waits until a point in time, checking on the way that a condition holds.
pub(crate) async fn holds_until(what: &str, until: Instant, holds: impl Fn() -> bool) {
    let left = until.saturating_duration_since(Instant::now());
    eventually("the time comes", left + LIMIT, async || {
        assert!(holds(), "{what}");
        Instant::now() >= until
    })
    .await
    .unwrap();
}

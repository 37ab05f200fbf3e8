//! The lease on the keys: waits for it as a standby, renews it as the owner, gives it back at the end.

use std::sync::Arc;
use std::time::Duration;

use strategy_core::backoff::Backoff;
use strategy_core::lifecycle;
use strategy_core::store::{LEASE_PERIOD, LeaseState, Store, StoreError};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use tokio::time::timeout;

use crate::error::CollectorError;
use crate::shared::Shared;
use crate::signs::Task;

/// First and longest wait before Redis is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), LEASE_PERIOD);

/// Longest time for giving the lease back; a standby waits for its expiry where this fails.
const RELEASE_LIMIT: Duration = Duration::from_millis(300);

/// Runs until the program stops.
///
/// # Errors
/// [`CollectorError::LeaseLost`] when another collector took over.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut store = Store::new(&shared.settings.store).map_err(CollectorError::Store)?;
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut owner = false;
    let mut standby_said = false;
    while !shared.stop.is_cancelled() {
        let Some(outcome) = shared
            .stop
            .run_until_cancelled(store.acquire_lease(&shared.token))
            .await
        else {
            break;
        };
        let wait = match outcome {
            Ok(LeaseState::Held) => {
                backoff.reset();
                shared.redis_answers();
                if !owner {
                    owner = true;
                    lifecycle::notify_status("loading the window");
                    shared.signs.begin();
                    tracing::info!(owner = shared.token.as_str(), "this collector owns the keys");
                    shared.owned.send_replace(true);
                }
                LEASE_PERIOD
            }
            Ok(LeaseState::HeldBy(holder)) if owner => return Err(CollectorError::LeaseLost { holder }),
            Ok(LeaseState::HeldBy(holder)) => {
                backoff.reset();
                shared.redis_answers();
                if let Some(found) = other_market(&holder, &shared.settings.symbol) {
                    let wanted = shared.settings.symbol.clone();
                    return Err(CollectorError::OtherSymbol { found, wanted });
                }
                if !standby_said {
                    standby_said = true;
                    // Redis has answered; that another one records is no failure of the start.
                    lifecycle::notify_ready();
                    lifecycle::notify_status(&format!("standby: {holder} owns the keys"));
                    tracing::info!(holder, "another collector owns the keys: waiting as its standby");
                }
                LEASE_PERIOD
            }
            Err(error) => {
                shared.redis_failed(&error);
                if !owner {
                    let words = match &error {
                        StoreError::Unreachable { .. } => "waiting for redis".to_owned(),
                        refusal => format!("redis refuses: {}", error_chain(refusal)),
                    };
                    lifecycle::notify_status(&words);
                }
                backoff.next_delay(rand::random())
            }
        };
        shared.signs.sign(Task::Lease, wait);
        if !shared.pause(wait).await {
            break;
        }
    }
    // The last writes need the lease.
    shared.saved.cancelled().await;
    if owner && let Ok(Err(error)) = timeout(RELEASE_LIMIT, store.release_lease(&shared.token)).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the lease was left to expire"
        );
    }
    Ok(())
}

/// The market a holder of the lease names before the `@`, if it is another one.
fn other_market(holder: &str, ours: &Symbol) -> Option<Symbol> {
    let (market, _) = holder.split_once('@')?;
    Symbol::new(market).ok().filter(|market| market != ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_tells_which_market_it_records() {
        let ours = Symbol::new("BTCFDUSD").unwrap();
        assert_eq!(other_market("BTCFDUSD@here:1:2", &ours), None);
        assert_eq!(other_market("here:1:2", &ours), None);
        assert_eq!(
            other_market("BTCUSDT@here:1:2", &ours),
            Symbol::new("BTCUSDT").ok()
        );
    }
}

//! Writes the status key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::lifecycle::notify_status;
use strategy_core::store::{CollectorStatus, Store};
use tokio::time::timeout;

use crate::error::CollectorError;
use crate::shared::Shared;
use crate::signs::Task;

/// How often the status is written.
const EVERY: Duration = Duration::from_secs(2);

/// Longest time for one write while the program runs, and for the last one.
const WRITE_LIMITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(300));

/// Runs until the program stops, and then writes that it does not run any more.
///
/// # Errors
/// [`CollectorError::Store`] when the settings of Redis cannot be used.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut store = Store::new(&shared.settings.store).map_err(CollectorError::Store)?;
    if !shared.owned().await {
        return Ok(());
    }
    loop {
        // Dropped when the program stops: the last write follows.
        let _stopped = shared
            .stop
            .run_until_cancelled(write(&shared, &mut store, true))
            .await;
        shared.signs.sign(Task::Status, EVERY);
        if !shared.pause(EVERY).await {
            break;
        }
    }
    shared.saved.cancelled().await;
    write(&shared, &mut store, false).await;
    Ok(())
}

async fn write(shared: &Shared, store: &mut Store, is_running: bool) {
    let status = status(shared, is_running);
    let limit = if is_running {
        WRITE_LIMITS.0
    } else {
        WRITE_LIMITS.1
    };
    if is_running {
        notify_status(&words(&status));
    }
    // A status that cannot be written expires, which says the same.
    if let Ok(Err(error)) = timeout(limit, store.put_collector_status(&status)).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the status was not written"
        );
    }
}

/// The status in one line, for systemd.
fn words(status: &CollectorStatus) -> String {
    let (minutes, books) = (status.trade_window_count, status.depth_snapshots_count);
    let stored = format!("{minutes} minutes and {books} books in redis");
    if status.degraded.is_empty() {
        format!("recording {}: {stored}", status.symbol)
    } else {
        format!("{}; {stored}", status.degraded.join("; "))
    }
}

fn status(shared: &Shared, is_running: bool) -> CollectorStatus {
    let state = shared.health.snapshot();
    let recorder = state.recorder;
    let mut counters: BTreeMap<String, u64> = state
        .counters
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    for (name, count) in [
        ("trades", recorder.trades),
        ("dead_rows", recorder.dead_rows),
        ("duplicates", recorder.duplicates),
        ("gaps", recorder.gaps),
        ("gaps_healed", recorder.gaps_healed),
        ("frames", shared.health.frames().0),
        ("repaired_trades", recorder.repaired_trades),
        ("missing_ids", recorder.hole_ids),
        ("rejected_rows", recorder.rejected_rows),
        ("unreadable_rows", recorder.unreadable_rows),
        ("ids_left_to_history", recorder.left_to_history),
        ("amended_minutes", recorder.amended_minutes),
        ("invalidated_minutes", recorder.invalidated_minutes),
        ("minutes_complete", recorder.minutes_complete),
        ("minutes_incomplete", recorder.minutes_incomplete),
        ("rest_weight", shared.rest.transport().weight_spent()),
    ] {
        counters.insert(name.to_owned(), count);
    }
    let now = shared.clock.now();
    let mut degraded = state.reasons(now);
    degraded.extend(shared.rest.transport().notices());
    degraded.extend(shared.signs.troubles());
    degraded.extend(shared.log.trouble());
    CollectorStatus {
        is_running,
        symbol: shared.settings.symbol.to_string(),
        websocket_connected: state.websocket_connected,
        depth_snapshots_count: state.depth_count,
        trade_window_count: state.window_count,
        incomplete_minutes: state.incomplete_minutes,
        last_trade_id: state.last_trade_id,
        last_update: now,
        backfill: state.backfill,
        degraded,
        counters,
    }
}

//! Writes the status key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::lifecycle::notify_status;
use strategy_core::store::{CollectorStatus, Store};
use tokio::time::timeout;

use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::signs::Task;

/// How often the status is written.
const EVERY: Duration = Duration::from_secs(2);

/// How long loading the window may take until that is a reason to be named.
const LOADING: Duration = Duration::from_secs(20);

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
    let begun = shared.uptime();
    loop {
        look_at_window(&shared, begun);
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

/// Until the window is loaded nothing is recorded, and the task that loads it may be the one that hangs. `begun`
/// is when the keys were ours.
fn look_at_window(shared: &Shared, begun: Uptime) {
    if shared.window.borrow().is_some() {
        if shared.health.recover(Part::Window) {
            tracing::info!("the window is loaded");
        }
        return;
    }
    let waited = shared.uptime().saturating_sub(begun);
    if waited < LOADING {
        return;
    }
    let reading = shared.health.snapshot().reading.words();
    let words = format!(
        "the window is not loaded yet: {reading} for {} s",
        waited.as_secs()
    );
    if shared.health.degrade(Part::Window, words.clone()) {
        tracing::warn!("{words}: nothing is recorded until it is");
    }
}

async fn write(shared: &Shared, store: &mut Store, is_running: bool) {
    let status = status(shared, is_running);
    let limit = if is_running {
        WRITE_LIMITS.0
    } else {
        WRITE_LIMITS.1
    };
    if is_running {
        notify_status(&words(&status, shared.window.borrow().is_some()));
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
fn words(status: &CollectorStatus, loaded: bool) -> String {
    if !loaded {
        return if status.degraded.is_empty() {
            format!("loading the window of {}", status.symbol)
        } else {
            status.degraded.join("; ")
        };
    }
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

#[cfg(test)]
mod tests {
    use market_sim::wait::eventually;
    use strategy_core::store::WindowImage;
    use tokio::runtime::Builder;
    use tokio::task::JoinSet;

    use super::*;
    use crate::tasks::{fixture, persist};

    const LIMIT: Duration = Duration::from_secs(30);

    /// What the status and systemd are told.
    fn told(shared: &Shared) -> (Vec<String>, String) {
        look_at_window(shared, Uptime::ZERO);
        let status = status(shared, true);
        let words = words(&status, shared.window.borrow().is_some());
        (status.degraded, words)
    }

    #[tokio::test]
    async fn a_start_is_not_called_recording_and_has_its_time() {
        let storage = tempfile::tempdir().unwrap();
        let shared = fixture::shared(storage.path(), Duration::from_secs(5));
        let (degraded, words) = told(&shared);
        assert_eq!(degraded, Vec::<String>::new());
        assert_eq!(words, "loading the window of BTCFDUSD");
    }

    /// The only thread that may read files waits, as it would for a dead disk.
    #[test]
    fn a_start_whose_storage_hangs_is_not_healthy() {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (release, hangs) = std::sync::mpsc::channel::<()>();
            let disk = tokio::task::spawn_blocking(move || hangs.recv().is_ok());
            let storage = tempfile::tempdir().unwrap();
            let shared = fixture::shared(storage.path(), Duration::from_secs(34));
            shared.owned.send_replace(true);
            let mut tasks = JoinSet::new();
            tasks.spawn(persist::run(Arc::clone(&shared)));
            tokio::task::yield_now().await;
            let (degraded, words) = told(&shared);
            let said = "the window is not loaded yet: reading storage for 34 s since ";
            assert!(degraded[0].starts_with(said), "{degraded:?}");
            assert!(!words.contains("recording") && words.starts_with(said), "{words}");
            release.send(()).unwrap();
            assert!(disk.await.unwrap());
            // There is no server at this address.
            eventually("redis is what is waited for", LIMIT, async || {
                told(&shared)
                    .0
                    .iter()
                    .any(|reason| reason.contains("reading redis for "))
            })
            .await
            .unwrap();
            shared.window.send_replace(Some(Arc::new(WindowImage::default())));
            let (degraded, _) = told(&shared);
            assert!(
                !degraded.iter().any(|reason| reason.contains("window")),
                "{degraded:?}"
            );
            shared.intake_done.cancel();
            shared.stop.cancel();
            tasks.join_next().await.unwrap().unwrap().unwrap();
        });
    }

    #[tokio::test]
    async fn a_loaded_window_is_recorded() {
        let storage = tempfile::tempdir().unwrap();
        let shared = fixture::shared(storage.path(), Duration::from_secs(34));
        shared.window.send_replace(Some(Arc::new(WindowImage::default())));
        let (degraded, words) = told(&shared);
        assert_eq!(degraded, Vec::<String>::new());
        assert_eq!(words, "recording BTCFDUSD: 0 minutes and 0 books in redis");
    }
}

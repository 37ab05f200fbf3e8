//! Watches what grows: the memory of Redis and the files in `storage/`.
//!
//! Files older than `storage_retention_days` are removed, by the time of the newest recorded minute: a local
//! clock that is wrong removes nothing.

use std::sync::Arc;
use std::time::Duration;

use strategy_core::archive::{Archive, ArchiveError};
use strategy_core::store::{Questions, ServerState, Store, StoreError};
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;

use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;

/// How often the server is asked.
const SERVER_EVERY: Duration = Duration::from_secs(15);

/// How often the files are counted: a directory of years has a million.
const FILES_EVERY: Duration = Duration::from_secs(3600);

/// Most files that are removed at a time.
const REMOVED_AT_ONCE: usize = 10_000;

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// Runs until the program stops.
///
/// # Errors
/// [`CollectorError::Store`] when the settings of Redis cannot be used.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut store = Store::new(&shared.settings.store).map_err(CollectorError::Store)?;
    let mut warned: Vec<String> = Vec::new();
    let (mut questions, mut silent) = (Questions::default(), false);
    let mut files_due = Uptime::ZERO;
    if shared.loaded_window().await.is_none() {
        return Ok(());
    }
    loop {
        if !silent {
            let asking = store.server_state(&mut questions);
            match shared.stop.run_until_cancelled(asking).await {
                Some(Ok(server)) => note_server(&shared, server, &mut warned),
                Some(Err(error @ StoreError::Refused { .. })) if !error.is_transient() => {
                    silent = true;
                    let error = error_chain(&error);
                    tracing::info!(error, "redis does not say how much memory it uses");
                }
                // Others say that Redis is away.
                Some(Err(_)) | None => {}
            }
        }
        if shared.uptime() >= files_due {
            files_due = shared.uptime() + FILES_EVERY;
            // What has begun ends by itself.
            let _stopped = shared.stop.run_until_cancelled(look_at_files(&shared)).await;
        }
        if !shared.pause(SERVER_EVERY).await {
            return Ok(());
        }
    }
}

fn note_server(shared: &Shared, server: ServerState, warned: &mut Vec<String>) {
    let warnings = server.warnings();
    for warning in warnings.iter().filter(|warning| !warned.contains(warning)) {
        tracing::warn!("{warning}");
    }
    *warned = warnings;
    match server.trouble() {
        Some(words) => {
            if shared.health.degrade(Part::RedisMemory, words.clone()) {
                tracing::warn!("{words}");
            }
        }
        None => {
            shared.health.recover(Part::RedisMemory);
        }
    }
    shared.health.update(|state| state.server = Some(server));
}

/// Removes old files where that is wanted, and counts.
async fn look_at_files(shared: &Shared) {
    let archive = Archive::new(&shared.settings.storage_dir, shared.settings.symbol.clone());
    let end = expired_before(shared);
    let work = move || -> Result<_, ArchiveError> {
        let removed = match end {
            Some(end) => archive.expire(end, REMOVED_AT_ONCE)?,
            None => 0,
        };
        Ok((removed, archive.usage()?))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok((removed, usage))) => {
            if removed > 0 {
                tracing::info!(
                    files = removed,
                    days = shared.settings.retention_days,
                    "files older than data_collector.storage_retention_days were removed"
                );
            }
            shared.health.update(|state| state.files = Some(usage));
        }
        Ok(Err(error)) => tracing::warn!(
            error = error_chain(&error),
            "the files in storage cannot be counted"
        ),
        Err(error) => tracing::warn!(
            error = error_chain(&error),
            "the files in storage were not counted"
        ),
    }
}

/// First minute whose file stays; `None` when all do.
fn expired_before(shared: &Shared) -> Option<Minute> {
    let days = shared.settings.retention_days;
    let image = shared.window.borrow().clone()?;
    (days > 0).then(|| image.newest().map(|newest| newest.offset(-i64::from(days) * DAY)))?
}

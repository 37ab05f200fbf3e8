//! Watches what grows: the memory of Redis and the files in `storage/`.
//!
//! Files older than `storage_retention_days` are removed, by the time of the newest recorded minute: a local
//! clock that is wrong removes nothing.

use std::sync::Arc;
use std::time::Duration;

use strategy_core::archive::{Archive, ArchiveError, Expired, Usage};
use strategy_core::store::{Questions, ServerState, Store, StoreError};
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;

use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::tasks::filing::{failures_in_words, log_failures};

/// How often the server is asked.
const SERVER_EVERY: Duration = Duration::from_secs(15);

/// How often the files are counted: a directory of years has a million.
const FILES_EVERY: Duration = Duration::from_secs(3600);

/// How long after files that could not be removed or counted they are tried again.
const FILES_RETRY: Duration = Duration::from_secs(600);

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
            // What has begun ends by itself.
            let well = shared.stop.run_until_cancelled(look_at_files(&shared)).await;
            let wait = if well == Some(false) {
                FILES_RETRY
            } else {
                FILES_EVERY
            };
            files_due = shared.uptime() + wait;
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
            if shared.health.recover(Part::RedisMemory) {
                tracing::info!("redis has room in memory again");
            }
        }
    }
    shared.health.update(|state| state.server = Some(server));
}

/// Removes old files where that is wanted, and counts. False if not all of it could be done.
async fn look_at_files(shared: &Shared) -> bool {
    let archive = Archive::new(&shared.settings.storage_dir, shared.settings.symbol.clone());
    let end = expired_before(shared);
    // The files are counted whatever became of the old ones.
    let work = move || {
        let expired = end.map_or_else(
            || Ok(Expired::default()),
            |end| archive.expire(end, REMOVED_AT_ONCE),
        );
        (expired, archive.usage())
    };
    match tokio::task::spawn_blocking(work).await {
        Ok((expired, usage)) => note_files(shared, &expired, &usage),
        Err(error) => {
            tracing::warn!(
                error = error_chain(&error),
                "the files in storage were not counted"
            );
            false
        }
    }
}

/// Says what became of the files. True if all is well with them.
fn note_files(
    shared: &Shared,
    expired: &Result<Expired, ArchiveError>,
    usage: &Result<Usage, ArchiveError>,
) -> bool {
    let mut reasons = Vec::new();
    match expired {
        Ok(expired) => {
            if expired.removed > 0 {
                tracing::info!(
                    files = expired.removed,
                    days = shared.settings.retention_days,
                    "files older than data_collector.storage_retention_days were removed"
                );
            }
            let words = failures_in_words(&expired.failures);
            reasons.extend(words.map(|words| format!("retention: old files stay: {words}")));
        }
        Err(error) => reasons.push(format!("retention: old files stay: {}", error_chain(error))),
    }
    match usage {
        Ok(usage) => shared.health.update(|state| state.files = Some(*usage)),
        Err(error) => reasons.push(format!(
            "retention: the files in storage cannot be counted: {}",
            error_chain(error)
        )),
    }
    if reasons.is_empty() {
        if shared.health.recover(Part::Retention) {
            tracing::info!("files are removed and counted again");
        }
        return true;
    }
    let words = reasons.join("; ");
    if shared.health.degrade(Part::Retention, words.clone()) {
        tracing::warn!("{words}");
        if let Ok(expired) = expired {
            log_failures(&expired.failures, "an old file stays");
        }
    }
    false
}

/// First minute whose file stays; `None` when all do.
fn expired_before(shared: &Shared) -> Option<Minute> {
    let days = shared.settings.retention_days;
    let image = shared.window.borrow().clone()?;
    (days > 0).then(|| image.newest().map(|newest| newest.offset(-i64::from(days) * DAY)))?
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;
    use crate::tasks::fixture;

    fn reasons(shared: &Shared) -> Vec<String> {
        shared.health.snapshot().reasons(shared.clock.now())
    }

    #[tokio::test]
    async fn files_are_counted_when_old_ones_cannot_be_removed() {
        let storage = tempfile::tempdir().unwrap();
        let shared = fixture::shared(storage.path(), Duration::ZERO);
        let failure = ArchiveError::Io {
            action: "remove",
            path: PathBuf::from("storage/trades_20251122_0614.json"),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        };
        let counted = Usage {
            files: 3,
            bytes: 4096,
        };
        assert!(!note_files(&shared, &Err(failure), &Ok(counted)));
        assert_eq!(shared.health.snapshot().files, Some(counted));
        let said = reasons(&shared);
        assert_eq!(said.len(), 1);
        let words =
            "retention: old files stay: cannot remove storage/trades_20251122_0614.json: permission denied";
        assert!(said[0].starts_with(words), "{said:?}");
        assert!(note_files(&shared, &Ok(Expired::default()), &Ok(counted)));
        assert_eq!(reasons(&shared), Vec::<String>::new());
    }

    #[tokio::test]
    async fn storage_that_cannot_be_counted_is_a_reason_until_it_can() {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        std::fs::write(&storage, "no directory").unwrap();
        let shared = fixture::shared(&storage, Duration::ZERO);
        assert!(!look_at_files(&shared).await);
        let said = reasons(&shared);
        assert!(
            said[0].contains("cannot be counted") && said[0].contains("storage"),
            "{said:?}"
        );
        std::fs::remove_file(&storage).unwrap();
        assert!(look_at_files(&shared).await);
        assert_eq!(reasons(&shared), Vec::<String>::new());
    }
}

//! Minutes on their way into files, and what is known of the files. Part of the persisting task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::archive::{Archive, ArchiveError};
use strategy_core::model::MinuteFootprint;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;

use crate::backfill::HEAL_MINUTES;
use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;

/// How often storage that could not be written is tried again.
pub(super) const STORAGE_RETRY: Duration = Duration::from_secs(10);

/// Most files that wait to be marked while storage cannot be written; beyond it the oldest stays as it is.
const OWED_LIMIT: usize = 360;

/// Writes the files of one market.
#[derive(Debug)]
pub(super) struct Filing {
    shared: Arc<Shared>,
    archive: Archive,
    /// When storage is tried again after a failure; `None` while it works.
    due: Option<Uptime>,
    /// Minutes whose files are to be marked incomplete.
    owed: BTreeSet<Minute>,
    /// The files were looked through for minutes that are not complete.
    looked: bool,
}

impl Filing {
    /// Files in the directory of `archive`.
    pub(super) fn new(shared: Arc<Shared>, archive: Archive) -> Self {
        Self {
            shared,
            archive,
            due: None,
            owed: BTreeSet::new(),
            looked: false,
        }
    }

    /// True while storage cannot be written.
    pub(super) fn is_failing(&self) -> bool {
        self.due.is_some()
    }

    /// True when storage that could not be written is to be tried again.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| self.shared.uptime() >= due)
    }

    /// Makes minutes durable. False if storage cannot be written.
    pub(super) async fn file(&mut self, minutes: Vec<MinuteFootprint>) -> bool {
        if minutes.is_empty() {
            return true;
        }
        let found: Vec<(Minute, bool)> = minutes
            .iter()
            .map(|footprint| (footprint.minute, footprint.complete))
            .collect();
        match file_all(self.archive.clone(), minutes).await {
            Ok(()) => {
                tracing::debug!(redis.items = found.len(), "minutes left the window for storage");
                let mut incomplete = self.shared.incomplete_files();
                for (minute, complete) in found {
                    if complete {
                        incomplete.remove(&minute);
                    } else {
                        incomplete.insert(minute);
                    }
                }
                while incomplete.len() > usize::try_from(HEAL_MINUTES).unwrap_or(usize::MAX) {
                    incomplete.pop_first();
                }
                drop(incomplete);
                self.works();
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    /// Storage was written.
    fn works(&mut self) {
        self.due = None;
        if self.shared.health.recover(Part::Storage) {
            tracing::info!("storage can be written again");
        }
    }

    fn failed(&mut self, error: &CollectorError) {
        self.shared.health.count("storage_failures");
        let chain = match error {
            CollectorError::Archive(error) => error_chain(error),
            error => error_chain(error),
        };
        let reason = format!("storage: {chain}");
        if self.shared.health.degrade(Part::Storage, reason) {
            tracing::error!(error = chain, "storage cannot be written: minutes stay in redis");
        }
        self.due = Some(self.shared.uptime() + STORAGE_RETRY);
    }

    /// A trade belongs to a minute that has left the window: its file says so, and is healed like the others.
    pub(super) async fn lacks_trade(&mut self, minute: Minute) {
        self.shared.health.count("trades_too_late");
        tracing::warn!(%minute, "a trade belongs to a minute that has left the window: its file is marked incomplete");
        self.owed.insert(minute);
        if self.owed.len() > OWED_LIMIT {
            self.owed.pop_first();
        }
        self.mark_owed().await;
    }

    /// Marks the files that are still to be marked, as far as storage can be written.
    pub(super) async fn mark_owed(&mut self) {
        while let Some(minute) = self.owed.first().copied() {
            let archive = self.archive.clone();
            match in_background(move || archive.mark_incomplete(minute)).await {
                Ok(marked) => {
                    self.works();
                    self.owed.remove(&minute);
                    if marked {
                        self.shared.incomplete_files().insert(minute);
                    }
                }
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// Looks once, at the start, for files that earlier runs left incomplete; `newest` is the newest minute of
    /// the window.
    pub(super) async fn look_for_incomplete(&mut self, newest: Option<Minute>) {
        let Some(newest) = newest.filter(|_| !self.looked) else {
            return;
        };
        self.looked = true;
        let archive = self.archive.clone();
        let since = newest.offset(-HEAL_MINUTES);
        match in_background(move || archive.incomplete_since(since)).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                tracing::info!(
                    minutes = found.len(),
                    "files of earlier runs are not complete: asked for again after the window"
                );
                self.shared.incomplete_files().extend(found);
            }
            Err(error) => tracing::warn!(
                error = error_chain(&error),
                "the files could not be looked through for incomplete minutes"
            ),
        }
    }
}

/// Files minutes off the async threads.
///
/// # Errors
/// [`CollectorError::Archive`] for the first that could not be filed.
pub(super) async fn file_all(archive: Archive, minutes: Vec<MinuteFootprint>) -> Result<(), CollectorError> {
    in_background(move || {
        for minute in archive.file_all(&minutes)? {
            let path = archive.path_of(minute);
            tracing::warn!(path = %path.display(), "a differing file of this minute was kept aside");
        }
        Ok(())
    })
    .await
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, CollectorError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(CollectorError::FileWork)?
        .map_err(CollectorError::Archive)
}

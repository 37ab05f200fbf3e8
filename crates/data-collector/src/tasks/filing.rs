//! Minutes on their way into files, and what is known of the files. Part of the persisting task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::archive::{Archive, ArchiveError, Failures, Look};
use strategy_core::model::MinuteFootprint;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;

use crate::backfill::HEAL_MINUTES;
use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::signs::Task;

/// How often storage that could not be written is tried again.
pub(super) const STORAGE_RETRY: Duration = Duration::from_secs(10);

/// Most files that wait to be marked while storage cannot be written; beyond it the oldest stays as it is.
const OWED_LIMIT: usize = 360;

/// How long after a look that did not see every file the next one follows.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Files that are looked at between two signs of life.
const LOOKS_AT_ONCE: usize = 500;

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
    /// When they are looked through again, after a look that did not see all of them.
    look_due: Option<Uptime>,
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
            look_due: None,
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

    /// True when the files are to be looked through again.
    pub(super) fn is_look_due(&self) -> bool {
        self.look_due.is_some_and(|due| self.shared.uptime() >= due)
    }

    /// Looks for files that earlier runs left incomplete: once, at the start, and again while not every file
    /// could be looked at. `newest` is the newest minute of the window.
    pub(super) async fn look_for_incomplete(&mut self, newest: Option<Minute>) {
        let Some(newest) = newest.filter(|_| !self.looked || self.is_look_due()) else {
            return;
        };
        self.looked = true;
        self.look_due = None;
        let look = match self.look_since(newest.offset(-HEAL_MINUTES)).await {
            Ok(look) => look,
            Err(error) => {
                let chain = error_chain(&error);
                if self.look_again(format!(
                    "files: storage cannot be looked through for incomplete minutes: {chain}"
                )) {
                    tracing::warn!(
                        error = chain,
                        "the files could not be looked through for incomplete minutes: tried again later"
                    );
                }
                return;
            }
        };
        if !look.incomplete.is_empty() {
            tracing::info!(
                minutes = look.incomplete.len(),
                "files of earlier runs are not complete: asked for again after the window"
            );
            self.shared.incomplete_files().extend(look.incomplete);
        }
        let Some(words) = failures_in_words(&look.failures) else {
            if self.shared.health.recover(Part::Files) {
                tracing::info!("every file could be looked at again");
            }
            return;
        };
        if self.look_again(format!("files: not looked at for incomplete minutes: {words}")) {
            log_failures(
                &look.failures,
                "a file cannot be looked at: whether its minute is complete is not known",
            );
        }
    }

    /// Not every file was seen. True if this was not known yet.
    fn look_again(&mut self, reason: String) -> bool {
        self.look_due = Some(self.shared.uptime() + LOOK_AGAIN);
        self.shared.health.degrade(Part::Files, reason)
    }

    /// Looks at the files from `since` on, slice by slice, so that a slow disk is no hanging.
    async fn look_since(&self, since: Minute) -> Result<Look, CollectorError> {
        let archive = self.archive.clone();
        let mut minutes = in_background(move || archive.minutes()).await?;
        minutes.retain(|minute| *minute >= since);
        let mut whole = Look::default();
        for slice in minutes.chunks(LOOKS_AT_ONCE) {
            if self.shared.stop.is_cancelled() {
                break;
            }
            let (archive, slice) = (self.archive.clone(), slice.to_vec());
            let look = in_background(move || Ok(archive.incomplete_among(&slice))).await?;
            whole.incomplete.extend(look.incomplete);
            whole.failures.add(look.failures);
            self.shared.signs.sign(Task::Persist, Duration::ZERO);
        }
        Ok(whole)
    }
}

/// How many files failed, and how the first did; `None` if none did.
pub(super) fn failures_in_words(failures: &Failures) -> Option<String> {
    let first = error_chain(failures.first().first()?);
    Some(match failures.count() {
        1 => first,
        count => format!("{count} files, the first: {first}"),
    })
}

/// Names the first files that failed, and says how many others did.
pub(super) fn log_failures(failures: &Failures, what: &'static str) {
    for error in failures.first() {
        tracing::warn!(error = error_chain(error), "{what}");
    }
    let others = failures.count().saturating_sub(failures.first().len());
    if others > 0 {
        tracing::warn!(files = others, "so it is with further files");
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tasks::fixture;

    fn reasons(shared: &Shared) -> Vec<String> {
        shared.health.snapshot().reasons(shared.clock.now())
    }

    #[tokio::test]
    async fn an_odd_entry_is_named_and_the_other_files_are_healed() {
        let storage = tempfile::tempdir().unwrap();
        let shared = fixture::shared(storage.path(), Duration::ZERO);
        let archive = Archive::new(storage.path(), shared.settings.symbol.clone());
        let newest = Minute::from_number(29_396_534).unwrap();
        let (odd, lacking) = (newest.offset(-9), newest.offset(-5));
        archive.file(&MinuteFootprint::empty(lacking, false)).unwrap();
        fs::create_dir(archive.path_of(odd)).unwrap();
        let mut filing = Filing::new(Arc::clone(&shared), archive.clone());
        filing.look_for_incomplete(Some(newest)).await;
        let found: Vec<Minute> = shared.incomplete_files().iter().copied().collect();
        assert_eq!(found, [lacking]);
        let said = reasons(&shared);
        let path = archive.path_of(odd).display().to_string();
        assert!(said[0].starts_with("files: not looked at"), "{said:?}");
        assert!(
            said[0].contains(&path) && said[0].contains("not a regular file"),
            "{said:?}"
        );
        // Not sooner than it is due; then the mended directory is seen.
        fs::remove_dir(archive.path_of(odd)).unwrap();
        archive.file(&MinuteFootprint::empty(odd, false)).unwrap();
        filing.look_for_incomplete(Some(newest)).await;
        assert_eq!(reasons(&shared).len(), 1);
        filing.look_due = Some(shared.uptime());
        filing.look_for_incomplete(Some(newest)).await;
        let found: Vec<Minute> = shared.incomplete_files().iter().copied().collect();
        assert_eq!(found, [odd, lacking]);
        assert_eq!(reasons(&shared), Vec::<String>::new());
        assert!(filing.look_due.is_none());
    }

    #[tokio::test]
    async fn a_look_that_failed_as_a_whole_is_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        fs::write(&storage, "no directory").unwrap();
        let shared = fixture::shared(&storage, Duration::ZERO);
        let archive = Archive::new(&storage, shared.settings.symbol.clone());
        let newest = Minute::from_number(29_396_534).unwrap();
        let mut filing = Filing::new(Arc::clone(&shared), archive.clone());
        filing.look_for_incomplete(Some(newest)).await;
        let said = reasons(&shared);
        assert!(
            said[0].starts_with("files: storage cannot be looked through"),
            "{said:?}"
        );
        assert!(!filing.is_look_due() && filing.look_due.is_some());
        fs::remove_file(&storage).unwrap();
        archive.file(&MinuteFootprint::empty(newest, false)).unwrap();
        filing.look_due = Some(shared.uptime());
        assert!(filing.is_look_due());
        filing.look_for_incomplete(Some(newest)).await;
        assert!(shared.incomplete_files().contains(&newest));
        assert_eq!(reasons(&shared), Vec::<String>::new());
    }
}

//! `storage/unsaved/`: minutes that Redis did not take before the program stopped.

use std::path::Path;

use strategy_core::archive::{Archive, ArchiveError};
use strategy_core::model::MinuteFootprint;
use strategy_core::store::WindowImage;
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;

use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::tasks::filing::file_all;

/// Directory below `storage/`.
const DIRECTORY: &str = "unsaved";

/// The minutes an earlier run left, and the place for those of this one.
#[derive(Debug)]
pub(crate) struct Unsaved {
    archive: Archive,
    place: Archive,
    /// Minutes that were read here: once they are stored, their files go.
    read: Vec<Minute>,
    /// What was read, until the window is known.
    recalled: Vec<MinuteFootprint>,
}

impl Unsaved {
    /// Those beside the files of `archive`, in `storage`.
    pub(crate) fn new(archive: Archive, storage: &Path, symbol: Symbol) -> Self {
        let place = Archive::new(&storage.join(DIRECTORY), symbol);
        Self {
            archive,
            place,
            read: Vec::new(),
            recalled: Vec::new(),
        }
    }

    /// Reads what an earlier run could not store.
    ///
    /// # Errors
    /// [`CollectorError::FileWork`]; storage that cannot be read is a state, not an error.
    pub(crate) async fn recall(&mut self, shared: &Shared) -> Result<(), CollectorError> {
        let (archive, place) = (self.archive.clone(), self.place.clone());
        let recall = move || -> Result<(Vec<Minute>, Vec<MinuteFootprint>), ArchiveError> {
            archive.prepare()?;
            let minutes = place.minutes()?;
            let mut recalled = Vec::new();
            for minute in &minutes {
                let filed = matches!(archive.read(*minute), Ok(Some(filed)) if filed.complete);
                recalled.extend(place.read(*minute)?.filter(|_| !filed));
            }
            Ok((minutes, recalled))
        };
        let work = tokio::task::spawn_blocking(recall).await;
        match work.map_err(CollectorError::FileWork)? {
            Ok((minutes, _)) if minutes.is_empty() => {}
            Ok((minutes, recalled)) => {
                tracing::info!(
                    minutes = minutes.len(),
                    "minutes left unsaved by the last run are stored now"
                );
                (self.read, self.recalled) = (minutes, recalled);
            }
            Err(error) => {
                let chain = error_chain(&error);
                shared.health.degrade(Part::Storage, format!("storage: {chain}"));
                tracing::error!(
                    error = chain,
                    "storage cannot be used: minutes stay in redis until it can"
                );
            }
        }
        Ok(())
    }

    /// What was read and is to be stored, once.
    pub(crate) fn take_recalled(&mut self) -> Vec<MinuteFootprint> {
        std::mem::take(&mut self.recalled)
    }

    /// Removes the files that were read once what they hold is in the window, or among the files of the
    /// minutes that left it.
    pub(crate) async fn forget(&mut self, window: Option<&WindowImage>) {
        if self.read.is_empty() || !self.recalled.is_empty() {
            return;
        }
        let (archive, place) = (self.archive.clone(), self.place.clone());
        let window = window.cloned().unwrap_or_default();
        let minutes = std::mem::take(&mut self.read);
        let forget = move || -> Result<(), ArchiveError> {
            for minute in minutes {
                if window.state(minute).is_none()
                    && archive.read(minute)?.is_none()
                    && let Some(footprint) = place.read(minute)?
                {
                    archive.file(&footprint)?;
                }
                place.remove(minute)?;
            }
            Ok(())
        };
        match tokio::task::spawn_blocking(forget).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "unsaved minutes remain");
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "unsaved minutes remain"),
        }
    }

    /// Writes minutes for the next run. Where storage does not take them either, they are asked for again by
    /// id at the next start: the log says so, and the stop goes on.
    pub(crate) async fn keep(&self, minutes: Vec<MinuteFootprint>) {
        let count = minutes.len();
        if count == 0 {
            return;
        }
        match file_all(self.place.clone(), minutes).await {
            Ok(()) => tracing::warn!(
                minutes = count,
                "minutes written to storage/unsaved, they are stored at the next start"
            ),
            Err(error) => tracing::error!(
                minutes = count,
                error = &error as &dyn std::error::Error,
                "neither redis nor storage takes the last minutes: the next start asks the exchange for them again"
            ),
        }
    }
}

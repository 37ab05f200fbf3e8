//! Minutes that left the window, one JSON file each, in `storage/`.
//!
//! A file appears whole or not at all: temporary file, fsync, rename, fsync of the directory. What stands
//! there already is never overwritten blindly. The calls block; run them off the async threads.

mod error;
mod listing;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub use self::error::ArchiveError;
pub use self::listing::{Expired, Failures, Look, Usage};

use self::error::KEPT_ASIDE_LIMIT;
use self::listing::{is_temporary_name, not_a_file};
use crate::model::MinuteFootprint;
use crate::rotating_file::{DIRECTORY_MODE, FILE_MODE};
use crate::store::{decode_minute, encode_minute_pretty};
use crate::symbol::Symbol;
use crate::time::Minute;

/// Start of the name of every temporary file.
const TEMPORARY_PREFIX: &str = ".trades_";

/// End of the name of every temporary file.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Largest file that is read back for a comparison; a minute of 1000 levels has about 200 KB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What became of a minute that was to be filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// A new file.
    Written,
    /// The same content stood there already, or a complete version of it.
    AlreadyThere,
    /// An incomplete version was replaced by the complete one.
    Completed,
    /// A differing file was renamed to `….kept-N` and the minute written beside it.
    KeptAside,
}

/// The directory with the files of one market.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
    symbol: Symbol,
}

impl Archive {
    /// Files of `symbol` in `directory`, which need not exist yet.
    pub fn new(directory: &Path, symbol: Symbol) -> Self {
        Self {
            directory: directory.to_owned(),
            symbol,
        }
    }

    /// Where the file of a minute is.
    pub fn path_of(&self, minute: Minute) -> PathBuf {
        self.directory
            .join(format!("trades_{}.json", minute.file_stamp()))
    }

    /// Makes sure that the directory exists and removes temporary files that a crash left behind: regular files
    /// under a name that is given here.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn prepare(&self) -> Result<(), ArchiveError> {
        self.make_directory()?;
        let failed = |source| self.failure("read", &self.directory, source);
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let is_ours = entry.file_name().to_str().is_some_and(is_temporary_name)
                && entry
                    .file_type()
                    .map_err(|source| self.failure("read", &path, source))?
                    .is_file();
            if is_ours {
                fs::remove_file(&path).map_err(|source| self.failure("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Makes a minute durable. May be repeated.
    ///
    /// # Errors
    /// [`ArchiveError`]; nothing that stood there before is lost then.
    pub fn file(&self, minute: &MinuteFootprint) -> Result<Filed, ArchiveError> {
        let filed = self.place(minute)?;
        self.sync(&self.directory)?;
        Ok(filed)
    }

    /// Makes minutes durable, all of them when it returns. May be repeated. Returns those whose file was
    /// something else and was kept aside.
    ///
    /// # Errors
    /// [`ArchiveError`] for the first that could not be filed; nothing that stood there before is lost then.
    pub fn file_all(&self, minutes: &[MinuteFootprint]) -> Result<Vec<Minute>, ArchiveError> {
        let mut kept_aside = Vec::new();
        for minute in minutes {
            if self.place(minute)? == Filed::KeptAside {
                kept_aside.push(minute.minute);
            }
        }
        // The names become durable together: one of these costs as much as a file.
        if !minutes.is_empty() {
            self.sync(&self.directory)?;
        }
        Ok(kept_aside)
    }

    /// Writes a minute's file; its name is not durable yet.
    fn place(&self, minute: &MinuteFootprint) -> Result<Filed, ArchiveError> {
        let path = self.path_of(minute.minute);
        let text = encode_minute_pretty(&self.symbol, minute).map_err(|source| ArchiveError::Encode {
            minute: minute.minute,
            source,
        })?;
        let filed = match self.existing(&path)? {
            None => Filed::Written,
            Some(old) if old == text.as_bytes() => {
                // Perhaps the last attempt got as far as the rename.
                self.sync(&path)?;
                return Ok(Filed::AlreadyThere);
            }
            Some(old) => match self.compare(&old, minute) {
                Filed::AlreadyThere => return Ok(Filed::AlreadyThere),
                Filed::KeptAside => {
                    self.keep_aside(&path)?;
                    Filed::KeptAside
                }
                filed => filed,
            },
        };
        self.replace(&path, text.as_bytes())?;
        Ok(filed)
    }

    /// Says in the file of a minute that it is not complete. False if there is no such file, or it said so
    /// already.
    ///
    /// # Errors
    /// [`ArchiveError`]; the file is as it was then.
    pub fn mark_incomplete(&self, minute: Minute) -> Result<bool, ArchiveError> {
        let Some(mut footprint) = self.read(minute)?.filter(|footprint| footprint.complete) else {
            return Ok(false);
        };
        footprint.complete = false;
        let text = encode_minute_pretty(&self.symbol, &footprint)
            .map_err(|source| ArchiveError::Encode { minute, source })?;
        self.replace(&self.path_of(minute), text.as_bytes())?;
        self.sync(&self.directory)?;
        Ok(true)
    }

    /// Reads one file of the archive back; `None` if there is none.
    ///
    /// # Errors
    /// [`ArchiveError::Io`], also for a file that is not a minute of this market.
    pub fn read(&self, minute: Minute) -> Result<Option<MinuteFootprint>, ArchiveError> {
        let path = self.path_of(minute);
        let Some(bytes) = self.existing(&path)? else {
            return Ok(None);
        };
        self.decode(&bytes).map(Some).ok_or_else(|| {
            self.failure(
                "understand",
                &path,
                io::Error::new(io::ErrorKind::InvalidData, "not a minute"),
            )
        })
    }

    /// Removes the file of a minute that is safe elsewhere.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn remove(&self, minute: Minute) -> Result<(), ArchiveError> {
        let path = self.path_of(minute);
        fs::remove_file(&path).map_err(|source| self.failure("remove", &path, source))
    }

    /// What a differing file means for a minute that is to be filed.
    fn compare(&self, old: &[u8], minute: &MinuteFootprint) -> Filed {
        match self.decode(old) {
            Some(known) if same_trades(&known, minute) || (known.complete && !minute.complete) => {
                Filed::AlreadyThere
            }
            Some(known) if !known.complete && minute.complete => Filed::Completed,
            _ => Filed::KeptAside,
        }
    }

    fn decode(&self, bytes: &[u8]) -> Option<MinuteFootprint> {
        let (symbol, footprint) = decode_minute(std::str::from_utf8(bytes).ok()?).ok()?;
        (symbol.as_ref() == Some(&self.symbol)).then_some(footprint)
    }

    fn existing(&self, path: &Path) -> Result<Option<Vec<u8>>, ArchiveError> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(|source| self.failure("read", path, source))?,
        };
        if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
            // No minute: kept aside like any other foreign content. A pipe must not be opened, that would wait
            // for its other end.
            return Ok(Some(Vec::new()));
        }
        fs::read(path)
            .map(Some)
            .map_err(|source| self.failure("read", path, source))
    }

    fn keep_aside(&self, path: &Path) -> Result<(), ArchiveError> {
        for number in 1..=KEPT_ASIDE_LIMIT {
            let aside = path.with_extension(format!("json.kept-{number}"));
            if !aside.exists() {
                return fs::rename(path, &aside).map_err(|source| self.failure("rename", path, source));
            }
        }
        Err(ArchiveError::TooManyVersions {
            path: path.to_owned(),
        })
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.make_directory()?;
        let stamp = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let temporary = self.directory.join(format!(".{stamp}{TEMPORARY_SUFFIX}"));
        self.clear(&temporary)?;
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, path));
        if let Err(source) = written {
            // The half-written file is of no use; `prepare` removes it where this fails too.
            drop(fs::remove_file(&temporary));
            return Err(self.failure("write", path, source));
        }
        Ok(())
    }

    /// Removes what an earlier attempt left under the name of a temporary file. A link or a pipe is not from
    /// here and stays.
    fn clear(&self, temporary: &Path) -> Result<(), ArchiveError> {
        match fs::symlink_metadata(temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(metadata) if metadata.is_file() => {
                fs::remove_file(temporary).map_err(|source| self.failure("remove", temporary, source))
            }
            Ok(_) => Err(self.failure("write", temporary, not_a_file())),
            Err(source) => Err(self.failure("read", temporary, source)),
        }
    }

    /// Makes a file durable, or the names in a directory.
    fn sync(&self, path: &Path) -> Result<(), ArchiveError> {
        let synced = File::open(path).and_then(|place| place.sync_all());
        synced.map_err(|source| self.failure("sync", path, source))
    }

    /// Makes the directory, and its name durable.
    fn make_directory(&self) -> Result<(), ArchiveError> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.directory);
        made.map_err(|source| self.failure("create", &self.directory, source))?;
        for parent in self.directory.ancestors().skip(1) {
            let named = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            match File::open(named).and_then(|place| place.sync_all()) {
                Ok(()) => {}
                // Above the first directory that is not ours there is nothing new.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                Err(source) => return Err(self.failure("sync", named, source)),
            }
        }
        Ok(())
    }

    #[expect(
        clippy::unused_self,
        reason = "reads as one of the archive's failures where it is used"
    )]
    fn failure(&self, action: &'static str, path: &Path, source: io::Error) -> ArchiveError {
        ArchiveError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// True for two versions with the same trades. A hole of the exchange's own ids between two minutes may be
/// noted in either of them, depending on how they were read.
fn same_trades(known: &MinuteFootprint, minute: &MinuteFootprint) -> bool {
    let mut known = known.clone();
    known.permanent_holes.clone_from(&minute.permanent_holes);
    known == *minute
}

#[cfg(test)]
mod tests;

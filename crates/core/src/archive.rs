//! Minutes that left the window, one JSON file each, in `storage/`.
//!
//! A file appears whole or not at all: temporary file, fsync, rename, fsync of the directory. What stands
//! there already is never overwritten blindly. The calls block; run them off the async threads.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::model::MinuteFootprint;
use crate::rotating_file::{DIRECTORY_MODE, FILE_MODE};
use crate::store::{decode_minute, encode_minute_pretty};
use crate::symbol::Symbol;
use crate::time::Minute;

/// Most differing versions of one minute that are kept aside.
const KEPT_ASIDE_LIMIT: u32 = 9;

/// Start of the name of every temporary file.
const TEMPORARY_PREFIX: &str = ".trades_";

/// End of the name of every temporary file.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Largest file that is read back for a comparison; a minute of 1000 levels has about 200 KB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// For each file that may be removed at once, so many are looked at.
const EXPIRE_LOOKS: usize = 4;

/// What stands in the file of a minute that is not complete.
const INCOMPLETE_MARK: &[u8] = b"\"complete\": false";

/// The mark stands in the last bytes of a file: behind it are the counts of what was dropped and the missing
/// ids, of which this has room for about 60.
const TAIL_BYTES: u64 = 4096;

/// Why a minute could not be made durable. It stays where it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory or the file could not be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The minute cannot be written as JSON.
    #[error("cannot write the minute {minute} as json")]
    Encode {
        /// The minute.
        minute: Minute,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Too many differing versions of one minute lie there already.
    #[error("{path} exists in {KEPT_ASIDE_LIMIT} differing versions; look at them and remove what is wrong")]
    TooManyVersions {
        /// Path of the minute's file.
        path: PathBuf,
    },
}

/// How much lies in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

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

    /// Makes sure that the directory exists and removes temporary files that a crash left behind.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn prepare(&self) -> Result<(), ArchiveError> {
        self.make_directory()?;
        let failed = |source| self.failure("read", &self.directory, source);
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX) {
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

    /// Minutes from `since` on whose file says that it is not complete.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; a directory that does not exist has no minutes.
    pub fn incomplete_since(&self, since: Minute) -> Result<BTreeSet<Minute>, ArchiveError> {
        let mut incomplete = BTreeSet::new();
        for minute in self.minutes()?.into_iter().filter(|minute| *minute >= since) {
            let path = self.path_of(minute);
            let marked = says_incomplete(&path).map_err(|source| self.failure("read", &path, source))?;
            if marked {
                incomplete.insert(minute);
            }
        }
        Ok(incomplete)
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

    /// Minutes that have a file here, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; a directory that does not exist has no minutes.
    pub fn minutes(&self) -> Result<Vec<Minute>, ArchiveError> {
        let failed = |source| self.failure("read", &self.directory, source);
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut minutes = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            minutes.extend(name.to_str().and_then(minute_of_name));
        }
        minutes.sort_unstable();
        Ok(minutes)
    }

    /// Number and bytes of the files of minutes, those kept aside among them.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; a directory that does not exist has none.
    pub fn usage(&self) -> Result<Usage, ArchiveError> {
        let failed = |source| self.failure("read", &self.directory, source);
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Usage::default()),
            entries => entries.map_err(failed)?,
        };
        let mut usage = Usage::default();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("trades_"))
            {
                // One that has gone meanwhile does not count.
                usage.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                usage.files += 1;
            }
        }
        Ok(usage)
    }

    /// Removes files of minutes before `end`, the oldest first, at most `most`. Whatever is not a minute of this
    /// market under its own name stays. Returns how many were removed.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn expire(&self, end: Minute, most: usize) -> Result<usize, ArchiveError> {
        let mut removed = 0;
        let old = self.minutes()?.into_iter().take_while(|minute| *minute < end);
        for minute in old.take(most.saturating_mul(EXPIRE_LOOKS)) {
            if removed == most {
                break;
            }
            let path = self.path_of(minute);
            let metadata =
                fs::symlink_metadata(&path).map_err(|source| self.failure("read", &path, source))?;
            let is_ours =
                metadata.is_file() && matches!(self.read(minute), Ok(Some(found)) if found.minute == minute);
            if is_ours {
                self.remove(minute)?;
                removed += 1;
            }
        }
        if removed > 0 {
            self.sync(&self.directory)?;
        }
        Ok(removed)
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
        let length = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata
                .map_err(|source| self.failure("read", path, source))?
                .len(),
        };
        if length > MAX_FILE_BYTES {
            // Too large to be a minute: kept aside like any other foreign content.
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
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
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

/// True if a file in the archive's format says that its minute is not complete. The rest of it is not read.
fn says_incomplete(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(tail
        .windows(INCOMPLETE_MARK.len())
        .any(|bytes| bytes == INCOMPLETE_MARK))
}

/// True for two versions with the same trades. A hole of the exchange's own ids between two minutes may be
/// noted in either of them, depending on how they were read.
fn same_trades(known: &MinuteFootprint, minute: &MinuteFootprint) -> bool {
    let mut known = known.clone();
    known.permanent_holes.clone_from(&minute.permanent_holes);
    known == *minute
}

/// The minute in `trades_YYYYMMDD_HHMM.json`.
fn minute_of_name(name: &str) -> Option<Minute> {
    let stamp = name.strip_prefix("trades_")?.strip_suffix(".json")?;
    let at = chrono::NaiveDateTime::parse_from_str(&format!("{stamp}00"), "%Y%m%d_%H%M%S").ok()?;
    let minute = Minute::of(at.and_utc()).ok()?;
    (minute.file_stamp() == stamp).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AggTrade, Aggressor};
    use crate::num::{BucketWidth, Price, Quantity};

    fn archive() -> (tempfile::TempDir, Archive) {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::new(&directory.path().join("a/b"), Symbol::new("BTCFDUSD").unwrap());
        (directory, archive)
    }

    fn minute(trades: u64, complete: bool) -> MinuteFootprint {
        let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), complete);
        for id in 0..trades {
            let (price, quantity) = (Price::parse("100.5").unwrap(), Quantity::parse("0.1").unwrap());
            let trade = AggTrade {
                id,
                price,
                quantity,
                traded_at: 0,
                aggressor: Aggressor::Buyer,
            };
            footprint.add(&trade, BucketWidth::ONE).unwrap();
        }
        footprint
    }

    #[test]
    fn a_minute_is_filed_once_under_its_utc_name() {
        let (_directory, archive) = archive();
        assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::Written);
        assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::AlreadyThere);
        let path = archive.path_of(minute(2, true).minute);
        assert!(path.ends_with("a/b/trades_20251122_0614.json"));
        assert!(
            fs::read_to_string(path)
                .unwrap()
                .starts_with("{\n  \"timestamp\": \"2025-11-22T06:14:00+00:00\"")
        );
        assert_eq!(
            archive.read(minute(2, true).minute).unwrap(),
            Some(minute(2, true))
        );
        assert_eq!(archive.minutes().unwrap(), [minute(2, true).minute]);
    }

    #[test]
    fn the_complete_version_wins_whichever_comes_first() {
        let (_directory, archive) = archive();
        archive.file(&minute(1, false)).unwrap();
        assert_eq!(archive.file(&minute(2, true)).unwrap(), Filed::Completed);
        assert_eq!(archive.file(&minute(1, false)).unwrap(), Filed::AlreadyThere);
        assert_eq!(
            archive.read(minute(2, true).minute).unwrap(),
            Some(minute(2, true))
        );
    }

    #[test]
    fn a_hole_noted_elsewhere_is_no_other_version() {
        let (_directory, archive) = archive();
        archive.file(&minute(2, true)).unwrap();
        let mut noted = minute(2, true);
        noted
            .permanent_holes
            .push(crate::model::IdRange { first: 2, last: 3 });
        assert_eq!(archive.file(&noted).unwrap(), Filed::AlreadyThere);
    }

    #[test]
    fn minutes_that_are_not_complete_are_found_and_marked() {
        let (_directory, archive) = archive();
        let at = |offset: i64, complete: bool| {
            let mut footprint = minute(3, complete);
            footprint.minute = footprint.minute.offset(offset);
            let holes = (0..20).map(|first| crate::model::IdRange { first, last: first });
            footprint.permanent_holes = holes.collect();
            footprint
        };
        let minutes = [at(0, true), at(1, false), at(2, true), at(3, false)];
        assert_eq!(archive.file_all(&minutes).unwrap(), []);
        let found = |since: i64| -> Vec<Minute> {
            let since = minutes[0].minute.offset(since);
            archive.incomplete_since(since).unwrap().into_iter().collect()
        };
        assert_eq!(found(0), [minutes[1].minute, minutes[3].minute]);
        assert_eq!(found(2), [minutes[3].minute]);
        assert!(archive.mark_incomplete(minutes[2].minute).unwrap());
        assert!(!archive.mark_incomplete(minutes[2].minute).unwrap());
        assert!(!archive.mark_incomplete(minutes[0].minute.offset(9)).unwrap());
        assert_eq!(found(2), [minutes[2].minute, minutes[3].minute]);
        assert_eq!(archive.file(&minutes[2]).unwrap(), Filed::Completed);
        assert_eq!(found(2), [minutes[3].minute]);
    }

    #[test]
    fn only_old_minutes_of_this_market_are_removed() {
        let (_directory, archive) = archive();
        let at = |offset: i64| {
            let mut footprint = minute(2, true);
            footprint.minute = footprint.minute.offset(offset);
            footprint
        };
        let minutes: Vec<MinuteFootprint> = (0..6).map(at).collect();
        archive.file_all(&minutes).unwrap();
        let path = |place: usize| archive.path_of(minutes[place].minute);
        // Another market's, nobody's, a link, and the file of another minute.
        let other = Archive::new(&archive.directory, Symbol::new("ETHFDUSD").unwrap());
        fs::remove_file(path(0)).unwrap();
        other.file(&minutes[0]).unwrap();
        fs::write(path(1), "somebody else's").unwrap();
        fs::remove_file(path(2)).unwrap();
        std::os::unix::fs::symlink(path(4), path(2)).unwrap();
        fs::copy(path(5), path(3)).unwrap();
        let strange = archive.directory.join("trades_notes.json");
        fs::write(&strange, "mine").unwrap();
        let before = archive.usage().unwrap();
        assert_eq!(before.files, 7);
        assert!(before.bytes > 1000, "{before:?}");
        assert_eq!(archive.expire(minutes[5].minute, 100).unwrap(), 1);
        let left: Vec<bool> = (0..6)
            .map(|place| path(place).symlink_metadata().is_ok())
            .collect();
        assert_eq!(left, [true, true, true, true, false, true]);
        assert!(strange.exists());
        assert_eq!(archive.expire(minutes[5].minute.next(), 0).unwrap(), 0);
        assert_eq!(archive.expire(minutes[5].minute.next(), 2).unwrap(), 1);
        assert_eq!(
            Archive::new(Path::new("/nowhere"), archive.symbol.clone())
                .usage()
                .unwrap(),
            Usage::default()
        );
    }

    // B15: a file of another origin under the same name was overwritten.
    #[test]
    fn foreign_content_under_the_same_name_is_kept() {
        let (_directory, archive) = archive();
        archive.prepare().unwrap();
        let path = archive.path_of(minute(1, true).minute);
        fs::write(&path, "somebody else's").unwrap();
        assert_eq!(archive.file(&minute(1, true)).unwrap(), Filed::KeptAside);
        assert_eq!(
            fs::read_to_string(path.with_extension("json.kept-1")).unwrap(),
            "somebody else's"
        );
        assert_eq!(
            archive.read(minute(1, true).minute).unwrap(),
            Some(minute(1, true))
        );
        for versions in 2..12 {
            let outcome = archive.file(&minute(versions, true));
            assert_eq!(outcome.is_err(), versions > 9, "version {versions}");
        }
    }

    #[test]
    fn what_a_crash_left_behind_is_removed_at_the_start() {
        let (_directory, archive) = archive();
        archive.file(&minute(1, true)).unwrap();
        let leftover = archive.directory.join(".trades_20251122_0615.tmp");
        fs::write(&leftover, "{").unwrap();
        archive.prepare().unwrap();
        assert!(!leftover.exists());
        assert_eq!(archive.minutes().unwrap().len(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_an_error_that_names_it() {
        let (directory, _archive) = archive();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let archive = Archive::new(&file, Symbol::new("BTCFDUSD").unwrap());
        let error = archive.file(&minute(1, true)).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}

//! What lies in the directory: which minutes, how much, what is incomplete, what is old.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{Archive, ArchiveError, TEMPORARY_PREFIX, TEMPORARY_SUFFIX};
use crate::time::Minute;

/// For each file that may be removed at once, so many are looked at.
const EXPIRE_LOOKS: usize = 4;

/// What stands in the file of a minute that is not complete.
const INCOMPLETE_MARK: &[u8] = b"\"complete\": false";

/// The mark stands in the last bytes of a file: behind it are the counts of what was dropped and the missing
/// ids, of which this has room for about 60.
const TAIL_BYTES: u64 = 4096;

/// Most failures of one look that are kept in words; further ones are only counted.
const FAILURES_KEPT: usize = 5;

/// What could not be read or removed of many files, while the others were.
#[derive(Debug, Default)]
pub struct Failures {
    count: usize,
    first: Vec<ArchiveError>,
}

impl Failures {
    fn note(&mut self, error: ArchiveError) {
        self.count += 1;
        if self.first.len() < FAILURES_KEPT {
            self.first.push(error);
        }
    }

    /// Adds those of a later look.
    pub fn add(&mut self, later: Self) {
        self.count += later.count;
        let room = FAILURES_KEPT.saturating_sub(self.first.len());
        self.first.extend(later.first.into_iter().take(room));
    }

    /// How many files it were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first of them, at most five.
    pub fn first(&self) -> &[ArchiveError] {
        &self.first
    }
}

/// What a look at files found.
#[derive(Debug, Default)]
pub struct Look {
    /// Minutes whose file says that it is not complete.
    pub incomplete: BTreeSet<Minute>,
    /// Files that could not be looked at.
    pub failures: Failures,
}

/// What became of old files.
#[derive(Debug, Default)]
pub struct Expired {
    /// How many were removed.
    pub removed: usize,
    /// Those that could not be looked at or removed.
    pub failures: Failures,
}

/// How much lies in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl Archive {
    /// Looks at the files of these minutes for those that are not complete. What cannot be looked at, as a
    /// directory of such a name, is noted and keeps nobody from the others; a file that has gone is none.
    pub fn incomplete_among(&self, minutes: &[Minute]) -> Look {
        let mut look = Look::default();
        for minute in minutes {
            let path = self.path_of(*minute);
            match says_incomplete(&path) {
                Ok(false) => {}
                Ok(true) => drop(look.incomplete.insert(*minute)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => look.failures.note(self.failure("read", &path, source)),
            }
        }
        look
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
    /// market under its own name stays. A file that cannot be looked at or removed keeps nobody from the others.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] when the directory cannot be read or made durable.
    pub fn expire(&self, end: Minute, most: usize) -> Result<Expired, ArchiveError> {
        let mut expired = Expired::default();
        let old = self.minutes()?.into_iter().take_while(|minute| *minute < end);
        for minute in old.take(most.saturating_mul(EXPIRE_LOOKS)) {
            if expired.removed == most {
                break;
            }
            match self.expire_one(minute) {
                Ok(removed) => expired.removed += usize::from(removed),
                Err(error) => expired.failures.note(error),
            }
        }
        if expired.removed > 0 {
            self.sync(&self.directory)?;
        }
        Ok(expired)
    }

    /// Removes the file of a minute if it is one of ours. False if it stays.
    fn expire_one(&self, minute: Minute) -> Result<bool, ArchiveError> {
        let path = self.path_of(minute);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            metadata => metadata.map_err(|source| self.failure("read", &path, source))?,
        };
        if !metadata.is_file() {
            return Ok(false);
        }
        let is_ours = match self.read(minute) {
            Ok(found) => found.is_some_and(|found| found.minute == minute),
            // Somebody else's.
            Err(ArchiveError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidData => false,
            Err(error) => return Err(error),
        };
        if is_ours {
            self.remove(minute)?;
        }
        Ok(is_ours)
    }
}

/// True if a file in the archive's format says that its minute is not complete. The rest of it is not read.
fn says_incomplete(path: &Path) -> io::Result<bool> {
    // Asked before it is opened: opening a pipe waits for its other end.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    let mut file = File::open(path)?;
    let length = metadata.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(tail
        .windows(INCOMPLETE_MARK.len())
        .any(|bytes| bytes == INCOMPLETE_MARK))
}

/// Something of another kind stands where a file belongs: a directory, a pipe, a device.
pub(super) fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// The minute in `trades_YYYYMMDD_HHMM.json`.
fn minute_of_name(name: &str) -> Option<Minute> {
    minute_of_stamp(name.strip_prefix("trades_")?.strip_suffix(".json")?)
}

/// True for `.trades_YYYYMMDD_HHMM.tmp`, the name of a file that is being written.
pub(super) fn is_temporary_name(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX)
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX))
        .is_some_and(|stamp| minute_of_stamp(stamp).is_some())
}

fn minute_of_stamp(stamp: &str) -> Option<Minute> {
    let at = chrono::NaiveDateTime::parse_from_str(&format!("{stamp}00"), "%Y%m%d_%H%M%S").ok()?;
    let minute = Minute::of(at.and_utc()).ok()?;
    (minute.file_stamp() == stamp).then_some(minute)
}

//! What lies in the directory: which minutes, how much, what is incomplete, what is old.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{Archive, ArchiveError};
use crate::time::Minute;

/// For each file that may be removed at once, so many are looked at.
const EXPIRE_LOOKS: usize = 4;

/// What stands in the file of a minute that is not complete.
const INCOMPLETE_MARK: &[u8] = b"\"complete\": false";

/// The mark stands in the last bytes of a file: behind it are the counts of what was dropped and the missing
/// ids, of which this has room for about 60.
const TAIL_BYTES: u64 = 4096;

/// How much lies in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl Archive {
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

/// The minute in `trades_YYYYMMDD_HHMM.json`.
fn minute_of_name(name: &str) -> Option<Minute> {
    let stamp = name.strip_prefix("trades_")?.strip_suffix(".json")?;
    let at = chrono::NaiveDateTime::parse_from_str(&format!("{stamp}00"), "%Y%m%d_%H%M%S").ok()?;
    let minute = Minute::of(at.and_utc()).ok()?;
    (minute.file_stamp() == stamp).then_some(minute)
}

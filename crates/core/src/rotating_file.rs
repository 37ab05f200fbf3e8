//! A log file that several processes append to and that is rotated by size.
//!
//! Called by `telemetry` for every line. What must stay true: a line is written by one `write` to a file
//! opened for appending (where the disk takes a part only, the rest follows or says why not, and the part is taken
//! back), and lands whole in the live file or in a backup; rotation happens under a lock on
//! a sibling file, so two processes never rotate at once; a writer notices that its file was moved away
//! and opens the new one. Nothing here retries or reports: the caller does.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Permissions of the files: the owner writes, its group reads.
pub const FILE_MODE: u32 = 0o640;

/// Permissions of directories that are created.
pub const DIRECTORY_MODE: u32 = 0o750;

/// Longest wait for another process that is writing a line. After it the line is appended without the
/// lock, which is safe, and rotation is left to a later line.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// For so long after a wait in vain the lock is tried once per line and not waited for.
const LOCK_SUSPENDED: Duration = Duration::from_secs(5);

/// Pause between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// How often a file that moves away while it is being opened is opened again.
const MAX_REOPENS: usize = 8;

/// The live file, its backups `.1` (newest) to `.N`, and the lock beside it.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    lock_path: PathBuf,
    max_size: u64,
    backups: u32,
    live: Option<File>,
    lock: Option<File>,
    impatient_until: Option<Instant>,
}

impl RotatingFile {
    /// A file that is opened, with its directories created, at the first line.
    ///
    /// It is rotated before it would exceed `max_size` bytes; `backups` old files are kept.
    pub fn new(path: &Path, max_size: u64, backups: u32) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            path: path.to_owned(),
            lock_path: path.with_file_name(format!(".{name}.lock")),
            max_size,
            backups,
            live: None,
            lock: None,
            impatient_until: None,
        }
    }

    /// Appends one line; `line` ends with a line feed.
    ///
    /// # Errors
    /// When the line is not in the file. A line that did not fit the disk is taken back.
    pub fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let locked = self.acquire()?;
        let outcome = self.append_as(line, locked);
        if locked && let Some(lock) = &self.lock {
            // Dropping the handle instead would work as well, so a failure is only a slower next line.
            if lock.unlock().is_err() {
                self.lock = None;
            }
        }
        if outcome.is_err() {
            self.live = None;
        }
        outcome
    }

    fn append_as(&mut self, line: &[u8], locked: bool) -> io::Result<()> {
        let mut size = self.open_live()?;
        if locked && size > 0 && size + line.len() as u64 > self.max_size {
            self.rotate()?;
            size = self.open_live()?;
        }
        let Some(file) = &mut self.live else {
            return Err(io::Error::other("the log file is not open"));
        };
        append_whole(file, line).map_err(|partly| {
            if locked && partly.written > 0 {
                partly.take_back(file, size)
            } else {
                partly.source
            }
        })
    }

    /// Opens the live file unless the open one still is it; returns its size.
    fn open_live(&mut self) -> io::Result<u64> {
        for _ in 0..MAX_REOPENS {
            if let Some(live) = &self.live
                && let Some(size) = size_if_same(live, &self.path)?
            {
                return Ok(size);
            }
            create_parent(&self.path)?;
            self.live = Some(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(FILE_MODE)
                    .open(&self.path)?,
            );
        }
        Err(io::Error::other("the log file is moved away all the time"))
    }

    /// Moves the live file to `.1`, `.1` to `.2` and so on; the last backup goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.live = None;
        if self.backups == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.backups).rev() {
            match std::fs::rename(self.backup(number), self.backup(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.backup(1))
    }

    fn backup(&self, number: u32) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!("{name}.{number}"))
    }

    /// Takes the lock; false when another process holds it for too long.
    fn acquire(&mut self) -> io::Result<bool> {
        let start = Instant::now();
        let impatient = self.impatient_until.is_some_and(|until| start < until);
        loop {
            let lock = match self.lock.take() {
                Some(lock) if size_if_same(&lock, &self.lock_path)?.is_some() => lock,
                _ => self.open_lock()?,
            };
            match lock.try_lock() {
                // Locking a file that was deleted meanwhile would protect nothing.
                Ok(()) if size_if_same(&lock, &self.lock_path)?.is_some() => {
                    self.lock = Some(lock);
                    self.impatient_until = None;
                    return Ok(true);
                }
                Ok(()) | Err(TryLockError::WouldBlock) => self.lock = Some(lock),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if impatient {
                return Ok(false);
            }
            if start.elapsed() > LOCK_PATIENCE {
                self.impatient_until = Some(Instant::now() + LOCK_SUSPENDED);
                return Ok(false);
            }
            thread::sleep(LOCK_PAUSE);
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        create_parent(&self.lock_path)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&self.lock_path)
    }
}

/// A line that is not whole in its file.
#[derive(Debug)]
pub struct Partly {
    /// Bytes of it that are in the file.
    pub written: usize,
    /// Why the next one is not.
    pub source: io::Error,
}

impl Partly {
    /// Cuts the file back to the length it had before the line. Answers why the line is not there.
    pub fn take_back(self, file: &File, before: u64) -> io::Error {
        match file.set_len(before) {
            Ok(()) => self.source,
            Err(error) => io::Error::new(
                self.source.kind(),
                format!(
                    "{}, and {} bytes of a line stay: {error}",
                    self.source, self.written
                ),
            ),
        }
    }
}

/// Appends a line by one `write`. Where the disk takes a part only, the rest is tried as well: it fails with the
/// cause, which the part alone does not tell, or makes the line whole.
///
/// # Errors
/// [`Partly`] when the line is not whole.
pub fn append_whole(file: &mut impl io::Write, line: &[u8]) -> Result<(), Partly> {
    let mut written = 0;
    while let Some(rest) = line.get(written..).filter(|rest| !rest.is_empty()) {
        let source = match file.write(rest) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(more) => {
                written += more;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err(Partly { written, source });
    }
    Ok(())
}

/// The size of `file` if it is what `path` names, `None` if the path names another file or nothing.
fn size_if_same(file: &File, path: &Path) -> io::Result<Option<u64>> {
    let there = match std::fs::metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let here = file.metadata()?;
    Ok((here.ino() == there.ino() && here.dev() == there.dev()).then_some(here.len()))
}

/// Creates the directory of `path` with its parents.
///
/// # Errors
/// When a directory cannot be created; it is named.
pub fn create_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(parent)
            .map_err(|error| {
                let words = format!("the directory {} cannot be made: {error}", parent.display());
                io::Error::new(error.kind(), words)
            }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// All lines of the live file and its backups.
    fn lines(directory: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.is_empty() || text.ends_with('\n'),
                "torn end in {}",
                path.display()
            );
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }

    fn names(directory: &Path) -> BTreeSet<String> {
        std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// B28: two processes that rotated one log lost lines.
    #[test]
    fn writers_that_rotate_one_file_lose_and_tear_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                // A file of its own for each, as another process would have.
                let mut file = RotatingFile::new(&path, 2000, 1000);
                thread::spawn(move || {
                    for number in 0..500 {
                        let filler = "x".repeat(number % 97);
                        file.append(format!("{writer} {number} {filler}.\n").as_bytes())
                            .unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let lines = lines(directory.path());
        assert_eq!(lines.len(), 4 * 500);
        let mut seen = BTreeSet::new();
        for line in lines {
            let [writer, number, filler] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("torn: {line}");
            };
            let number: usize = number.parse().unwrap();
            assert_eq!(filler.len(), number % 97 + 1, "torn: {line}");
            assert!(seen.insert((writer.to_owned(), number)), "twice: {line}");
        }
        assert!(names(directory.path()).len() > 10);
    }

    #[test]
    fn only_so_many_backups_are_kept_and_none_is_too_large() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/app.log");
        let mut file = RotatingFile::new(&path, 100, 2);
        for number in 0..100 {
            file.append(format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let parent = path.parent().unwrap();
        let expected = [".app.log.lock", "app.log", "app.log.1", "app.log.2"];
        assert_eq!(names(parent), expected.map(str::to_owned).into());
        for name in &expected[1..] {
            let metadata = std::fs::metadata(parent.join(name)).unwrap();
            assert!(metadata.len() <= 100, "{name}");
            assert_eq!(metadata.permissions().mode() & 0o137, 0, "{name}");
        }
        assert!(std::fs::read_to_string(&path).unwrap().contains("line 0099"));
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut file = RotatingFile::new(&path, 1000, 1);
        file.append(b"one\n").unwrap();
        std::fs::rename(&path, directory.path().join("moved")).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(directory.path().join(".app.log.lock")).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_writer_that_holds_the_lock_and_hangs_does_not_stop_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut hanging = RotatingFile::new(&path, 10, 1);
        assert!(hanging.acquire().unwrap());
        let mut file = RotatingFile::new(&path, 10, 1);
        file.append(b"first line\n").unwrap();
        file.append(b"second line\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "first line\nsecond line\n"
        );
    }

    #[test]
    fn a_disk_that_refuses_is_an_error_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        let mut file = RotatingFile::new(&directory.path().join("file/app.log"), 10, 1);
        assert!(file.append(b"line\n").is_err());
        std::fs::remove_file(directory.path().join("file")).unwrap();
        file.append(b"line\n").unwrap();
    }

    /// A disk with room for so many bytes that takes at most 4 at once.
    struct Disk(usize);

    impl io::Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0).min(4);
            self.0 -= taken;
            if taken == 0 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(taken)
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_part_of_a_line_is_followed_by_the_rest_or_by_the_cause() {
        append_whole(&mut Disk(10), b"123456789\n").unwrap();
        let partly = append_whole(&mut Disk(9), b"123456789\n").unwrap_err();
        assert_eq!(
            (partly.written, partly.source.kind()),
            (9, io::ErrorKind::StorageFull)
        );
    }

    /// Set for the process in which files may have 512 bytes.
    const LIMITED: &str = "ROTATING_FILE_LIMITED";

    // It said "only a part of the line could be written", and never why.
    #[test]
    #[expect(clippy::disallowed_types, reason = "the limit holds for a whole process")]
    fn a_line_that_fits_in_part_says_why_and_leaves_nothing_of_itself() {
        if let Some(path) = std::env::var_os(LIMITED) {
            let path = PathBuf::from(path);
            let mut file = RotatingFile::new(&path, 10_000, 1);
            let line = format!("{}\n", "x".repeat(299));
            file.append(line.as_bytes()).unwrap();
            let error = file.append(line.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
            file.append(b"short\n").unwrap();
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let test = "rotating_file::tests::a_line_that_fits_in_part_says_why_and_leaves_nothing_of_itself";
        let output = std::process::Command::new("sh")
            .args(["-c", r#"trap '' XFSZ; ulimit -f 1; exec "$@""#, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test])
            // Coverage does not fit into so small a file.
            .env("LLVM_PROFILE_FILE", "/dev/null")
            .env(LIMITED, &path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        // The other process has run it.
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("xxx\nshort\n"));
    }
}

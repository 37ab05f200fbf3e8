//! The recommendation log: one JSON object per line, appended.
//!
//! `cycle` hands every line over once. What must stay true: a line is written whole and by one `write`;
//! lines the disk refuses are kept and written later, in order; a file that was moved away (by logrotate
//! or by hand) is replaced by a new one; a line a crash left unfinished does not spoil the next.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use strategy_core::rotating_file::{FILE_MODE, append_whole, create_parent};
use strategy_core::symbol::Symbol;

/// Most lines kept while the disk refuses them: a day's worth. Beyond it the oldest are given up.
const MAX_PENDING: usize = 1440;

/// Most bytes read back at a start.
const MAX_TAIL: u64 = 4 * 1024 * 1024;

/// The file, and the lines that are not in it yet.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    pending: VecDeque<String>,
    given_up: u64,
    /// Lines were written since the last sync.
    unsynced: bool,
}

/// Why the file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written, {pending} lines are waiting")]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// Lines that are kept for later.
    pub pending: usize,
    /// The cause.
    #[source]
    pub source: io::Error,
}

impl Journal {
    /// The log of a market beside the log file; nothing is opened yet.
    pub fn beside(log_file: &Path, symbol: &Symbol) -> Self {
        let name = format!("trading_recommendations_{}.log", symbol.lower());
        Self {
            path: log_file.with_file_name(name),
            file: None,
            pending: VecDeque::new(),
            given_up: 0,
            unsynced: false,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lines that are not in the file yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Lines that were given up because too many were waiting.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes a line (one JSON object without a line feed) and tries to write all that wait, which
    /// [`Journal::sync`] makes durable.
    ///
    /// # Errors
    /// [`JournalError`]; the lines are kept then.
    pub fn append(&mut self, line: String) -> Result<(), JournalError> {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            self.given_up += 1;
        }
        self.pending.push_back(line);
        self.flush()
    }

    /// Tries to write all lines that wait.
    ///
    /// # Errors
    /// [`JournalError`]; the lines are kept then.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        while let Some(line) = self.pending.pop_front() {
            if let Err(source) = self.write(&line) {
                self.file = None;
                self.pending.push_front(line);
                return Err(JournalError {
                    path: self.path.clone(),
                    pending: self.pending.len(),
                    source,
                });
            }
        }
        Ok(())
    }

    /// Makes durable what was written. A line that cannot be made durable is still in the file.
    ///
    /// # Errors
    /// [`JournalError`]; the next call tries again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        let Some(file) = self.file.as_ref().filter(|_| self.unsynced) else {
            return Ok(());
        };
        file.sync_data().map_err(|source| JournalError {
            path: self.path.clone(),
            pending: self.pending.len(),
            source,
        })?;
        self.unsynced = false;
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let file = self.open()?;
        let before = file.metadata()?.len();
        let bytes = format!("{line}\n").into_bytes();
        append_whole(file, &bytes).map_err(|partly| match partly.written {
            0 => partly.source,
            // A part of a line helps nobody; it is written again as a whole.
            _ => partly.take_back(file, before),
        })?;
        self.unsynced = true;
        Ok(())
    }

    /// The open file, if it still is what the path names, or a new one.
    fn open(&mut self) -> io::Result<&mut File> {
        let current = self.file.take().filter(|file| is_same(file, &self.path));
        if let Some(file) = current {
            return Ok(self.file.insert(file));
        }
        create_parent(&self.path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(FILE_MODE)
            .open(&self.path)?;
        end_line(&mut file)?;
        Ok(self.file.insert(file))
    }

    /// The last lines of the file, oldest first; what cannot be read counts as not there.
    pub fn tail(&self) -> Vec<String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(MAX_TAIL)))?;
            let mut bytes = Vec::new();
            file.take(MAX_TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::to_owned).collect()
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(here), Ok(there)) => here.ino() == there.ino() && here.dev() == there.dev(),
        _ => false,
    }
}

/// Ends a last line that a crash left without its line feed.
pub(crate) fn end_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        Ok(())
    } else {
        file.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(directory: &Path) -> Journal {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        Journal::beside(&directory.join("logs/app.log"), &symbol)
    }

    fn text(journal: &Journal) -> String {
        std::fs::read_to_string(journal.path()).unwrap()
    }

    #[test]
    fn it_lies_beside_the_log_file_and_is_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = journal(directory.path());
        assert!(
            first
                .path()
                .ends_with("logs/trading_recommendations_btcfdusd.log")
        );
        first.append("{\"a\":1}".to_owned()).unwrap();
        let mut second = journal(directory.path());
        second.append("{\"a\":2}".to_owned()).unwrap();
        assert_eq!(text(&second), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(second.tail(), ["{\"a\":1}", "{\"a\":2}"]);
    }

    #[test]
    fn a_file_that_was_moved_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = journal(directory.path());
        journal.append("1".to_owned()).unwrap();
        std::fs::rename(journal.path(), directory.path().join("moved")).unwrap();
        journal.append("2".to_owned()).unwrap();
        assert_eq!(text(&journal), "2\n");
    }

    #[test]
    fn a_line_without_its_end_does_not_spoil_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = journal(directory.path());
        std::fs::create_dir(directory.path().join("logs")).unwrap();
        std::fs::write(journal.path(), "{\"torn").unwrap();
        journal.append("2".to_owned()).unwrap();
        assert_eq!(text(&journal), "{\"torn\n2\n");
    }

    #[test]
    fn lines_the_disk_refuses_are_kept_and_written_later_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = journal(directory.path());
        let blocker = directory.path().join("logs");
        std::fs::write(&blocker, "").unwrap();
        assert_eq!(journal.append("1".to_owned()).unwrap_err().pending, 1);
        assert_eq!(journal.append("2".to_owned()).unwrap_err().pending, 2);
        std::fs::remove_file(&blocker).unwrap();
        journal.append("3".to_owned()).unwrap();
        assert_eq!(text(&journal), "1\n2\n3\n");
        assert_eq!((journal.pending(), journal.given_up()), (0, 0));
    }

    #[test]
    fn waiting_lines_are_bounded_and_the_loss_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = journal(directory.path());
        std::fs::write(directory.path().join("logs"), "").unwrap();
        for number in 0..MAX_PENDING + 5 {
            assert!(journal.append(number.to_string()).is_err());
        }
        assert_eq!((journal.pending(), journal.given_up()), (MAX_PENDING, 5));
    }

    /// Set for the process in which files may have 512 bytes.
    const LIMITED: &str = "JOURNAL_LIMITED";

    // It said "only a part could be written", and never why.
    #[test]
    #[expect(clippy::disallowed_types, reason = "the limit holds for a whole process")]
    fn a_line_that_fits_in_part_says_why_and_waits() {
        if let Some(directory) = std::env::var_os(LIMITED) {
            let mut journal = journal(Path::new(&directory));
            let line = "x".repeat(299);
            journal.append(line.clone()).unwrap();
            let error = journal.append(line.clone()).unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
            assert_eq!((journal.pending(), text(&journal)), (1, format!("{line}\n")));
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", r#"trap '' XFSZ; ulimit -f 1; exec "$@""#, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "journal::tests::a_line_that_fits_in_part_says_why_and_waits",
            ])
            // Coverage does not fit into so small a file.
            .env("LLVM_PROFILE_FILE", "/dev/null")
            .env(LIMITED, directory.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        // The other process has run it.
        assert_eq!(text(&journal(directory.path())).len(), 300);
    }
}

//! Whole directories: copied to keep them, moved out of the way.

use std::fs;
use std::io;
use std::path::Path;

/// Copies a directory with everything below it.
///
/// # Errors
/// Whatever cannot be read or written.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Moves everything of a directory into another one and removes it. What is in both is replaced.
///
/// # Errors
/// Whatever cannot be moved.
pub(crate) fn move_files(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            move_files(&entry.path(), &target)?;
        } else {
            match fs::rename(entry.path(), target) {
                // A temporary file that has become a whole one meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
    }
    match fs::remove_dir(from) {
        // A new file came meanwhile: the caller looks again.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed,
    }
}

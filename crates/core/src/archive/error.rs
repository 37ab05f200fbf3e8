//! Why a minute could not be made durable.

use std::io;
use std::path::PathBuf;

use crate::time::Minute;

/// Most differing versions of one minute that are kept aside.
pub(super) const KEPT_ASIDE_LIMIT: u32 = 9;

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

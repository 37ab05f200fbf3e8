//! Why the collector cannot go on.

use strategy_core::archive::ArchiveError;
use strategy_core::store::StoreError;
use strategy_core::symbol::Symbol;

/// Why the collector cannot start or must stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// Redis can never be used with these settings.
    #[error("redis cannot be used")]
    Store(#[source] StoreError),
    /// The HTTP client cannot be built.
    #[error("the http client cannot be built")]
    Http(#[source] reqwest::Error),
    /// The thread of the trade stream cannot begin.
    #[error("the thread of the trade stream cannot begin")]
    Thread(#[source] std::io::Error),
    /// The keys belong to another market.
    #[error(
        "the keys in redis hold {found}, this collector records {wanted}: set redis.key_prefix for one of them"
    )]
    OtherSymbol {
        /// Market of the stored minutes.
        found: Symbol,
        /// Market of this collector.
        wanted: Symbol,
    },
    /// Another collector took over while this one was asleep.
    #[error("another collector ({holder}) took over the keys")]
    LeaseLost {
        /// Its token.
        holder: String,
    },
    /// A task ended although nobody asked it to.
    #[error("a task ended before it was asked to")]
    TaskEnded,
    /// A task panicked; the log says where.
    #[error("a task panicked")]
    TaskPanicked(#[source] tokio::task::JoinError),
    /// A minute or the unsaved minutes of an earlier run could not be read or written.
    #[error("storage cannot be used")]
    Archive(#[from] ArchiveError),
    /// The blocking file work was cut off.
    #[error("file work was cut off")]
    FileWork(#[source] tokio::task::JoinError),
}

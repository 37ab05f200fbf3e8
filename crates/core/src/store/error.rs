//! Why a store operation failed.

use crate::store::RecordError;

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address or the credentials cannot be used at all.
    #[error("the redis settings cannot be used")]
    Settings(#[source] redis::RedisError),
    /// No connection to the server, or it broke. The command may have been executed.
    #[error("redis at {address} is not reachable")]
    Unreachable {
        /// Host and port, without credentials.
        address: String,
        /// The cause.
        #[source]
        source: redis::RedisError,
    },
    /// The server answered that it will not do this.
    #[error("redis refused to {action}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// The server's words.
        #[source]
        source: redis::RedisError,
    },
    /// Another collector holds the keys.
    #[error("another collector owns the keys: {holder}")]
    NotOwner {
        /// The token of the holder; empty when nobody holds the lease.
        holder: String,
    },
    /// The window in Redis is not what this program wrote last, for instance after Redis lost its last second.
    #[error("the trade window in redis was changed by something else")]
    WindowChanged,
    /// A document could not be written as JSON.
    #[error("a document could not be written as json")]
    Encode(#[source] serde_json::Error),
    /// A document in Redis is not what the layout says.
    #[error("the document at {key} cannot be read")]
    Decode {
        /// Key and index.
        key: String,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
}

impl StoreError {
    /// True when waiting and trying again can help without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            // A server may refuse because it is loading its data, out of memory, or a replica for a moment.
            Self::Unreachable { .. } | Self::WindowChanged | Self::Refused { .. } => true,
            Self::Settings(_) | Self::NotOwner { .. } | Self::Encode(_) | Self::Decode { .. } => false,
        }
    }
}

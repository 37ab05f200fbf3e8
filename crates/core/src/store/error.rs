//! Why a store operation failed.

use redis::ErrorKind;

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
    /// A key holds something else than the layout says.
    #[error("{key} in redis is a {kind}, not a {wanted}: rename or delete that key")]
    WrongType {
        /// The key.
        key: String,
        /// Its type, as Redis calls it.
        kind: String,
        /// The type it should have.
        wanted: &'static str,
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

/// Codes of refusals that stay until somebody changes the data, the settings or the server's users.
const LASTING: [&str; 4] = ["WRONGTYPE", "NOAUTH", "WRONGPASS", "NOPERM"];

impl StoreError {
    /// True when waiting and trying again can help without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::WindowChanged => true,
            // A server may refuse because it is loading its data, out of memory, or a replica for a moment.
            Self::Refused { source, .. } => {
                let lasting = source.code().is_some_and(|code| LASTING.contains(&code));
                !lasting && source.kind() != ErrorKind::AuthenticationFailed
            }
            Self::Settings(_)
            | Self::WrongType { .. }
            | Self::NotOwner { .. }
            | Self::Encode(_)
            | Self::Decode { .. } => false,
        }
    }

    /// True when a command met a key of another type than it works on.
    pub(super) fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some("WRONGTYPE"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::RedisError;

    fn refused(source: RedisError) -> StoreError {
        StoreError::Refused {
            action: "read",
            source,
        }
    }

    /// What a server answers, as the client reads it.
    fn answered(line: &str) -> StoreError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        refused(value.extract_error().unwrap_err())
    }

    #[test]
    fn a_refusal_that_lasts_is_told_from_one_that_passes() {
        for line in [
            "WRONGTYPE Operation against a key",
            "NOPERM no permissions",
            "NOAUTH required",
        ] {
            assert!(!answered(line).is_transient(), "{line}");
        }
        for line in [
            "LOADING the dataset",
            "OOM command not allowed",
            "READONLY replica",
            "ERR other",
        ] {
            assert!(answered(line).is_transient(), "{line}");
        }
        assert!(!refused((ErrorKind::AuthenticationFailed, "no").into()).is_transient());
        assert!(answered("WRONGTYPE Operation").is_wrong_type() && !answered("OOM").is_wrong_type());
    }
}

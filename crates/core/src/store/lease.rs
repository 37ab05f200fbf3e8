//! The lease that makes one collector the owner of the keys.
//!
//! The holder renews it well before it expires. Every write checks it inside Redis, so that a collector
//! that was asleep for longer than the lease cannot write over its successor.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use crate::store::text::Text;
use crate::store::{Store, StoreError};

/// How long a lease lives without being renewed. A standby takes over within this time plus one poll.
pub const LEASE_TTL: Duration = Duration::from_secs(10);

/// How often the holder renews it and a standby asks for it.
pub const LEASE_PERIOD: Duration = Duration::from_secs(3);

/// Takes or renews the lease in one step. Answers the holder.
static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
",
    )
});

/// Gives the lease back if it is ours.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// Names one running collector: host, process id and a random part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseToken(String);

impl LeaseToken {
    /// A token from its parts; `random` tells apart two lives of one process id.
    pub fn new(host: &str, process_id: u32, random: u64) -> Self {
        let host: String = host.chars().filter(char::is_ascii_graphic).take(64).collect();
        Self(format!("{host}:{process_id}:{random:016x}"))
    }

    /// As it stands in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who owns the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// We do, until the lease expires.
    Held,
    /// Another collector does.
    HeldBy(String),
}

impl Store {
    /// Takes the lease, or renews it when it is ours already.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn acquire_lease(&mut self, token: &LeaseToken) -> Result<LeaseState, StoreError> {
        let mut invocation = ACQUIRE.prepare_invoke();
        invocation
            .key(self.keys.lease())
            .arg(token.as_str())
            .arg(LEASE_TTL.as_millis().to_string());
        let Text(holder) = self.script("take the lease", &invocation).await?;
        Ok(if holder == token.0 {
            LeaseState::Held
        } else {
            LeaseState::HeldBy(holder)
        })
    }

    /// Gives the lease back, so that a standby need not wait for it to expire.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn release_lease(&mut self, token: &LeaseToken) -> Result<(), StoreError> {
        let mut invocation = RELEASE.prepare_invoke();
        invocation.key(self.keys.lease()).arg(token.as_str());
        self.script::<u64>("give the lease back", &invocation)
            .await
            .map(|_| ())
    }
}

//! Waiting in tests: until something is true, never for a fixed time.

use std::time::Duration;

use tokio::time::Instant;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What was waited for did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still not true after {limit:?}: {what}")]
pub struct NotYet {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub limit: Duration,
}

/// Looks again and again until `condition` is true.
///
/// # Errors
/// [`NotYet`] when it is not true within `limit`; a look that takes longer counts as not true.
pub async fn eventually(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<(), NotYet> {
    let deadline = Instant::now() + limit;
    loop {
        if let Ok(true) = tokio::time::timeout_at(deadline, condition()).await {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(NotYet {
                what: what.to_owned(),
                limit,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks again and again until `look` finds something, and returns it.
///
/// # Errors
/// [`NotYet`] when nothing is found within `limit`.
pub async fn eventually_some<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T, NotYet> {
    let deadline = Instant::now() + limit;
    loop {
        if let Ok(Some(found)) = tokio::time::timeout_at(deadline, look()).await {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(NotYet {
                what: what.to_owned(),
                limit,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

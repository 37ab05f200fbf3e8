//! What the analyzer stores: its results and its recommendations.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::Script;

use crate::store::text::Text;
use crate::store::{Store, StoreError};

/// How long an analysis stays in Redis.
pub(crate) const RESULT_TTL: Duration = Duration::from_secs(3600);

/// Most recommendations kept in Redis: one a minute for a day.
pub(crate) const RECOMMENDATIONS_LIMIT: usize = 1440;

/// Adds one line and trims the list; the same line twice is stored once.
static RECOMMEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
return 1
",
    )
});

impl Store {
    /// Stores one analysis under its time; it expires after an hour. May be repeated.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn put_analysis(&mut self, at: DateTime<Utc>, document: &str) -> Result<(), StoreError> {
        let seconds = format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros());
        let mut command = redis::cmd("SET");
        command
            .arg(self.keys.analysis_result(&seconds))
            .arg(document)
            .arg("EX")
            .arg(RESULT_TTL.as_secs());
        self.query("store the analysis", &command).await
    }

    /// Puts one recommendation line in front of the list. May be repeated.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`] or [`StoreError::WrongType`].
    pub async fn push_recommendation(&mut self, line: &str) -> Result<(), StoreError> {
        let mut invocation = RECOMMEND.prepare_invoke();
        invocation
            .key(self.keys.recommendations())
            .arg(line)
            .arg(RECOMMENDATIONS_LIMIT);
        match self.script::<u64>("store the recommendation", &invocation).await {
            Err(error) => Err(self.named(error, &[(self.keys.recommendations(), "list")]).await),
            Ok(_) => Ok(()),
        }
    }

    /// The recommendation lines, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`] or [`StoreError::WrongType`].
    pub async fn recommendations(&mut self) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command.arg(self.keys.recommendations()).arg(0).arg(-1);
        let read: Result<Vec<Text>, _> = self.query("read the recommendations", &command).await;
        match read {
            Err(error) => Err(self.named(error, &[(self.keys.recommendations(), "list")]).await),
            Ok(lines) => Ok(lines.into_iter().map(|Text(line)| line).collect()),
        }
    }
}

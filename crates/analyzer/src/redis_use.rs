//! How the program's uses of Redis went, and when that is worth a word. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use strategy_core::degraded::Reason;
use strategy_core::store::StoreError;
use strategy_core::telemetry::error_chain;

/// What the program does with Redis; each is noted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RedisUse {
    /// Reading the market data.
    Load,
    /// Storing the analysis.
    Analysis,
    /// Storing the recommendation.
    Recommendation,
    /// Reading and storing what the model cost.
    Spending,
    /// Writing the status.
    Status,
}

/// What is known of Redis, by the last try of each use.
#[derive(Debug, Default)]
pub(crate) struct RedisFacts {
    /// What was said last; none before anything was.
    said: Option<Redis>,
    unanswered: BTreeMap<RedisUse, DateTime<Utc>>,
    refused: BTreeMap<RedisUse, Refusal>,
}

/// What Redis refuses, and since when.
#[derive(Debug)]
struct Refusal {
    words: String,
    since: DateTime<Utc>,
}

/// How Redis is, as the log says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redis {
    Answers,
    Away,
    Refuses,
}

impl RedisFacts {
    /// Notes how a use went; answers how Redis is, if that is to be said.
    pub(crate) fn note(
        &mut self,
        part: RedisUse,
        error: Option<&StoreError>,
        at: DateTime<Utc>,
    ) -> Option<Redis> {
        let is_away = matches!(error, Some(StoreError::Unreachable { .. }));
        let mut is_new = false;
        let away_since = self.unanswered.remove(&part);
        let before = self.refused.remove(&part);
        if is_away {
            self.unanswered.insert(part, away_since.unwrap_or(at));
        } else if let Some(error) = error {
            let words = redis_words(error);
            let mut known = before.iter().chain(self.refused.values());
            let same = known.find(|known| known.words == words);
            is_new = same.is_none();
            let since = same.map_or(at, |known| known.since);
            self.refused.insert(part, Refusal { words, since });
        }
        let now = if is_away {
            Redis::Away
        } else if self.refused.is_empty() {
            Redis::Answers
        } else {
            Redis::Refuses
        };
        let changed = self.said.replace(now) != Some(now);
        (changed || is_new).then_some(now)
    }

    /// What is wrong, each once. The status itself is left out: where it can be read it was written.
    pub(crate) fn troubles(&self, now: DateTime<Utc>) -> Vec<String> {
        let said = |words: String, since: DateTime<Utc>| Reason::new(words, since).text(now);
        let parts = self
            .unanswered
            .iter()
            .filter(|(part, _)| **part != RedisUse::Status);
        let unanswered =
            parts.map(|(part, since)| said(format!("redis did not answer when {}", part.words()), *since));
        let refused = self.refused.iter().filter(|(part, _)| **part != RedisUse::Status);
        let refused = refused.map(|(_, refusal)| said(refusal.words.clone(), refusal.since));
        let mut troubles: Vec<String> = unanswered.chain(refused).collect();
        troubles.dedup();
        troubles
    }
}

impl RedisFacts {
    /// The last try of every use went well.
    pub(crate) fn is_well(&self) -> bool {
        self.unanswered.is_empty() && self.refused.is_empty()
    }
}

impl RedisUse {
    fn words(self) -> &'static str {
        match self {
            Self::Load => "the market data were read",
            Self::Analysis => "the analysis was stored",
            Self::Recommendation => "the recommendation was stored",
            Self::Spending => "the model's cost was read or stored",
            Self::Status => "the status was written",
        }
    }
}

/// What is wrong with Redis, for a person.
pub(crate) fn redis_words(error: &StoreError) -> String {
    match error {
        StoreError::Unreachable { .. } => "redis does not answer".to_owned(),
        // Without a password everything is refused alike, and said once.
        StoreError::Refused { source, .. } if source.code() == Some("NOAUTH") => {
            format!("redis refuses: {source}")
        }
        StoreError::Refused { action, source } => format!("redis refuses: {action}: {source}"),
        other => error_chain(other),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use strategy_core::store::Store;

    use super::*;

    pub(crate) fn wrong_type() -> StoreError {
        StoreError::WrongType {
            key: "depth_snapshot_5000".to_owned(),
            kind: "hash".to_owned(),
            wanted: "list",
        }
    }

    #[tokio::test]
    async fn a_change_of_redis_is_said_once_whoever_notices_it() {
        let options = strategy_core::store::StoreOptions {
            host: "127.0.0.1".to_owned(),
            port: 1,
            db: 0,
            username: String::new(),
            password: None,
            tls: false,
            tls_ca: None,
            meter: Arc::default(),
            key_prefix: String::new(),
            socket_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        };
        let away = Store::new(&options).unwrap().ping().await.unwrap_err();
        let (away, foreign) = (Some(&away), wrong_type());
        let mut redis = RedisFacts::default();
        assert_eq!(
            redis.note(RedisUse::Status, None, DateTime::UNIX_EPOCH),
            Some(Redis::Answers)
        );
        assert_eq!(redis.note(RedisUse::Load, None, DateTime::UNIX_EPOCH), None);
        assert_eq!(
            redis.note(RedisUse::Status, away, DateTime::UNIX_EPOCH),
            Some(Redis::Away)
        );
        assert_eq!(redis.note(RedisUse::Load, away, DateTime::UNIX_EPOCH), None);
        assert_eq!(
            redis.troubles(DateTime::UNIX_EPOCH),
            ["redis did not answer when the market data were read since 00:00 UTC"]
        );
        assert_eq!(
            redis.note(RedisUse::Status, None, DateTime::UNIX_EPOCH),
            Some(Redis::Answers)
        );
        assert_eq!(
            redis.note(RedisUse::Load, Some(&foreign), DateTime::UNIX_EPOCH),
            Some(Redis::Refuses)
        );
        assert_eq!(redis.note(RedisUse::Status, None, DateTime::UNIX_EPOCH), None);
        assert_eq!(
            redis.note(RedisUse::Load, Some(&foreign), DateTime::UNIX_EPOCH),
            None
        );
        assert_eq!(
            redis.troubles(DateTime::UNIX_EPOCH),
            ["depth_snapshot_5000 in redis is a hash, not a list: rename or delete that key since 00:00 UTC"]
        );
        assert_eq!(
            redis.note(RedisUse::Load, None, DateTime::UNIX_EPOCH),
            Some(Redis::Answers)
        );
        assert!(redis.troubles(DateTime::UNIX_EPOCH).is_empty());
    }
}

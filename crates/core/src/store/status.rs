//! The status keys, and the verdict the `status` commands give on them.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use redis::Script;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::store::text::Text;
use crate::store::{DaySpending, Spending, Store, StoreError};
use crate::time::{format_time, rfc3339};

/// Seconds after which an unrenewed status disappears from Redis.
pub(crate) const STATUS_TTL_SECONDS: u64 = 30;

/// How long an analyzer that does not renew its status counts as running, for one that waits. It renews it every
/// four seconds.
const WRITER_TTL_SECONDS: u64 = 12;

/// Seconds after which a status counts as stale; it is rewritten at least every five.
const STALE_AFTER_SECONDS: i64 = 20;

/// Progress of filling the window from the exchange's history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// Minutes filled since the start.
    pub done_minutes: u64,
    /// Minutes that were missing or became missing since the start.
    pub total_minutes: u64,
    /// Time until all are filled, at the pace so far; `None` while there is no pace, and when nothing is missing.
    #[serde(default)]
    pub seconds_left: Option<u64>,
}

/// `data_collector_status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectorStatus {
    /// False in the last status a stopping collector writes.
    pub is_running: bool,
    /// The market that is recorded.
    #[serde(default)]
    pub symbol: String,
    /// True while a trade stream is open.
    pub websocket_connected: bool,
    /// Books in Redis.
    pub depth_snapshots_count: u64,
    /// Minutes in Redis.
    pub trade_window_count: u64,
    /// Minutes of the window that are not complete yet.
    #[serde(default)]
    pub incomplete_minutes: u64,
    /// Highest aggregate trade id counted through an unbroken chain.
    pub last_trade_id: Option<u64>,
    /// When this status was written.
    #[serde(with = "rfc3339")]
    pub last_update: DateTime<Utc>,
    /// Filling of the window.
    pub backfill: Backfill,
    /// What is wrong at the moment; empty when all is well.
    pub degraded: Vec<String>,
    /// Counters since the start, by name.
    #[serde(default)]
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// `analyzer_status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalyzerStatus {
    /// False in the last status a stopping analyzer writes.
    pub is_running: bool,
    /// Which process writes this status and the lines: market, host, process id and a random part.
    #[serde(default)]
    pub writer: String,
    /// The market that is analysed.
    #[serde(default)]
    pub symbol: String,
    /// True while Redis answers.
    pub redis_connected: bool,
    /// When the last analysis was stored, as RFC 3339.
    pub last_analysis: Option<String>,
    /// When the last recommendation was written, as RFC 3339.
    pub last_recommendation: Option<String>,
    /// When this status was written.
    #[serde(with = "rfc3339")]
    pub last_update: DateTime<Utc>,
    /// What is wrong at the moment; empty when all is well.
    pub degraded: Vec<String>,
    /// Counters since the start, by name.
    #[serde(default)]
    pub counters: std::collections::BTreeMap<String, u64>,
    /// The model and what it costs.
    #[serde(default)]
    pub model: Option<ModelStatus>,
}

/// The model and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Its name, as configured; none when there is no model.
    pub name: Option<String>,
    /// Why it is not asked at the moment, as `fallback_reason` of the last line says it.
    pub not_asked: Option<String>,
    /// What the last conversation with it cost; none before the first.
    pub last_call: Option<Spending>,
    /// What it cost on the UTC day.
    pub today: DaySpending,
    /// What it may cost a day, in US dollars.
    #[serde(with = "super::spending::usd")]
    pub max_cost_per_day_usd: Decimal,
}

impl ModelStatus {
    /// In words, a line for each fact.
    pub fn words(&self) -> String {
        let state = match (&self.name, &self.not_asked) {
            (None, _) => "none, the rules advise".to_owned(),
            (Some(name), None) => name.clone(),
            (Some(name), Some(reason)) => format!("{name}, not asked: {reason}"),
        };
        let last = self.last_call.map_or("none".to_owned(), |call| call.to_string());
        format!(
            "model: {state}\nlast call: {last}\n{}: {}; at most {} usd a day\n",
            self.today.day,
            self.today.spending,
            self.max_cost_per_day_usd.normalize()
        )
    }
}

/// Which analyzer's status stands in Redis: it is the one that writes lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// The one that asked.
    This,
    /// Another one, which has renewed it lately.
    Other(String),
}

/// Replaces the status unless another writer's is fresh; answers that writer.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('TYPE', KEYS[1]).ok == 'string' then
  local read, known = pcall(cjson.decode, redis.call('GET', KEYS[1]))
  if read and type(known) == 'table' and known.is_running == true and type(known.writer) == 'string'
    and known.writer ~= '' and known.writer ~= ARGV[2] and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[4]) then
    return known.writer
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
return ''
",
    )
});

/// What a `status` command concludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusVerdict {
    /// Running, fresh, nothing degraded.
    Healthy,
    /// Not healthy, with the reasons for a person.
    Unhealthy(Vec<String>),
}

impl StatusVerdict {
    /// Judges the common fields of a status; `None` when there is no status in Redis.
    pub fn judge(status: Option<(bool, DateTime<Utc>, &[String])>, now: DateTime<Utc>) -> Self {
        let Some((is_running, last_update, degraded)) = status else {
            return Self::Unhealthy(vec!["not running: there is no status in redis".to_owned()]);
        };
        let mut reasons = Vec::new();
        if !is_running {
            reasons.push(format!("not running: stopped at {}", format_time(last_update)));
        }
        let age = (now - last_update).num_seconds();
        if is_running && age > STALE_AFTER_SECONDS {
            reasons.push(format!("stale: the status is {age} s old"));
        }
        reasons.extend(degraded.iter().map(|reason| format!("degraded: {reason}")));
        if reasons.is_empty() {
            Self::Healthy
        } else {
            Self::Unhealthy(reasons)
        }
    }
}

impl Store {
    /// Writes the collector's status.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn put_collector_status(&mut self, status: &CollectorStatus) -> Result<(), StoreError> {
        let document = json::to_string(status).map_err(StoreError::Encode)?;
        let key = self.keys.collector_status();
        self.put_status(key, &document).await
    }

    /// Writes the analyzer's status, unless that of another one stands there which still runs.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn put_analyzer_status(&mut self, status: &AnalyzerStatus) -> Result<Writer, StoreError> {
        let document = json::to_string(status).map_err(StoreError::Encode)?;
        let mut invocation = CLAIM.prepare_invoke();
        invocation
            .key(self.keys.analyzer_status())
            .arg(document)
            .arg(&status.writer)
            .arg(STATUS_TTL_SECONDS)
            .arg((STATUS_TTL_SECONDS - WRITER_TTL_SECONDS) * 1000);
        let Text(other) = self.script("write the status", &invocation).await?;
        Ok(if other.is_empty() {
            Writer::This
        } else {
            Writer::Other(other)
        })
    }

    /// The collector's status as stored; `None` when there is none.
    ///
    /// # Errors
    /// Any [`StoreError`] but those of a document.
    pub async fn collector_status(&mut self) -> Result<Option<String>, StoreError> {
        let key = self.keys.collector_status();
        let status: Option<Text> = self.query("read the status", redis::cmd("GET").arg(key)).await?;
        Ok(status.map(|Text(status)| status))
    }

    /// The analyzer's status as stored; `None` when there is none.
    ///
    /// # Errors
    /// Any [`StoreError`] but those of a document.
    pub async fn analyzer_status(&mut self) -> Result<Option<String>, StoreError> {
        let key = self.keys.analyzer_status();
        let status: Option<Text> = self.query("read the status", redis::cmd("GET").arg(key)).await?;
        Ok(status.map(|Text(status)| status))
    }

    async fn put_status(&mut self, key: String, document: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(document).arg("EX").arg(STATUS_TTL_SECONDS);
        self.query("write the status", &command).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(age_seconds: i64, is_running: bool, degraded: &[&str]) -> StatusVerdict {
        let now = DateTime::from_timestamp(1_763_792_100, 0).unwrap();
        let degraded: Vec<String> = degraded.iter().map(ToString::to_string).collect();
        StatusVerdict::judge(
            Some((
                is_running,
                now - chrono::Duration::seconds(age_seconds),
                &degraded,
            )),
            now,
        )
    }

    #[test]
    fn only_a_fresh_running_undegraded_status_is_healthy() {
        assert_eq!(verdict(3, true, &[]), StatusVerdict::Healthy);
        let unhealthy = |reason: &str| StatusVerdict::Unhealthy(vec![reason.to_owned()]);
        assert_eq!(verdict(21, true, &[]), unhealthy("stale: the status is 21 s old"));
        assert_eq!(
            verdict(1, false, &[]),
            unhealthy("not running: stopped at 2025-11-22T06:14:59+00:00")
        );
        assert_eq!(verdict(1, true, &["no depth"]), unhealthy("degraded: no depth"));
        let absent = StatusVerdict::judge(None, DateTime::UNIX_EPOCH);
        assert_eq!(absent, unhealthy("not running: there is no status in redis"));
    }
}

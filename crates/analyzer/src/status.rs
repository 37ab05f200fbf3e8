//! What the analyzer says about itself: in Redis for the `status` command, and to systemd.
//!
//! Tasks note facts on the [`Board`]; one task writes them every few seconds, with a connection of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use strategy_core::degraded::Reason;
use strategy_core::lifecycle::{notify_ready, notify_status};
use strategy_core::model::advice::{AbstainReason, Action};
use strategy_core::pulse::Pulse;
use strategy_core::store::{AnalyzerStatus, LeaseToken, ModelStatus, Spending, Store, StoreError, Writer};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::LogFile;
use strategy_core::time::{Clock, format_time};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::recommendation::Recommendation;
use crate::redis_use::{Redis, RedisFacts, RedisUse, redis_words};
use crate::standing::Standing;

/// Time between two writes; the layout promises five seconds at most.
const PERIOD: Duration = Duration::from_secs(4);

/// Time between two looks at the status of another analyzer.
const STANDBY_PERIOD: Duration = Duration::from_secs(2);

/// Longest time for the last write, when the program stops.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// Facts about the running program, shared by its tasks.
#[derive(Debug, Clone)]
pub struct Board {
    symbol: Symbol,
    clock: Arc<dyn Clock>,
    facts: Arc<Mutex<Facts>>,
    /// How the log file is doing.
    pub log: LogFile,
}

#[derive(Debug, Default)]
struct Facts {
    last_analysis: Option<DateTime<Utc>>,
    last_recommendation: Option<DateTime<Utc>>,
    troubles: BTreeMap<&'static str, Reason>,
    redis: RedisFacts,
    counters: BTreeMap<String, u64>,
    model: Option<ModelStatus>,
    totals: Totals,
}

/// What was written since the start.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Lines by source, status, action, and reason to abstain or to leave the model out.
    pub outcomes: BTreeMap<[&'static str; 3], BTreeMap<String, u64>>,
    /// What the model cost.
    pub spending: Spending,
    /// Lines that wait for the log, and for Redis.
    pub waiting: (usize, usize),
}

/// Everything a monitoring system is told.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Counters since the start.
    pub(crate) counters: BTreeMap<String, u64>,
    /// What was written since the start.
    pub(crate) totals: Totals,
    /// When the last analysis was stored.
    pub(crate) last_analysis: Option<DateTime<Utc>>,
    /// When the last recommendation was written.
    pub(crate) last_recommendation: Option<DateTime<Utc>>,
    /// The parts that are unwell, Redis left out.
    pub(crate) unwell: BTreeSet<&'static str>,
    /// Redis does not answer, or refuses something.
    pub(crate) redis_unwell: bool,
    /// The log file cannot be written.
    pub(crate) log_unwell: bool,
}

impl Board {
    /// A board without facts.
    pub fn new(symbol: Symbol, clock: Arc<dyn Clock>) -> Self {
        Self {
            symbol,
            clock,
            facts: Arc::default(),
            log: LogFile::default(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Every change is complete at once, so a panic elsewhere leaves nothing half done.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An analysis was stored.
    pub fn analysed(&self, at: DateTime<Utc>) {
        self.facts().last_analysis = Some(at);
    }

    /// A recommendation was written.
    pub fn recommended(&self, at: DateTime<Utc>) {
        self.facts().last_recommendation = Some(at);
    }

    /// A line was made, written or not.
    pub fn outcome(&self, line: &Recommendation) {
        let reason = line
            .abstain_reason
            .map(AbstainReason::as_str)
            .or(line.fallback_reason.as_deref());
        let mut facts = self.facts();
        let action = match line.action {
            Action::Buy => "buy",
            Action::Sell => "sell",
            Action::Hold => "hold",
        };
        let key = [line.source.as_str(), line.status.as_str(), action];
        let reasons = facts.totals.outcomes.entry(key).or_default();
        *reasons.entry(reason.unwrap_or_default().to_owned()).or_default() += 1;
        if let Some(usage) = line.model_usage {
            facts.totals.spending = facts.totals.spending.plus(usage);
        }
    }

    /// How many lines wait for the log, and for Redis.
    pub fn waiting(&self, log: usize, redis: usize) {
        self.facts().totals.waiting = (log, redis);
    }

    /// The market.
    pub(crate) fn symbol(&self) -> &str {
        self.symbol.as_str()
    }

    /// Everything a monitoring system is told.
    pub(crate) fn figures(&self) -> Figures {
        let log_unwell = self.log.trouble().is_some();
        let facts = self.facts();
        Figures {
            log_unwell,
            counters: facts.counters.clone(),
            totals: facts.totals.clone(),
            last_analysis: facts.last_analysis,
            last_recommendation: facts.last_recommendation,
            unwell: facts.troubles.keys().copied().collect(),
            redis_unwell: !facts.redis.is_well(),
        }
    }

    /// The model and its cost.
    pub fn model(&self, status: ModelStatus) {
        self.facts().model = Some(status);
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, more: u64) {
        *self.facts().counters.entry(name.to_owned()).or_default() += more;
    }

    /// Notes what is wrong with one part, or that nothing is. True if that is a change.
    pub fn trouble(&self, part: &'static str, trouble: Option<String>) -> bool {
        let now = self.clock.now();
        let mut facts = self.facts();
        match (trouble, facts.troubles.get_mut(part)) {
            (Some(words), Some(known)) => {
                known.rephrase(words);
                false
            }
            (Some(words), None) => facts.troubles.insert(part, Reason::new(words, now)).is_none(),
            (None, _) => facts.troubles.remove(part).is_some(),
        }
    }

    /// The same for a reason that knows since when.
    pub fn reason(&self, part: &'static str, reason: Option<Reason>) -> bool {
        let troubles = &mut self.facts().troubles;
        match reason {
            Some(reason) => troubles.insert(part, reason).is_none(),
            None => troubles.remove(part).is_some(),
        }
    }

    /// Notes how a use of Redis went. The log says it when that changes how Redis is, and once for the whole
    /// program: every task with a connection notes it here.
    pub fn redis(&self, part: RedisUse, error: Option<&StoreError>) {
        let now = self.clock.now();
        let said = self.facts().redis.note(part, error, now);
        let error = error.map(|error| error as &dyn Error);
        match said {
            Some(Redis::Answers) => tracing::info!("redis answers"),
            Some(Redis::Away) => tracing::warn!(error, "redis does not answer; trying again until it does"),
            Some(Redis::Refuses) => tracing::warn!(error, "redis refuses"),
            None => {}
        }
    }

    /// The status at this time.
    pub fn status(&self, is_running: bool, redis_connected: bool, now: DateTime<Utc>) -> AnalyzerStatus {
        let log = self.log.trouble();
        let facts = self.facts();
        let mut degraded = facts.redis.troubles(now);
        degraded.extend(facts.troubles.values().map(|reason| reason.text(now)));
        degraded.extend(log);
        AnalyzerStatus {
            is_running,
            writer: String::new(),
            symbol: self.symbol.as_str().to_owned(),
            redis_connected,
            last_analysis: facts.last_analysis.map(format_time),
            last_recommendation: facts.last_recommendation.map(format_time),
            last_update: now,
            degraded,
            counters: facts.counters.clone(),
            model: facts.model.clone(),
        }
    }
}

/// How the status is written, and what is learnt by it.
#[derive(Debug)]
pub struct Duty {
    /// Told of every write.
    pub pulse: Pulse,
    /// Longest time a write takes.
    pub limit: Duration,
    /// Names this process.
    pub token: LeaseToken,
    /// Whether this analyzer is the one that writes.
    pub standing: watch::Sender<Standing>,
}

/// Writes the status until the program stops, and once more then. Where that of another analyzer stands which
/// runs, this one waits as its standby.
///
/// # Errors
/// None; Redis may come and go.
pub async fn run(
    board: Board,
    mut store: Store,
    clock: Arc<dyn Clock>,
    duty: Duty,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut ready = false;
    let document = |is_running: bool| AnalyzerStatus {
        writer: duty.token.as_str().to_owned(),
        ..board.status(is_running, true, clock.now())
    };
    loop {
        let mut status = document(true);
        status.degraded.extend(duty.pulse.troubles());
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            outcome = store.put_analyzer_status(&status) => outcome,
        };
        board.redis(RedisUse::Status, outcome.as_ref().err());
        Standing::note(&duty.standing, &outcome);
        if outcome.is_ok() && !std::mem::replace(&mut ready, true) {
            notify_ready();
        }
        let (words, period) = match &outcome {
            Ok(Writer::Other(other)) => (format!("standby: {other} writes the same keys"), STANDBY_PERIOD),
            outcome => (words(&status, outcome.as_ref().err()), PERIOD),
        };
        notify_status(&words);
        duty.pulse.beat("status", period + duty.limit);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(period) => {}
        }
    }
    // Late or failed, the key expires by itself.
    let _written = tokio::time::timeout(LAST_WRITE, store.put_analyzer_status(&document(false))).await;
    Ok(())
}

/// The status in one line, for systemd.
fn words(status: &AnalyzerStatus, redis: Option<&StoreError>) -> String {
    match redis {
        Some(StoreError::Unreachable { .. }) => return "waiting for redis".to_owned(),
        Some(error) => return redis_words(error),
        None => {}
    }
    let last = status.last_recommendation.as_deref().unwrap_or("none yet");
    if status.degraded.is_empty() {
        format!("well, last recommendation {last}")
    } else {
        format!("{}, last recommendation {last}", status.degraded.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_use::tests::wrong_type;

    /// A clock that stands at midnight.
    #[derive(Debug)]
    struct Midnight;

    impl Clock for Midnight {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }
    }

    fn board() -> Board {
        Board::new(Symbol::new("BTCFDUSD").unwrap(), Arc::new(Midnight))
    }

    #[test]
    fn the_board_holds_facts_and_names_changes_once() {
        let board = board();
        assert!(board.trouble("journal", Some("no space".to_owned())));
        assert!(!board.trouble("journal", Some("still no space".to_owned())));
        board.count("cycles", 1);
        board.count("cycles", 2);
        board.recommended(DateTime::from_timestamp(1_763_792_045, 0).unwrap());
        let status = board.status(true, true, DateTime::UNIX_EPOCH);
        assert_eq!(status.degraded, ["still no space since 00:00 UTC"]);
        assert_eq!(status.counters["cycles"], 3);
        assert_eq!(
            words(&status, None),
            "still no space since 00:00 UTC, last recommendation 2025-11-22T06:14:05+00:00"
        );
        assert!(board.trouble("journal", None));
        assert!(!board.trouble("journal", None));
        assert_eq!(
            words(
                &board.status(true, true, DateTime::UNIX_EPOCH),
                Some(&wrong_type())
            ),
            "depth_snapshot_5000 in redis is a hash, not a list: rename or delete that key"
        );
    }

    fn degraded(board: &Board) -> Vec<String> {
        board.status(true, true, DateTime::UNIX_EPOCH).degraded
    }

    #[test]
    fn the_status_names_what_redis_refuses() {
        let board = board();
        board.redis(RedisUse::Load, Some(&wrong_type()));
        assert_eq!(
            degraded(&board),
            ["depth_snapshot_5000 in redis is a hash, not a list: rename or delete that key since 00:00 UTC"]
        );
        board.redis(RedisUse::Load, None);
        assert!(degraded(&board).is_empty());
    }
}

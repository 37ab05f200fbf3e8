//! One cycle: load, analyse, keep, advise, record.
//!
//! `lib` runs it when it is due. What must stay true: one line per cycle, always, also when Redis is away;
//! no model call on data that do not allow advice; line, list in Redis and analysis agree; a request to stop
//! cuts everything off but the recording of a line that says so.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use strategy_core::backoff::Backoff;
use strategy_core::config::Language;
use strategy_core::json;
use strategy_core::model::advice::AbstainReason;
use strategy_core::model::report::MarketReport;
use strategy_core::store::{Store, StoreError};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adviser::{Adviser, Situation, abstention_words};
use crate::agree::{Missing, missing};
use crate::archive::Archive;
use crate::feed::{Feed, Rejected};
use crate::journal::{Journal, JournalError};
use crate::recommendation::{Recommendation, day_spending};
use crate::redis_use::RedisUse;
use crate::silence::{Silence, why};
use crate::status::Board;

/// First and longest wait before Redis is asked again.
const REDIS_WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Longest time for what is written to Redis in one cycle: a request to stop must not wait for more.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// Time in which a line another program has sent to Redis gets into the log.
const SETTLING: Duration = Duration::from_millis(500);

/// Longest time for telling Redis what the day cost.
const COST_LIMIT: Duration = Duration::from_millis(500);

/// Longest time for what is written to Redis when the program stops, on top of the last cycle's.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Most lines kept for Redis while it is away: as many as its list holds.
const MAX_UNSENT: usize = 1440;

/// Why a cycle has no advice, or no line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CycleError {
    /// The program was asked to stop before the line was due.
    #[error("stopped before there was a recommendation")]
    Stopped,
    /// Redis did not answer in time, or does not have what the layout says.
    #[error("the market data cannot be read")]
    Load(#[source] StoreError),
    /// The analysis cannot be written, so that advice would have nothing to rest on.
    #[error("the analysis cannot be stored")]
    Keep(#[source] StoreError),
    /// The analysis panicked.
    #[error("the analysis failed")]
    Analysis(#[source] tokio::task::JoinError),
    /// The line cannot be written as JSON.
    #[error("the recommendation cannot be written as json")]
    Encode(#[source] serde_json::Error),
    /// The log does not take the line; it is kept.
    #[error("the recommendation log does not take the line")]
    Journal(#[source] JournalError),
}

/// An analysis that is stored, so that advice may rest on it.
struct Prepared {
    report: MarketReport,
    now: DateTime<Utc>,
}

/// Everything a cycle works with.
#[derive(Debug)]
pub struct Cycle {
    /// The market.
    pub symbol: Symbol,
    /// Language of the words in an abstention.
    pub language: Language,
    /// Local time.
    pub clock: Arc<dyn Clock>,
    /// Redis, on a connection of its own.
    pub store: Store,
    /// The analysis and its data.
    pub feed: Feed,
    /// Who advises.
    pub adviser: Adviser,
    /// The recommendation log.
    pub journal: Journal,
    /// Where conversations with the model are kept.
    pub archive: Archive,
    /// Where facts for the status go.
    pub board: Board,
    /// How long there has been no advice.
    pub silence: Silence,
    /// Longest time to wait for Redis before the cycle goes on without data.
    pub load_limit: Duration,
    /// Lines that are not in Redis yet.
    pub unsent: VecDeque<String>,
    /// The end of the log as it was before the start, until Redis has been compared with it; none where it is
    /// not compared.
    pub log_before: Option<Vec<String>>,
}

impl Cycle {
    /// Runs one cycle and writes its line: advice, or an abstention that says what was missing.
    ///
    /// A request to stop cuts off whatever is under way; the line is written all the same.
    ///
    /// # Errors
    /// [`CycleError`] when there is no line in the log.
    pub async fn run(&mut self, stop: &CancellationToken) -> Result<Recommendation, CycleError> {
        let prepared = tokio::select! {
            biased;
            () = stop.cancelled() => Err(CycleError::Stopped),
            prepared = self.prepare() => prepared,
        };
        let outcome = match prepared {
            Ok(prepared) => {
                let recommendation = self.advise(&prepared, stop).await;
                self.record(recommendation).await
            }
            Err(error) => self.record_abstention(&error).await,
        };
        self.board.count("cycles", 1);
        outcome
    }

    /// Load, analyse, keep.
    async fn prepare(&mut self) -> Result<Prepared, CycleError> {
        let now = self.load().await?;
        if self.log_before.is_some() {
            self.compare().await;
        }
        let started = Instant::now();
        let mut report = self.feed.report(now).await.map_err(CycleError::Analysis)?;
        report.data_honesty.notes.spoken(self.language);
        tracing::debug!(
            elapsed_ms = started.elapsed().as_millis(),
            snapshots = report.data_honesty.snapshots_used,
            minutes = report.data_honesty.minutes_used,
            "analysed"
        );
        self.keep(&report).await?;
        self.recall_spending(now).await;
        Ok(Prepared { report, now })
    }

    async fn advise(&mut self, prepared: &Prepared, stop: &CancellationToken) -> Recommendation {
        let situation = Situation {
            report: &prepared.report,
            tick: self.feed.tick(),
            book: self.feed.newest_book(),
            now: prepared.now,
        };
        let adviser = &mut self.adviser;
        let recommendation = adviser.advise(&situation, stop, rand::random::<f64>).await;
        self.board.trouble("model", self.adviser.trouble());
        self.board.trouble("cost", self.adviser.purse_trouble());
        self.keep_conversation();
        let stale = recommendation.abstain_reason == Some(AbstainReason::StaleData);
        let stale = stale.then(|| "the newest market data are too old".to_owned());
        self.board.trouble("data", stale);
        if let Some(reason) = recommendation.abstain_reason {
            self.note_silence(why(reason, &prepared.report.data_honesty));
        } else {
            self.silence.end(self.clock.now());
            self.note_silence(None);
        }
        recommendation
    }

    /// That there has been no advice for long is said once, and again when there is some. `why` is none where
    /// there was advice, and where another part says what is wrong.
    fn note_silence(&mut self, why: Option<String>) {
        let now = self.clock.now();
        let reason = why.and_then(|why| self.silence.trouble(&why, now));
        let words = reason.as_ref().map(|reason| reason.text(now));
        if self.board.reason("advice", reason)
            && let Some(words) = words
        {
            tracing::warn!("{words}");
        }
    }

    /// What Redis knows of today's cost. Where it cannot be had, the file and the log are what is known.
    async fn recall_spending(&mut self, now: DateTime<Utc>) {
        if !self.adviser.is_live() {
            return;
        }
        let read = self.store.model_spending().await;
        self.board.redis(RedisUse::Spending, read.as_ref().err());
        if let Ok(Some(other)) = read {
            self.adviser.absorb(other, now);
        }
    }

    /// Tells Redis what today cost.
    async fn keep_spending(&mut self) {
        if !self.adviser.is_live() {
            return;
        }
        let today = self.adviser.today(self.clock.now());
        let stored = self.store.put_model_spending(&today).await;
        self.board.redis(RedisUse::Spending, stored.as_ref().err());
    }

    /// Reads what is new, waiting for Redis as long as the limit allows. Answers the time of the data.
    async fn load(&mut self) -> Result<DateTime<Utc>, CycleError> {
        let deadline = Instant::now() + self.load_limit;
        let mut backoff = Backoff::new(REDIS_WAIT.0, REDIS_WAIT.1);
        let mut is_first = true;
        loop {
            let now = self.clock.now();
            let error = match self.feed.refresh(&mut self.store).await {
                Ok(rejected) => {
                    self.board.redis(RedisUse::Load, None);
                    self.board.count("unreadable_documents", rejected.unreadable);
                    self.board.count("foreign_minutes", rejected.foreign);
                    self.note_unreadable(rejected);
                    return Ok(now);
                }
                Err(error) => error,
            };
            // The connection may have broken long ago; only a new one tells how Redis is now.
            if std::mem::take(&mut is_first) && matches!(error, StoreError::Unreachable { .. }) {
                continue;
            }
            self.board.redis(RedisUse::Load, Some(&error));
            let wait = backoff.next_delay(rand::random());
            if !error.is_transient() || Instant::now() + wait > deadline {
                return Err(CycleError::Load(error));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// What stands in Redis and cannot be read is said once, and again when all can be read.
    fn note_unreadable(&self, rejected: Rejected) {
        let words = rejected.unknown().map(|note| note.to_string());
        if self.board.trouble("documents", words) {
            let (books, minutes) = (rejected.books, rejected.minutes);
            if books + minutes > 0 {
                tracing::warn!(
                    books,
                    minutes,
                    "documents in redis cannot be read: depth_snapshot_5000 or trades_window holds something else"
                );
            } else {
                tracing::info!("all documents in redis can be read");
            }
        }
    }

    /// Stores the analysis: without it there is no advice.
    async fn keep(&mut self, report: &MarketReport) -> Result<(), CycleError> {
        let stored = match json::to_string(report) {
            Ok(document) => {
                let stored = self.store.put_analysis(report.timestamp, &document).await;
                self.board.redis(RedisUse::Analysis, stored.as_ref().err());
                stored
            }
            Err(error) => Err(StoreError::Encode(error)),
        };
        let unstorable = match &stored {
            Err(error @ StoreError::Encode(_)) => Some(error),
            _ => None,
        };
        let words = unstorable.map(|error| format!("the analysis cannot be stored: {}", error_chain(error)));
        if self.board.trouble("analysis", words)
            && let Some(error) = unstorable
        {
            tracing::error!(error = error as &dyn Error, "the analysis cannot be stored");
        }
        stored.map_err(CycleError::Keep)?;
        self.board.analysed(report.timestamp);
        Ok(())
    }

    /// Archives the conversation; a failure is reported once and costs nothing else.
    fn keep_conversation(&mut self) {
        let Some(record) = self.adviser.take_record() else {
            return;
        };
        let kept = self.archive.append(&record);
        let trouble = kept
            .as_ref()
            .err()
            .map(|error| format!("archive: {}", error_chain(error)));
        if self.board.trouble("archive", trouble)
            && let Err(error) = &kept
        {
            let error = error as &dyn Error;
            tracing::warn!(error, "conversations with the model are not archived");
        }
    }

    /// A line for a cycle without data: Redis was away or had something else, or the analysis failed.
    async fn record_abstention(&mut self, cause: &CycleError) -> Result<Recommendation, CycleError> {
        let reason = AbstainReason::IncompleteData;
        let detail = error_chain(cause);
        // What Redis does not give or take is a reason of its own.
        let is_said = !matches!(cause, CycleError::Analysis(_));
        self.note_silence((!is_said).then(|| detail.clone()));
        let words = abstention_words(self.language, reason).to_owned();
        let now = self.clock.now();
        let line = Recommendation::abstention(now, self.symbol.clone(), reason, words);
        self.record(Recommendation {
            detail: Some(detail),
            model_today: self.adviser.is_live().then(|| self.adviser.today(now)),
            ..line
        })
        .await
    }

    /// Sends the line to Redis, for a limited time, and writes it to the log.
    ///
    /// In this order, so that who reads a line in the log finds it in Redis.
    async fn record(&mut self, recommendation: Recommendation) -> Result<Recommendation, CycleError> {
        self.board.outcome(&recommendation);
        let line = recommendation.to_line().map_err(CycleError::Encode)?;
        self.queue(line.clone());
        // Late: what is left is sent in a later cycle.
        let _in_time = tokio::time::timeout(RECORD_LIMIT, self.send()).await;
        let written = self.journal.append(line);
        let durable = self.journal.sync();
        self.note_journal(written.as_ref().err().or(durable.as_ref().err()));
        let _in_time = tokio::time::timeout(COST_LIMIT, self.keep_spending()).await;
        self.board.model(self.adviser.status(self.clock.now()));
        self.board.waiting(self.journal.pending(), self.unsent.len());
        written.map_err(CycleError::Journal)?;
        self.board.recommended(recommendation.timestamp);
        let cost = recommendation.model_usage.map(|usage| usage.cost_usd.normalize());
        tracing::info!(
            action = recommendation.action.as_str(),
            status = recommendation.status.as_str(),
            source = recommendation.source.as_str(),
            confidence = recommendation.confidence,
            fallback = recommendation.fallback_reason.as_deref(),
            abstain = recommendation.abstain_reason.map(AbstainReason::as_str),
            cost_usd = cost.map(|usd| usd.to_string()),
            "recommendation written"
        );
        Ok(recommendation)
    }

    /// Keeps a line for Redis; beyond the limit the oldest goes, which the list there would drop as well.
    fn queue(&mut self, line: String) {
        if self.unsent.len() == MAX_UNSENT {
            self.unsent.pop_front();
        }
        self.unsent.push_back(line);
    }

    /// Sends the lines Redis does not have yet, oldest first.
    async fn send(&mut self) {
        if self.log_before.is_some() {
            self.compare().await;
        }
        while let Some(line) = self.unsent.front() {
            let sent = self.store.push_recommendation(line).await;
            self.board.redis(RedisUse::Recommendation, sent.as_ref().err());
            if sent.is_err() {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// Once after a start: what a run before left in only one of log and Redis goes to the other.
    async fn compare(&mut self) {
        let stored = self.store.recommendations().await;
        self.board.redis(RedisUse::Recommendation, stored.as_ref().err());
        let Ok(mut stored) = stored else {
            return;
        };
        stored.reverse();
        let log = self.log_before.as_deref().unwrap_or_default();
        let mut missing = missing(log, &stored, &self.symbol);
        if !missing.in_log.is_empty() {
            // A program beside this one has a line in Redis a moment before it has it in the log.
            tokio::time::sleep(SETTLING).await;
            missing.leave_out(&self.journal.tail());
        }
        self.log_before = None;
        if missing != Missing::default() {
            tracing::info!(
                in_log = missing.in_log.len(),
                in_redis = missing.in_redis.len(),
                "recommendations of an earlier run were in one place only and are added"
            );
        }
        for line in missing.in_redis.into_iter().rev() {
            if self.unsent.len() < MAX_UNSENT {
                self.unsent.push_front(line);
            }
        }
        for line in missing.in_log {
            let written = self.journal.append(line);
            self.note_journal(written.as_ref().err());
        }
    }

    fn note_journal(&self, error: Option<&JournalError>) {
        let words = error.map(|error| format!("the recommendation log {}", error_chain(error)));
        if self.board.trouble("journal", words) {
            if let Some(error) = error {
                let error = error as &dyn Error;
                tracing::error!(error, "the recommendation log cannot be written; lines are kept");
            } else {
                tracing::info!("the recommendation log is written again");
            }
        }
        let lost = self.journal.given_up();
        let words = (lost > 0).then(|| format!("{lost} lines never reached the recommendation log"));
        if self.board.trouble("journal_lost", words) {
            tracing::error!(
                "more lines wait for the recommendation log than are kept; the oldest are given up"
            );
        }
    }

    /// Another analyzer has written until now: what it left is looked at as after a start.
    pub fn take_over(&mut self) {
        let (log, now) = (self.journal.tail(), self.clock.now());
        self.silence.end(now);
        for today in log.iter().filter_map(|line| day_spending(line)) {
            self.adviser.absorb(today, now);
        }
        self.log_before = Some(log);
    }

    /// Tries again to write lines the log refused; called between cycles.
    pub fn retry_journal(&mut self) {
        let outcome = self.journal.flush().and_then(|()| self.journal.sync());
        self.note_journal(outcome.as_ref().err());
    }

    /// The last try for what is not written yet, and a word about what stays unwritten.
    pub async fn close(&mut self) {
        self.retry_journal();
        if !self.unsent.is_empty() {
            let _in_time = tokio::time::timeout(CLOSE_LIMIT, self.send()).await;
        }
        let (lines, unsent) = (self.journal.pending(), self.unsent.len());
        if lines > 0 || self.journal.given_up() > 0 {
            tracing::error!(
                lines,
                given_up = self.journal.given_up(),
                path = %self.journal.path().display(),
                "lines are not in the recommendation log; those that reached redis are added at the next start"
            );
        }
        if unsent > 0 {
            tracing::warn!(
                lines = unsent,
                "recommendations are not in redis; those in the log are added at the next start"
            );
        }
    }
}

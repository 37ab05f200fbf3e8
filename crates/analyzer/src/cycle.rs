//! One cycle: load, analyse, keep, advise, record.
//!
//! `lib` runs it when it is due. What must stay true: one line per cycle, always, also when Redis is away;
//! no model call on data that do not allow advice; line, list in Redis and analysis agree; recording is
//! not cut off by a request to stop, everything before it is.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use strategy_core::backoff::Backoff;
use strategy_core::config::Language;
use strategy_core::json;
use strategy_core::lifecycle::notify_progress;
use strategy_core::model::advice::AbstainReason;
use strategy_core::model::report::MarketReport;
use strategy_core::store::{Store, StoreError};
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adviser::{Adviser, abstention_words};
use crate::archive::Archive;
use crate::feed::Feed;
use crate::journal::{Journal, JournalError};
use crate::recommendation::Recommendation;
use crate::status::{Board, RedisUse};

/// First and longest wait before Redis is asked again.
const REDIS_WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Longest time for what is written to Redis in one cycle: a request to stop must not wait for more.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// Most lines kept for Redis while it is away: as many as its list holds.
const MAX_UNSENT: usize = 1440;

/// Why a cycle ended without a line.
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

impl CycleError {
    /// True when the failure is about what is in Redis, and not about reaching it: the line says so.
    fn is_of_the_data(&self) -> bool {
        matches!(self, Self::Load(StoreError::WrongType { .. }) | Self::Keep(_))
    }
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
    /// Longest time to wait for Redis before the cycle goes on without data.
    pub load_limit: Duration,
    /// Lines that are in the log and not in Redis yet.
    pub unsent: VecDeque<String>,
}

impl Cycle {
    /// Runs one cycle and writes its line.
    ///
    /// # Errors
    /// [`CycleError`] when there is no line in the log.
    pub async fn run(&mut self, stop: &CancellationToken) -> Result<Recommendation, CycleError> {
        let outcome = self.run_to_advice(stop).await;
        let outcome = match outcome {
            Ok(recommendation) => self.record(recommendation).await,
            Err(error) if error.is_of_the_data() => self.record_abstention(&error).await,
            Err(error) => Err(error),
        };
        self.board.count("cycles", 1);
        notify_progress();
        outcome
    }

    async fn run_to_advice(&mut self, stop: &CancellationToken) -> Result<Recommendation, CycleError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(CycleError::Stopped),
            outcome = self.advise() => outcome,
        }
    }

    /// Load, analyse, keep, advise.
    async fn advise(&mut self) -> Result<Recommendation, CycleError> {
        let now = self.load().await?;
        let started = Instant::now();
        let report = self.feed.report(now).await.map_err(CycleError::Analysis)?;
        tracing::debug!(
            elapsed_ms = started.elapsed().as_millis(),
            snapshots = report.data_honesty.snapshots_used,
            minutes = report.data_honesty.minutes_used,
            "analysed"
        );
        self.keep(&report).await?;
        let tick = self.feed.tick();
        let adviser = &mut self.adviser;
        let recommendation = adviser.advise(&report, tick, now, rand::random::<f64>).await;
        self.board.trouble("model", self.adviser.trouble());
        self.keep_conversation();
        let stale = recommendation.abstain_reason == Some(AbstainReason::StaleData);
        let stale = stale.then(|| "the newest market data are too old".to_owned());
        self.board.trouble("data", stale);
        Ok(recommendation)
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
        let trouble = kept.as_ref().err().map(|error| format!("archive: {error}"));
        if self.board.trouble("archive", trouble)
            && let Err(error) = &kept
        {
            let error = error as &dyn Error;
            tracing::warn!(error, "conversations with the model are not archived");
        }
    }

    /// A line for a cycle without data: Redis was away or had something else, or the analysis failed.
    pub async fn record_abstention(&mut self, cause: &CycleError) -> Result<Recommendation, CycleError> {
        let reason = AbstainReason::IncompleteData;
        let detail = error_chain(cause);
        let words = format!("{} ({detail})", abstention_words(self.language, reason));
        let line = Recommendation::abstention(self.clock.now(), self.symbol.clone(), reason, words);
        let detail = Some(detail);
        self.record(Recommendation { detail, ..line }).await
    }

    /// Writes the line to the log, then to Redis.
    async fn record(&mut self, recommendation: Recommendation) -> Result<Recommendation, CycleError> {
        let line = recommendation.to_line().map_err(CycleError::Encode)?;
        let written = self.journal.append(line.clone());
        self.note_journal(written.as_ref().err());
        if self.unsent.len() == MAX_UNSENT {
            self.unsent.pop_front();
        }
        self.unsent.push_back(line);
        // Late: the lines are sent in a later cycle.
        let _in_time = tokio::time::timeout(RECORD_LIMIT, self.send()).await;
        written.map_err(CycleError::Journal)?;
        self.board.recommended(recommendation.timestamp);
        tracing::info!(
            action = ?recommendation.action,
            status = ?recommendation.status,
            source = ?recommendation.source,
            confidence = recommendation.confidence,
            fallback = recommendation.fallback_reason.as_deref(),
            abstain = recommendation.abstain_reason.map(AbstainReason::as_str),
            "recommendation written"
        );
        Ok(recommendation)
    }

    /// Sends the lines Redis does not have yet, oldest first.
    async fn send(&mut self) {
        while let Some(line) = self.unsent.front() {
            let sent = self.store.push_recommendation(line).await;
            self.board.redis(RedisUse::Recommendation, sent.as_ref().err());
            if sent.is_err() {
                return;
            }
            self.unsent.pop_front();
        }
    }

    fn note_journal(&self, error: Option<&JournalError>) {
        if self.board.trouble("journal", error.map(ToString::to_string)) {
            if let Some(error) = error {
                let error = error as &dyn Error;
                tracing::error!(error, "the recommendation log cannot be written; lines are kept");
            } else {
                tracing::info!("the recommendation log is written again");
            }
        }
    }

    /// Tries again to write lines the log refused; called between cycles.
    pub fn retry_journal(&mut self) {
        if self.journal.pending() > 0 {
            let outcome = self.journal.flush();
            self.note_journal(outcome.as_ref().err());
        }
    }
}

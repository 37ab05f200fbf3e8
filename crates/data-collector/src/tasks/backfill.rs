//! Fills the window from the exchange's history, newest minutes first.

use std::sync::Arc;
use std::time::Duration;

use strategy_core::backoff::Backoff;
use strategy_core::telemetry::{PROGRESS, error_chain};
use strategy_core::time::{ExchangeMs, Minute};
use tokio::time::timeout;

use crate::backfill::{CHUNK_MINUTES, Chunk, ChunkReader, Lacking, Progress};
use crate::binance::budget::Urgency;
use crate::binance::error::{ParseError, RestError};
use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::postponed::Postponed;
use crate::progress::{Cost, FillProgress, Step};
use crate::recorder::{Reach, doubt_future};
use crate::shared::Shared;
use crate::signs::Task;

/// First and longest wait after a failed request.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Failed attempts after which the status says that minutes stay incomplete.
const ATTEMPTS_BEFORE_DEGRADED: u32 = 4;

/// How often the window is looked at while nothing is missing, and before it is known.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(50));

/// How often progress is logged.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// Contradictory or unusable answers to a chunk, after which its minutes are asked for one by one, and answers
/// to one minute, after which it is put off.
const USELESS_ANSWERS: u32 = 3;

/// Chunks with more trades than this are followed by shorter ones.
const MANY_TRADES: u64 = 20_000;

/// Runs until the program stops.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let mut task = BackfillTask {
        length: CHUNK_MINUTES.0,
        postponed: Postponed::default(),
        useless_answers: 0,
        begun: None,
        progress: FillProgress::default(),
        logged: None,
        shared,
    };
    let stop = task.shared.stop.clone();
    stop.run_until_cancelled(task.work()).await;
    Ok(())
}

struct BackfillTask {
    shared: Arc<Shared>,
    length: i64,
    postponed: Postponed,
    /// Useless answers one after the other.
    useless_answers: u32,
    /// First minute that was not history when the program began.
    begun: Option<Minute>,
    progress: FillProgress,
    logged: Option<Uptime>,
}

impl BackfillTask {
    /// # Cancel safety
    /// A chunk that is not whole is dropped and asked for again at the next start.
    async fn work(&mut self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            // Read before the newest trade is looked up: what is found after that one is noticed.
            let invalidations = self.shared.outbox.invalidations();
            let Some((chunk, head)) = self.due() else {
                let known = self.shared.reach().is_some();
                let look_again = if known { LOOK_EVERY.0 } else { LOOK_EVERY.1 };
                self.shared.signs.sign(Task::History, look_again);
                // Sooner when there is room again: then the next chunk may be due.
                drop(timeout(look_again, self.shared.outbox.drained()).await);
                continue;
            };
            match self.fill(chunk, head, invalidations).await {
                Ok(()) => {
                    self.shared.signs.sign(Task::History, Duration::ZERO);
                    backoff.reset();
                    self.useless_answers = 0;
                }
                Err(error) => {
                    let wait = backoff.next_delay(rand::random());
                    self.shared.signs.sign(Task::History, wait);
                    self.on_failure(chunk, &error, backoff.attempts());
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        "history does not come"
                    );
                    tokio::time::sleep(wait).await;
                    continue;
                }
            }
            match self.postponed.len() {
                0 => drop(self.shared.health.recover(Part::History)),
                count => drop(self.shared.health.degrade(
                    Part::History,
                    format!("history: the exchange does not show the trades of {count} minutes as a whole; they are asked for again later"),
                )),
            }
        }
    }

    fn on_failure(&mut self, chunk: Chunk, error: &RestError, attempts: u32) {
        if attempts >= ATTEMPTS_BEFORE_DEGRADED {
            let why = error_chain(error);
            self.shared
                .health
                .degrade(Part::History, format!("history: {why}"));
        }
        if !error.is_about_data() {
            return;
        }
        self.useless_answers += 1;
        if self.useless_answers < USELESS_ANSWERS {
            return;
        }
        self.useless_answers = 0;
        self.length = 1;
        if chunk.first == chunk.last {
            self.put_off(chunk.first, &error.to_string());
        }
    }

    fn put_off(&mut self, minute: Minute, reason: &str) {
        tracing::warn!(%minute, reason, "a minute cannot be read as a whole: asked for again later");
        self.postponed.put_off(minute, self.shared.uptime());
    }

    /// The next chunk and the newest trade, if anything is missing and there is room for it.
    fn due(&mut self) -> Option<(Chunk, (u64, ExchangeMs))> {
        let Reach {
            history_until, head, ..
        } = self.shared.reach()?;
        let window = self.shared.window.borrow().clone()?;
        if history_until == Minute::EPOCH {
            // Recording has begun without the exchange's answer where, and no trade has come.
            return None;
        }
        // What became incomplete since the start is healed however far back a start fills the window.
        let begun = *self.begun.get_or_insert(history_until);
        let settings = &self.shared.settings;
        let window_minutes = i64::try_from(settings.window_minutes).unwrap_or(i64::MAX);
        let reach = i64::from(settings.backfill_minutes).min(window_minutes);
        // The newest element may be younger than `history_until` by some minutes; the window must not overflow.
        let newest = window.newest().unwrap_or(history_until).max(history_until);
        let horizon = newest
            .offset(1 - reach)
            .min(begun)
            .max(newest.offset(1 - window_minutes));
        let files = self.shared.incomplete_files().clone();
        let lacking = Lacking {
            window: &window,
            files: &files,
            horizon,
            until: history_until,
            size: settings.window_minutes,
        };
        self.postponed.forget(|minute| !lacking.lacks(minute));
        let uptime = self.shared.uptime();
        let is_due = |minute: Minute| !self.postponed.is_put_off(minute, uptime);
        let outbox = &self.shared.outbox;
        let chunk = lacking.next_chunk(self.length, |minute| is_due(minute) && !outbox.has_whole(minute));
        let missing = lacking.in_window(is_due);
        // While redis is away minutes wait that need not be filled from the history.
        if missing == 0 || chunk.is_some() {
            self.report(missing);
        }
        if self.shared.outbox.is_crowded() {
            return None;
        }
        Some((chunk?, head?))
    }

    async fn fill(
        &mut self,
        chunk: Chunk,
        head: (u64, ExchangeMs),
        invalidations: u64,
    ) -> Result<(), RestError> {
        let rest = &self.shared.rest;
        let first = rest
            .first_trade_since(chunk.first.start_ms(), Urgency::History)
            .await?;
        self.shared.signs.sign(Task::History, Duration::ZERO);
        let width = self.shared.settings.bucket_width;
        let Some((mut reader, mut progress)) = ChunkReader::begin(chunk, first, head, width) else {
            return Err(RestError::Contradiction { id: head.0 });
        };
        while let Progress::Ask { from } = progress {
            let mut rows = rest.trades_from(from, Urgency::History).await?;
            self.shared.signs.sign(Task::History, Duration::ZERO);
            if rows.is_empty() {
                return Err(RestError::Contradiction { id: head.0 });
            }
            doubt_future(&mut rows, head.1);
            progress = reader.on_page(&rows).map_err(|source| RestError::Unusable {
                path: "/api/v3/aggTrades",
                source: ParseError::Amount {
                    field: "quantity",
                    source,
                },
            })?;
        }
        self.length = if reader.trades() > MANY_TRADES {
            self.length / 2
        } else {
            self.length * 2
        }
        .clamp(1, CHUNK_MINUTES.1);
        let levels = self.shared.settings.max_levels;
        let mut read = Vec::new();
        for mut footprint in reader.into_minutes() {
            if footprint.limit_levels(levels).is_err() {
                tracing::warn!(minute = %footprint.minute, "the levels of a minute could not be limited");
            }
            if !footprint.complete {
                self.put_off(footprint.minute, "the exchange shows a row that is no trade");
            }
            read.push(footprint);
        }
        if !self.shared.outbox.put_history(read.into_iter(), invalidations) {
            tracing::debug!("a trade of an earlier minute came while history was read: reading it again");
        }
        Ok(())
    }

    fn report(&mut self, missing: u64) {
        let uptime = self.shared.uptime();
        let (spent, per_minute) = self.shared.rest.transport().history();
        let cost = Cost { spent, per_minute };
        let step = self.progress.note(missing, cost, uptime);
        let backfill = self.progress.backfill(cost, uptime);
        match step {
            Step::Idle => {}
            Step::Filled => {
                tracing::info!(target: PROGRESS, "");
                let minutes = backfill.total_minutes;
                match self.postponed.len() {
                    0 => tracing::info!(minutes, "the window is whole"),
                    put_off => tracing::info!(
                        minutes,
                        put_off,
                        "the window is as whole as the exchange's history"
                    ),
                }
            }
            Step::Filling => {
                tracing::info!(target: PROGRESS, "{}", self.progress.bar(cost, uptime));
                if self.logged.is_none_or(|logged| uptime >= logged + LOG_EVERY) {
                    self.logged = Some(uptime);
                    tracing::info!(
                        done_minutes = backfill.done_minutes,
                        total_minutes = backfill.total_minutes,
                        seconds_left = backfill.seconds_left,
                        "filling the window from the exchange's history"
                    );
                }
            }
        }
        self.shared.health.update(|state| state.backfill = backfill);
    }
}

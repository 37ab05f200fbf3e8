//! The trade stream: moves frames into the recorder, its questions to REST, and its effects to the outbox.
//!
//! It has a thread of its own. No book, page or document makes a frame wait, and a frame that comes wakes nobody else.

use std::future::pending;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use strategy_core::telemetry::error_chain;
use strategy_core::time::Minute;
use tokio::runtime::{Builder, Handle};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::aside::joined;
use crate::batch::take_some;
use crate::binance::error::{RestError, SocketError};
use crate::binance::parse::{StreamEvent, TradeRow, parse_frame};
use crate::binance::socket::{Frame, Socket};
use crate::clock::Uptime;
use crate::error::CollectorError;
use crate::health::Part;
use crate::recorder::{Anchor, Effect, Question, Recorder};
use crate::session::{Session, SessionAction, Slot};
use crate::shared::Shared;
use crate::signs::{BEGINNING, Task};
use crate::tasks::anchor::{ResumePoint, find_anchor, resume_point};
use crate::tasks::questions::{Answer, ask};
use crate::tasks::rejects::RejectLog;

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Most frames read before anything else gets its turn.
const FRAMES_AT_ONCE: usize = 256;

/// First and longest wait before the beginning is asked for again.
const ANCHOR_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Failed questions where to begin, after which the stream is recorded without an answer.
const ATTEMPTS_BEFORE_STREAM_ALONE: u32 = 2;

/// How long the stream may be down before the status says so.
const DEGRADED_AFTER: Duration = Duration::from_secs(10);

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What may be under way.
type Pending<T> = Option<Running<T>>;

/// Runs until the program stops; then what is unfinished goes to the outbox as incomplete. Blocks its thread.
/// What REST is asked runs on `others`.
pub(crate) fn run(shared: Arc<Shared>, others: Handle) -> Result<(), CollectorError> {
    let done = shared.intake_done.clone().drop_guard();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CollectorError::Thread)?;
    runtime.block_on(async {
        if let Some(window) = shared.loaded_window().await {
            let mut task = TradeTask::new(shared, others, resume_point(&window));
            task.work().await;
            task.finish();
        }
    });
    // Without waiting for a look-up of the exchange's name that nobody needs any more.
    runtime.shutdown_background();
    drop(done);
    Ok(())
}

struct TradeTask {
    shared: Arc<Shared>,
    /// Where everything but the stream runs.
    others: Handle,
    resume: Option<ResumePoint>,
    session: Session,
    recorder: Option<Recorder>,
    active: Option<Socket>,
    successor: Option<Socket>,
    opening: Pending<Result<Socket, SocketError>>,
    asking: Pending<(Question, Result<Answer, RestError>)>,
    anchoring: Pending<Result<Anchor, RestError>>,
    anchor_due: Uptime,
    anchor_retry: strategy_core::backoff::Backoff,
    effects: Vec<Effect>,
    rejects: RejectLog,
    down_since: Option<Uptime>,
    /// Why the stream could not be opened the last time.
    not_opened: Option<String>,
    /// Minutes that were published when the last sign of life was given.
    published: u64,
}

impl TradeTask {
    fn new(shared: Arc<Shared>, others: Handle, resume: Option<ResumePoint>) -> Self {
        let down_since = Some(shared.uptime());
        Self {
            shared,
            others,
            resume,
            session: Session::new(),
            recorder: None,
            active: None,
            successor: None,
            opening: None,
            asking: None,
            anchoring: None,
            anchor_due: Uptime::ZERO,
            anchor_retry: strategy_core::backoff::Backoff::new(ANCHOR_RETRY.0, ANCHOR_RETRY.1),
            effects: Vec::new(),
            rejects: RejectLog::default(),
            down_since,
            not_opened: None,
            published: 0,
        }
    }

    async fn work(&mut self) {
        let stop = self.shared.stop.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_what_is_due();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = tick.tick() => self.on_tick(),
                outcome = finished(&mut self.opening) => self.on_opened(outcome),
                outcome = finished(&mut self.anchoring) => self.on_anchor(outcome),
                (question, outcome) = finished(&mut self.asking) => self.on_answer(question, outcome),
                frame = next_frame(&mut self.active) => self.on_frames(Slot::Active, frame),
                frame = next_frame(&mut self.successor) => self.on_frames(Slot::Successor, frame),
            }
            self.carry_out();
        }
    }

    fn start_what_is_due(&mut self) {
        let uptime = self.shared.uptime();
        let banned = self.shared.rest.transport().banned_for();
        if !banned.is_zero() {
            self.session.hold_until(uptime + banned);
        }
        while let Some(action) = self.session.next_action(uptime, rand::random()) {
            match action {
                SessionAction::Open => {
                    let url = self.shared.settings.stream_url.clone();
                    self.opening = Some(Box::pin(async move { Socket::open(&url).await }));
                }
                SessionAction::Drop(slot, reason) => {
                    tracing::warn!(reason, "trade stream given up");
                    self.close(slot);
                }
                SessionAction::Promote => {
                    tracing::info!("trade stream renewed");
                    self.active = self.successor.take();
                }
            }
        }
        let rebase = self.recorder.as_ref().is_none_or(Recorder::wants_rebase);
        if rebase && self.anchoring.is_none() && uptime >= self.anchor_due {
            let (shared, resume) = (Arc::clone(&self.shared), self.resume);
            self.anchoring = Some(self.elsewhere(async move { find_anchor(&shared.rest, resume).await }));
        }
        if let Some(recorder) = self.recorder.as_ref().filter(|_| self.asking.is_none())
            && let Some(question) = recorder.question(uptime)
        {
            let shared = Arc::clone(&self.shared);
            self.asking = Some(self.elsewhere(async move { (question, ask(&shared, question).await) }));
        }
    }

    /// Work that runs where everything else does. It ends when it is not waited for any more.
    fn elsewhere<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let running = AbortOnDropHandle::new(self.others.spawn(work));
        Box::pin(joined(running))
    }

    fn on_opened(&mut self, outcome: Result<Socket, SocketError>) {
        let uptime = self.shared.uptime();
        match outcome {
            Ok(socket) => {
                let slot = self.session.on_opened(uptime, rand::random());
                *self.socket_in(slot) = Some(socket);
                self.not_opened = None;
                self.shared.health.count("stream_connections");
                tracing::info!(ws.attempt = self.session.failures() + 1, "trade stream connected");
                self.note_connection();
            }
            Err(error) => {
                self.session.on_open_failed(uptime, rand::random());
                self.not_opened = Some(error_chain(&error));
                if let Some((status, retry_after)) = error.refusal() {
                    self.session.on_refused(status, retry_after.wait(), uptime);
                    self.shared.rest.transport().on_stream_refused(&error);
                }
                let delay = self.session.retry_at().saturating_sub(uptime);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "trade stream could not be opened"
                );
            }
        }
    }

    fn on_anchor(&mut self, outcome: Result<Anchor, RestError>) {
        let uptime = self.shared.uptime();
        let anchor = match outcome {
            Ok(anchor) => anchor,
            Err(error) => {
                self.anchor_due = uptime + self.anchor_retry.next_delay(rand::random());
                if self.shared.health.degrade(
                    Part::Trades,
                    format!("trades: where to begin is unknown: {}", error_chain(&error)),
                ) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "where to begin could not be asked"
                    );
                }
                self.begin_without_rest(uptime);
                // Where the exchange has not been heard yet no minute can be published.
                if self
                    .recorder
                    .as_ref()
                    .is_none_or(|recorder| recorder.now(uptime).is_none())
                {
                    let wait = self.anchor_due.saturating_sub(uptime);
                    self.shared.signs.sign(Task::Trades, wait + BEGINNING);
                }
                return;
            }
        };
        // A chain that begins again and again must not spend the whole account on it.
        self.anchor_due = uptime + self.anchor_retry.next_delay(rand::random());
        self.resume = None;
        let settings = &self.shared.settings;
        tracing::info!(minute = %anchor.first, trade.id = anchor.next_id, "recording trades begins");
        match &mut self.recorder {
            Some(recorder) => {
                let unfinished = recorder.rebase(anchor, settings.bucket_width, settings.max_levels, uptime);
                self.effects.extend(unfinished);
            }
            empty => {
                let connected = self.session.is_connected();
                let (width, levels) = (settings.bucket_width, settings.max_levels);
                *empty = Some(Recorder::new(anchor, width, levels, uptime, connected));
            }
        }
        self.asking = None;
    }

    /// REST does not answer: the stream alone gives whole minutes from the second one on.
    fn begin_without_rest(&mut self, uptime: Uptime) {
        if self.recorder.is_none() && self.anchor_retry.attempts() >= ATTEMPTS_BEFORE_STREAM_ALONE {
            tracing::warn!("recording begins with the stream alone, what was before it is asked for later");
            let (settings, connected) = (&self.shared.settings, self.session.is_connected());
            let (width, levels) = (settings.bucket_width, settings.max_levels);
            self.recorder = Some(Recorder::unanchored(width, levels, uptime, connected));
        }
    }

    fn on_answer(&mut self, question: Question, outcome: Result<Answer, RestError>) {
        let uptime = self.shared.uptime();
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        match (question, outcome) {
            (Question::Page { from, settled }, Ok(Answer::Page(rows))) => {
                recorder.on_page(from, settled, rows, uptime, &mut self.effects);
            }
            (_, Ok(Answer::Newest(time, newest))) => {
                let newest = newest.map(|row| match row {
                    TradeRow::Trade(trade) => (trade.id, trade.traded_at),
                    TradeRow::Dead { id } | TradeRow::Unreadable { id } => (id, time),
                });
                recorder.on_newest(time, newest, uptime, &mut self.effects);
            }
            (question, Ok(Answer::Page(_))) => recorder.on_no_answer(question, uptime),
            (question, Err(error)) => {
                recorder.on_no_answer(question, uptime);
                let why = error_chain(&error);
                if self.shared.health.degrade(Part::Rest, format!("rest: {why}")) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "rest does not answer");
                }
                return;
            }
        }
        if self.shared.health.recover(Part::Rest) {
            tracing::info!("rest answers again");
        }
    }

    /// Handles one frame, and those that are there already.
    fn on_frames(&mut self, slot: Slot, first: Result<Frame, SocketError>) {
        let uptime = self.shared.uptime();
        self.session.on_frame(slot, uptime);
        let mut texts = 0;
        take_some(
            self,
            FRAMES_AT_ONCE,
            first,
            |task| next_frame(task.socket_in(slot)).now_or_never(),
            |task, frame| {
                match frame {
                    Ok(Frame::Text(text)) => {
                        texts += 1;
                        task.on_text(slot, text.as_str(), uptime);
                    }
                    Ok(Frame::Control) => {}
                    Ok(Frame::Binary) => task.rejects.note(&task.shared, &"a binary frame", uptime),
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "trade stream ended");
                        task.session.on_closed(slot, uptime, rand::random());
                        task.close(slot);
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            },
        );
        if texts > 0 {
            self.shared.health.frames_came(texts);
        }
    }

    fn on_text(&mut self, slot: Slot, text: &str, uptime: Uptime) {
        match parse_frame(text, &self.shared.settings.symbol) {
            Ok(StreamEvent::Row { row, sent_at }) => {
                self.session.on_row(slot, row.id());
                if let Some(recorder) = &mut self.recorder {
                    recorder.on_row(row, sent_at, uptime, &mut self.effects);
                }
            }
            Ok(StreamEvent::ServerShutdown) => {
                tracing::info!("the exchange will close the trade stream: opening its successor");
                self.session.on_shutdown_notice(slot, uptime);
            }
            Ok(StreamEvent::Acknowledgement) => {}
            Err(error) => self.rejects.note(&self.shared, &error, uptime),
        }
    }

    fn on_tick(&mut self) {
        let uptime = self.shared.uptime();
        let mute = self.recorder.as_mut().is_some_and(|recorder| {
            recorder.on_tick(uptime, &mut self.effects);
            recorder.stream_is_mute(uptime)
        });
        if mute {
            tracing::warn!("the trade stream is open but lacks trades that rest has: opening another");
            self.shared.health.count("mute_streams");
            self.session.on_closed(Slot::Active, uptime, rand::random());
            self.close(Slot::Active);
        }
        self.report(uptime);
    }

    fn report(&mut self, uptime: Uptime) {
        let connected = self.session.is_connected();
        let health = &self.shared.health;
        match self.down_since {
            Some(since) if !connected && uptime > since + DEGRADED_AFTER => {
                let seconds = uptime.saturating_sub(since).as_secs();
                let why = self.session.refusal().or(self.not_opened.as_deref());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                health.degrade(Part::Stream, format!("no trade stream for {seconds} s{why}"));
            }
            _ if connected => drop(health.recover(Part::Stream)),
            _ => {}
        }
        health.update(|state| state.websocket_connected = connected);
        let Some(recorder) = &self.recorder else { return };
        self.shared.set_reach(recorder.reach(uptime));
        if recorder.has_gap() {
            health.degrade(Part::Trades, "trades: a gap is being repaired".to_owned());
        } else {
            health.recover(Part::Trades);
        }
        let (counts, last_id) = (recorder.counts(), recorder.last_id());
        let published = counts.minutes_complete + counts.minutes_incomplete;
        if std::mem::replace(&mut self.published, published) != published {
            self.shared.signs.sign(Task::Trades, Duration::ZERO);
        }
        health.update(|state| {
            state.recorder = counts;
            state.last_trade_id = last_id.or(state.last_trade_id);
        });
    }

    fn socket_in(&mut self, slot: Slot) -> &mut Option<Socket> {
        match slot {
            Slot::Active => &mut self.active,
            Slot::Successor => &mut self.successor,
        }
    }

    fn close(&mut self, slot: Slot) {
        *self.socket_in(slot) = None;
        self.note_connection();
    }

    fn note_connection(&mut self) {
        let uptime = self.shared.uptime();
        let connected = self.session.is_connected();
        self.down_since = if connected {
            None
        } else {
            self.down_since.or(Some(uptime))
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.on_connection(connected, uptime);
        }
    }

    fn carry_out(&mut self) {
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !self.effects.is_empty()) {
            // First: whoever sees an effect must see the trade that brought it.
            self.shared.set_reach(recorder.reach(self.shared.uptime()));
        }
        let mut let_go: Option<(Minute, u64)> = None;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Publish(footprint) => {
                    if let Some(gone) = self.shared.outbox.put(footprint) {
                        self.shared.health.count("minutes_let_go");
                        let (oldest, minutes) = let_go.unwrap_or((gone, 0));
                        let_go = Some((oldest.min(gone), minutes + 1));
                    }
                }
                Effect::Invalidate(minute) => self.shared.outbox.invalidate(minute),
            }
        }
        if let Some((oldest, minutes)) = let_go {
            tracing::warn!(minutes, %oldest, "too many minutes wait for redis: these are asked for again later");
        }
    }

    fn finish(&mut self) {
        if let Some(recorder) = &self.recorder {
            self.effects.extend(recorder.finish());
        }
        self.carry_out();
        self.shared
            .health
            .update(|state| state.websocket_connected = false);
    }
}

/// The output of a future that may not be there; then it never comes.
async fn finished<T>(future: &mut Pending<T>) -> T {
    match future {
        Some(running) => {
            let output = running.await;
            *future = None;
            output
        }
        None => pending().await,
    }
}

async fn next_frame(socket: &mut Option<Socket>) -> Result<Frame, SocketError> {
    match socket {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

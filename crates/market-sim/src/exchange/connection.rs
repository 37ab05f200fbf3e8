//! One stream connection: rows out, pings out, commands in, until something ends it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Shared;
use super::commands::Subscriptions;
use super::cursor::Cursor;
use crate::faults::{AnswerFate, RowFate, StreamMode, WsCommand};
use crate::trade::{SimTrade, TimeUnit};

/// A client that takes nothing for so long is dropped, wall time.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the client has to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ends.
enum End {
    /// Send this close frame.
    Close(u16, String),
    /// The transport is gone, or is to vanish without a word.
    Gone,
    /// Reset the transport.
    Reset,
    /// Leave half a frame behind.
    HalfFrame,
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Gone
    }
}

/// One open connection.
pub(super) struct Connection {
    socket: WebSocketStream<TcpStream>,
    shared: Arc<Shared>,
    subscriptions: Subscriptions,
    unit: TimeUnit,
    commands: broadcast::Receiver<WsCommand>,
    trade_stream: String,
    cursor: Option<Cursor>,
    /// A row that waits for its successor to go first.
    held: Option<SimTrade>,
    /// Answers that wait for rows to go first.
    late_answers: Vec<String>,
    /// Times of the client's messages within the last second.
    recent: VecDeque<Instant>,
    /// When the oldest ping without a pong was sent.
    unanswered: Option<Instant>,
}

impl Connection {
    pub(super) fn new(
        socket: WebSocketStream<TcpStream>,
        shared: Arc<Shared>,
        subscriptions: Subscriptions,
        unit: TimeUnit,
        commands: broadcast::Receiver<WsCommand>,
    ) -> Self {
        let trade_stream = format!("{}@aggTrade", shared.market.symbol().lower());
        let mut connection = Self {
            socket,
            shared,
            subscriptions,
            unit,
            commands,
            trade_stream,
            cursor: None,
            held: None,
            late_answers: Vec::new(),
            recent: VecDeque::new(),
            unanswered: None,
        };
        connection.follow_subscriptions();
        connection
    }

    /// Serves the client until one side ends it.
    pub(super) async fn run(mut self) {
        let end = if self.shared.faults.take_close_on_accept() {
            End::Close(1000, String::new())
        } else {
            self.serve().await
        };
        match end {
            End::Gone => {}
            End::Close(code, reason) => self.close(code, reason).await,
            End::Reset => {
                if let Err(error) = self.socket.get_ref().set_zero_linger() {
                    tracing::debug!(%error, "cannot reset the connection");
                }
            }
            End::HalfFrame => self.leave_half_a_frame().await,
        }
    }

    async fn serve(&mut self) -> End {
        let config = &self.shared.config;
        let lifetime = tokio::time::sleep(config.connection_lifetime);
        let pong_timeout = config.pong_timeout;
        tokio::pin!(lifetime);
        let mut pings = tokio::time::interval_at(Instant::now() + config.ping_interval, config.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self
                .cursor
                .as_ref()
                .map(|cursor| cursor.due(&*self.shared.market));
            let clock = self.shared.clock.clone();
            let listening = self.shared.faults.mode() != StreamMode::BlackHole;
            let pong_due = self
                .unanswered
                .filter(|_| listening)
                .map(|sent| sent + pong_timeout);
            let outcome = tokio::select! {
                command = self.commands.recv() => self.obey(command).await,
                () = &mut lifetime => Err(End::Close(1001, "24h".to_owned())),
                () = at(pong_due) => Err(End::Close(1008, "Pong timeout".to_owned())),
                _tick = pings.tick() => self.ping().await,
                message = self.socket.next(), if listening => self.receive(message).await,
                () = clock.wait_until(due.unwrap_or(i64::MAX)), if due.is_some() => self.publish().await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Starts or ends the delivery of trades as the subscriptions say.
    fn follow_subscriptions(&mut self) {
        match (self.subscriptions.contains(&self.trade_stream), &self.cursor) {
            (true, None) => {
                let now = self.shared.clock.now_ms();
                self.cursor = Some(Cursor::after(&*self.shared.market, now));
            }
            (false, Some(_)) => self.cursor = None,
            _ => {}
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.shared.faults.mode() == StreamMode::BlackHole {
            // Pongs are not read either, so their absence means nothing.
            self.unanswered = None;
            return Ok(());
        }
        let now = Instant::now();
        self.unanswered.get_or_insert(now);
        self.shared.stats.add_ping(1);
        let payload = self.shared.clock.now_ms().to_string();
        self.send(Message::Ping(payload.into_bytes().into())).await
    }

    async fn receive(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        let message = message.ok_or(End::Gone)??;
        self.shared.stats.add_client_message(1);
        let now = Instant::now();
        self.recent.push_back(now);
        while self
            .recent
            .front()
            .is_some_and(|at| now - *at >= Duration::from_secs(1))
        {
            self.recent.pop_front();
        }
        if self.recent.len() > self.shared.config.messages_per_second {
            return Err(End::Close(1008, "Too many requests".to_owned()));
        }
        match message {
            Message::Text(text) => {
                let answer = self.subscriptions.handle(&text);
                self.follow_subscriptions();
                match self.shared.faults.next_answer() {
                    AnswerFate::Send => self.send_text(answer).await,
                    AnswerFate::Late => {
                        self.late_answers.push(answer);
                        Ok(())
                    }
                    AnswerFate::Never => Ok(()),
                }
            }
            Message::Pong(_) => {
                if let Some(sent) = self.unanswered.take() {
                    self.shared.stats.note_pong_time(sent.elapsed());
                }
                self.shared.stats.add_pong(1);
                Ok(())
            }
            Message::Close(_) => {
                // The library has queued the answer; it leaves with the flush.
                self.socket.flush().await?;
                Err(End::Gone)
            }
            // The library answers pings; binary messages mean nothing here.
            _ => Ok(self.socket.flush().await?),
        }
    }

    /// Sends the rows that are due.
    async fn publish(&mut self) -> Result<(), End> {
        let Some(cursor) = self.cursor.as_mut() else {
            return Ok(());
        };
        let rows = cursor.take(&*self.shared.market, self.shared.clock.now_ms());
        if self.shared.faults.mode() != StreamMode::Normal {
            return Ok(());
        }
        for row in rows {
            match self.shared.faults.next_row(&row) {
                RowFate::Skip => continue,
                RowFate::Swap if self.held.is_none() => {
                    self.held = Some(row);
                    continue;
                }
                RowFate::Duplicate => {
                    self.feed_row(&row, false).await?;
                    self.feed_row(&row, false).await?;
                }
                fate => self.feed_row(&row, fate == RowFate::ExtraFields).await?,
            }
            if let Some(held) = self.held.take() {
                self.feed_row(&held, false).await?;
            }
        }
        for answer in std::mem::take(&mut self.late_answers) {
            self.send_text(answer).await?;
        }
        self.flush().await
    }

    async fn feed_row(&mut self, row: &SimTrade, extra_fields: bool) -> Result<(), End> {
        let symbol = self.shared.market.symbol().as_str();
        let mut payload = row.stream_payload(symbol, self.unit);
        if extra_fields {
            payload.pop();
            payload.push_str(",\"X\":{\"new\":[1,null]},\"z\":\"later\"}");
        }
        let text = self.wrap(&self.trade_stream, payload);
        self.shared.stats.add_frames(1);
        self.shared.stats.add_rows(1);
        limited(self.socket.feed(Message::text(text))).await
    }

    /// A payload in the form of this connection.
    fn wrap(&self, stream: &str, payload: String) -> String {
        if self.subscriptions.combined {
            format!("{{\"stream\":\"{stream}\",\"data\":{payload}}}")
        } else {
            payload
        }
    }

    /// Does what a test asks of every connection.
    async fn obey(&mut self, command: Result<WsCommand, RecvError>) -> Result<(), End> {
        match command {
            Ok(WsCommand::Wake) | Err(RecvError::Lagged(_)) => Ok(()),
            Err(RecvError::Closed) => Err(End::Gone),
            Ok(WsCommand::Text(text)) => self.send_text(text).await,
            Ok(WsCommand::Payload { stream, payload }) => {
                let text = self.wrap(&stream, payload);
                self.send_text(text).await
            }
            Ok(WsCommand::Binary(bytes)) => {
                self.shared.stats.add_frames(1);
                self.send(Message::binary(bytes)).await
            }
            Ok(WsCommand::Close(code, reason)) => Err(End::Close(code, reason)),
            Ok(WsCommand::Drop) => Err(End::Reset),
            Ok(WsCommand::HalfFrame) => Err(End::HalfFrame),
            Ok(WsCommand::AnnounceShutdown) => self.announce_shutdown().await,
            Ok(WsCommand::Shutdown) => {
                self.announce_shutdown().await?;
                Err(End::Close(1001, "Going away".to_owned()))
            }
        }
    }

    async fn announce_shutdown(&mut self) -> Result<(), End> {
        let event = json!({"e": "serverShutdown", "E": self.unit.of(self.shared.clock.now_ms())});
        let text = self.wrap("!serverShutdown", event.to_string());
        self.send_text(text).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.shared.stats.add_frames(1);
        self.send(Message::text(text)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        limited(self.socket.send(message)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        limited(self.socket.flush()).await
    }

    /// Sends a close frame and waits a moment for the answer.
    async fn close(&mut self, code: u16, reason: String) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        if self.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        let answered = async { while let Some(Ok(_)) = self.socket.next().await {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, answered).await.is_err() {
            tracing::debug!("the client did not answer the close frame");
        }
    }

    /// The header of a text frame of 256 bytes, and four of them.
    async fn leave_half_a_frame(&mut self) {
        let half = [0x81, 0x7e, 0x01, 0x00, b'{', b'"', b'e', b'"'];
        let transport = self.socket.get_mut();
        if transport.write_all(&half).await.is_err() || transport.shutdown().await.is_err() {
            tracing::debug!("the connection was gone before the half frame");
        }
    }
}

/// Waits until an instant; for ever without one.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A write that takes too long ends the connection.
async fn limited(write: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
    match tokio::time::timeout(SEND_TIMEOUT, write).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(End::Gone),
    }
}

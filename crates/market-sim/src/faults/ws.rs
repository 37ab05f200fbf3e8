//! Faults of the stream.

use std::collections::VecDeque;

use strategy_core::time::MINUTE_MS;
use tokio::sync::broadcast;

use super::{Faults, lock};
use crate::trade::SimTrade;

/// What the stream delivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamMode {
    /// Everything.
    #[default]
    Normal,
    /// No trades; pings and acknowledgements go on. What is published meanwhile is lost to the stream.
    DataSilent,
    /// Nothing: neither data, nor pings, nor pongs, nor answers; the connection stays open.
    BlackHole,
}

/// Something to do on every open connection at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WsCommand {
    /// Look at the mode again.
    Wake,
    /// Send this text frame as it is.
    Text(String),
    /// Send this payload in the form of the connection: raw, or as data of this stream.
    Payload {
        /// Stream name used on combined connections.
        stream: String,
        /// The payload, JSON text.
        payload: String,
    },
    /// Send a binary frame.
    Binary(Vec<u8>),
    /// Close with this code and reason.
    Close(u16, String),
    /// Reset the TCP connection, without a close frame.
    Drop,
    /// Send the beginning of a long text frame and then end the TCP connection.
    HalfFrame,
    /// Announce the end with `serverShutdown`, then close with 1001.
    Shutdown,
    /// Announce the end with `serverShutdown` and go on.
    AnnounceShutdown,
}

/// Queued faults of the stream.
#[derive(Debug, Default)]
pub(super) struct WsState {
    mode: StreamMode,
    refusals: VecDeque<u16>,
    close_on_accept: u32,
    skip: u64,
    skip_late: u64,
    duplicate: u64,
    swap: u64,
    extra_fields: u64,
    late_answers: u32,
    lost_answers: u32,
}

/// What becomes of the answer to one client message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFate {
    Send,
    /// Sent after the next rows.
    Late,
    Never,
}

/// What becomes of one row on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFate {
    Send,
    Skip,
    Duplicate,
    /// Sent after its successor.
    Swap,
    ExtraFields,
}

impl Faults {
    /// Changes what the stream delivers, on open and new connections.
    pub fn set_mode(&self, mode: StreamMode) {
        lock(&self.0.ws).mode = mode;
        self.command(WsCommand::Wake);
    }

    /// What the stream delivers.
    pub fn mode(&self) -> StreamMode {
        lock(&self.0.ws).mode
    }

    /// Answers the next `times` upgrades with this HTTP status.
    pub fn refuse_upgrade(&self, status: u16, times: u32) {
        let mut state = lock(&self.0.ws);
        state.refusals.extend((0..times).map(|_| status));
    }

    /// Closes the next `times` connections as soon as they are open.
    pub fn close_on_accept(&self, times: u32) {
        lock(&self.0.ws).close_on_accept += times;
    }

    /// Never sends the next rows; REST has them.
    pub fn skip_rows(&self, rows: u64) {
        lock(&self.0.ws).skip += rows;
    }

    /// Never sends the next rows whose trade time lies in an earlier minute than their publication.
    pub fn skip_late_rows(&self, rows: u64) {
        lock(&self.0.ws).skip_late += rows;
    }

    /// Sends each of the next rows twice.
    pub fn duplicate_rows(&self, rows: u64) {
        lock(&self.0.ws).duplicate += rows;
    }

    /// Exchanges a row with its successor, so many times.
    pub fn swap_rows(&self, times: u64) {
        lock(&self.0.ws).swap += times;
    }

    /// Adds unknown fields to the next rows.
    pub fn extra_fields(&self, rows: u64) {
        lock(&self.0.ws).extra_fields += rows;
    }

    /// Answers the next client messages only after the next rows.
    pub fn late_answers(&self, answers: u32) {
        lock(&self.0.ws).late_answers += answers;
    }

    /// Never answers the next client messages, though it does what they ask for.
    pub fn lose_answers(&self, answers: u32) {
        lock(&self.0.ws).lost_answers += answers;
    }

    /// Does something on every open connection.
    pub fn command(&self, command: WsCommand) {
        // Nobody listens while no connection is open.
        let _listeners = self.0.commands.send(command);
    }

    /// Closes every open connection with this code.
    pub fn close_all(&self, code: u16, reason: &str) {
        self.command(WsCommand::Close(code, reason.to_owned()));
    }

    /// Resets every open connection, without a close frame.
    pub fn drop_all(&self) {
        self.command(WsCommand::Drop);
    }

    /// Sends a text frame as it is on every open connection.
    pub fn send_text(&self, text: impl Into<String>) {
        self.command(WsCommand::Text(text.into()));
    }

    /// Sends a payload of an event nobody knows.
    pub fn send_unknown_event(&self) {
        self.command(WsCommand::Payload {
            stream: "btcfdusd@news".to_owned(),
            payload: r#"{"e":"somethingNew","E":1772515782136,"s":"BTCFDUSD","x":[1,{"y":null}]}"#.to_owned(),
        });
    }

    /// Sends an aggregate trade of another market.
    pub fn send_foreign_trade(&self) {
        self.command(WsCommand::Payload {
            stream: "ethfdusd@aggTrade".to_owned(),
            payload: r#"{"e":"aggTrade","E":1772515782136,"s":"ETHFDUSD","a":77,"p":"3999.50000000","q":"0.10000000","f":100,"l":100,"T":1772515782135,"m":false,"M":true}"#.to_owned(),
        });
    }

    /// Sends an error object nobody asked for.
    pub fn send_error_object(&self) {
        self.send_text(r#"{"code":2,"msg":"Invalid request: unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`"}"#);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<WsCommand> {
        self.0.commands.subscribe()
    }

    pub(crate) fn take_refusal(&self) -> Option<u16> {
        lock(&self.0.ws).refusals.pop_front()
    }

    pub(crate) fn take_close_on_accept(&self) -> bool {
        take(&mut lock(&self.0.ws).close_on_accept)
    }

    pub(crate) fn next_answer(&self) -> AnswerFate {
        let mut state = lock(&self.0.ws);
        if take(&mut state.lost_answers) {
            AnswerFate::Never
        } else if take(&mut state.late_answers) {
            AnswerFate::Late
        } else {
            AnswerFate::Send
        }
    }

    pub(crate) fn next_row(&self, row: &SimTrade) -> RowFate {
        let mut state = lock(&self.0.ws);
        let late = row.time_ms.div_euclid(MINUTE_MS) < row.event_ms.div_euclid(MINUTE_MS);
        if take(&mut state.skip) || (late && take(&mut state.skip_late)) {
            RowFate::Skip
        } else if take(&mut state.duplicate) {
            RowFate::Duplicate
        } else if take(&mut state.swap) {
            RowFate::Swap
        } else if take(&mut state.extra_fields) {
            RowFate::ExtraFields
        } else {
            RowFate::Send
        }
    }
}

/// Uses up one of a stock; false when there is none left.
fn take<T: Copy + PartialOrd + Default + std::ops::SubAssign + From<u8>>(stock: &mut T) -> bool {
    let any = *stock > T::default();
    if any {
        *stock -= T::from(1);
    }
    any
}

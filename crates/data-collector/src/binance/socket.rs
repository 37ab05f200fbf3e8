//! One stream connection: connects, reads, answers pings. It decides nothing.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::binance::error::SocketError;

/// Longest wait for a connection, TLS and upgrade included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest message. A trade has about 200 bytes; this bounds what a broken peer can make us keep.
const MAX_MESSAGE: usize = 1 << 20;

/// Bytes read at a time, enough for what comes within a millisecond of the fastest market. The library clears as many
/// before each read, which at its own size of 128 KiB takes as long as reading twenty trades.
const READ_BUFFER: usize = 32 << 10;

/// Most bytes waiting to be written; only pongs are.
const MAX_WRITE_BUFFER: usize = 1 << 20;

/// What came over the connection.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A text message.
    Text(Utf8Bytes),
    /// A ping or pong. The answer to a ping leaves with the next read.
    Control,
    /// A binary message, which the exchange does not send.
    Binary,
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Opens a connection to a stream address.
    pub(crate) async fn open(url: &str) -> Result<Self, SocketError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BUFFER);
        let opening = connect_async_with_config(url, Some(config), true);
        match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Err(_) => Err(SocketError::ConnectTimeout(CONNECT_TIMEOUT)),
            Ok(Err(error)) => Err(SocketError::Failed(Box::new(error))),
            Ok(Ok((stream, _))) => Ok(Self { stream }),
        }
    }

    /// The next frame. After an error the connection is of no use.
    ///
    /// # Cancel safety
    /// Nothing is lost when the call is dropped.
    pub(crate) async fn next(&mut self) -> Result<Frame, SocketError> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Frame::Text(text)),
            Some(Ok(Message::Binary(_))) => Ok(Frame::Binary),
            Some(Ok(Message::Close(frame))) => Err(SocketError::Closed {
                code: frame.as_ref().map(|frame| frame.code.into()),
                reason: frame
                    .map(|frame| super::parse::quoted(&frame.reason))
                    .unwrap_or_default(),
            }),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Frame::Control),
            Some(Err(error)) => Err(SocketError::Failed(Box::new(error))),
            None => Err(SocketError::Closed {
                code: None,
                reason: String::new(),
            }),
        }
    }
}

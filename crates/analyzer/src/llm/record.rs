//! What is kept of one conversation.
//!
//! A record answers "why did it say that". Written to the archive; read again by [`super::recording`].

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use strategy_core::store::Spending;
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use strategy_core::time::{format_time, rfc3339};

use super::deepseek::Asked;
use super::wire::Message;

/// One conversation: everything said by both sides. Holds no secret.
#[derive(Debug, Serialize)]
pub struct Record {
    /// When the cycle began.
    #[serde(with = "rfc3339")]
    pub timestamp: DateTime<Utc>,
    /// The market.
    pub symbol: Symbol,
    /// Arrival of the newest book it was about, as RFC 3339.
    pub book: Option<String>,
    /// `accepted`, or why not.
    pub outcome: String,
    /// Requests, tokens and money.
    pub spending: Spending,
    /// Instructions, data, tool answers, and the model's words on the way.
    pub messages: Vec<Message>,
    /// The model's turns as received.
    pub turns: Vec<Value>,
}

/// What a conversation was about.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// When the cycle began.
    pub at: DateTime<Utc>,
    /// The market.
    pub symbol: Symbol,
    /// Arrival of the newest book.
    pub book: Option<DateTime<Utc>>,
}

impl Record {
    /// What is kept of a conversation; takes its text out of `asked`.
    pub fn of(asked: &mut Asked, spending: Spending, occasion: Occasion) -> Self {
        let outcome = match &asked.outcome {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error_chain(error),
        };
        Self {
            timestamp: occasion.at,
            symbol: occasion.symbol,
            book: occasion.book.map(format_time),
            outcome,
            spending,
            messages: std::mem::take(&mut asked.messages),
            turns: std::mem::take(&mut asked.turns),
        }
    }
}

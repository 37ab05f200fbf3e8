//! What is kept of one conversation, and the model that answers from what was kept.
//!
//! A record answers "why did it say that"; a file of records replayed in order answers the same questions
//! again at no cost.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strategy_core::model::report::MarketReport;
use strategy_core::symbol::Symbol;
use strategy_core::telemetry::error_chain;
use strategy_core::time::rfc3339;

use super::conversation::{Conversation, Settings, Step};
use super::deepseek::Asked;
use super::error::LlmError;
use super::reply::Given;
use super::wire::{Message, Usage};

/// Most bytes of a record file that are read.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// One conversation: everything said by both sides. Holds no secret.
#[derive(Debug, Serialize)]
pub struct Record {
    /// When the cycle began.
    #[serde(with = "rfc3339")]
    pub timestamp: DateTime<Utc>,
    /// The market.
    pub symbol: Symbol,
    /// `accepted`, or why not.
    pub outcome: String,
    /// Requests sent.
    pub requests: u32,
    /// Tokens used.
    pub usage: Usage,
    /// Instructions, data, tool answers, and the model's words on the way.
    pub messages: Vec<Message>,
    /// The model's turns as received.
    pub turns: Vec<Value>,
}

impl Record {
    /// What is kept of a conversation; takes its text out of `asked`.
    pub fn of(asked: &mut Asked, symbol: Symbol, at: DateTime<Utc>) -> Self {
        let outcome = match &asked.outcome {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error_chain(error),
        };
        Self {
            timestamp: at,
            symbol,
            outcome,
            requests: asked.requests,
            usage: asked.usage,
            messages: std::mem::take(&mut asked.messages),
            turns: std::mem::take(&mut asked.turns),
        }
    }
}

/// The part of a record that is needed to replay it.
#[derive(Debug, Deserialize)]
struct RecordedTurns {
    turns: Vec<Value>,
}

/// A model that says what it once said, one conversation after the other.
#[derive(Debug)]
pub struct Recording {
    conversations: VecDeque<Vec<Value>>,
    settings: Settings,
}

/// The recording has been played to its end, or was asked something else.
#[derive(Debug, thiserror::Error)]
#[error("the recording has no further answer")]
pub struct RecordingEnded;

impl Recording {
    /// Reads a file of records; lines that are none are left out.
    ///
    /// # Errors
    /// When the file cannot be read or is larger than 1 GiB.
    pub fn load(path: &Path, settings: Settings) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 GiB"));
        }
        let mut conversations = VecDeque::new();
        for line in BufReader::new(file.take(MAX_FILE)).lines() {
            if let Ok(record) = serde_json::from_str::<RecordedTurns>(&line?) {
                conversations.push_back(record.turns);
            }
        }
        Ok(Self {
            conversations,
            settings,
        })
    }

    /// Conversations that are left.
    pub fn remaining(&self) -> usize {
        self.conversations.len()
    }

    /// Holds the next conversation of the recording about this report.
    pub fn ask(&mut self, report: &MarketReport, given: &Given) -> Asked {
        let mut turns = self.conversations.pop_front().unwrap_or_default().into_iter();
        let mut conversation = Conversation::new(&self.settings, report, given);
        let mut requests = 0;
        let outcome = loop {
            requests += 1;
            let Some(turn) = turns.next() else {
                break Err(LlmError::Unreachable(Box::new(RecordingEnded)));
            };
            let step = match super::wire::Turn::read(&turn) {
                Ok(turn) => conversation.on_turn(turn),
                Err(message) => Step::Failed(LlmError::ErrorBody { message }),
            };
            match step {
                Step::Ask => {}
                Step::Done(answer) => break Ok(answer),
                // As with the real one: the next turn is the one after the retry.
                Step::Failed(error) if error.is_transient() => {}
                Step::Failed(error) => break Err(error),
            }
        };
        let (model, fingerprint) = conversation.answered_by();
        Asked {
            outcome,
            // What is replayed costs nothing.
            usage: Usage::default(),
            requests,
            model: model.map(str::to_owned),
            fingerprint: fingerprint.map(str::to_owned),
            messages: conversation.messages().to_vec(),
            turns: Vec::new(),
        }
    }
}

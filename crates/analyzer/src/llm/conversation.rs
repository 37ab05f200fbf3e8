//! One conversation with the model, as a state machine. Pure: requests out, turns in.
//!
//! ```text
//! ask -> tool calls -> answers -> ask … at most 3 rounds, the last one without tools
//!     -> text -> judged -> accepted, or one repair round with the reason, or given up
//! ```
//!
//! What must stay true: every call id is answered before anything else follows; tools run only on a turn
//! that ended for them, an answer counts only on a turn that ended by itself; the number of requests is
//! bounded whatever the model does.

use std::collections::HashMap;

use serde_json::{Value, json};
use strategy_core::config::{DeepseekConfig, Language};
use strategy_core::model::report::MarketReport;

use super::error::LlmError;
use super::reply::{Answer, Given, ReplyError, judge};
use super::wire::{Message, Request, Thinking, Turn};
use super::{prompt, tools};

/// Most rounds before an answer is due; tools may be called in all but the last.
const MAX_ROUNDS: u32 = 3;

/// Most calls of one turn that are executed; the others are answered with an error.
const MAX_CALLS: usize = 8;

/// How to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Model id.
    pub model: String,
    /// Think first.
    pub thinking: bool,
    /// Sampling temperature, 0..2.
    pub temperature: f64,
    /// Most tokens of one answer.
    pub max_tokens: u32,
    /// Language of the prompt.
    pub language: Language,
}

impl From<&DeepseekConfig> for Settings {
    fn from(config: &DeepseekConfig) -> Self {
        Self {
            model: config.model.clone(),
            thinking: config.thinking,
            temperature: config.temperature,
            max_tokens: config.max_tokens,
            language: config.language,
        }
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send the next request.
    Ask,
    /// The answer was accepted.
    Done(Answer),
    /// There will be no answer; a transient error may be met by sending the same request again.
    Failed(LlmError),
}

/// The state of one conversation.
#[derive(Debug)]
pub struct Conversation<'a> {
    settings: &'a Settings,
    report: &'a MarketReport,
    given: Given,
    messages: Vec<Message>,
    rounds: u32,
    repairing: bool,
    answered: HashMap<(String, String), String>,
    model: Option<String>,
    fingerprint: Option<String>,
}

impl<'a> Conversation<'a> {
    /// A conversation about one report.
    pub fn new(settings: &'a Settings, report: &'a MarketReport, given: Given) -> Self {
        let language = settings.language;
        Self {
            settings,
            report,
            given,
            messages: vec![
                Message::System(prompt::system(language).to_owned()),
                Message::User(prompt::data(language, report)),
            ],
            rounds: 0,
            repairing: false,
            answered: HashMap::new(),
            model: None,
            fingerprint: None,
        }
    }

    /// The model that answered, as it calls itself, and its version.
    pub fn answered_by(&self) -> (Option<&str>, Option<&str>) {
        (self.model.as_deref(), self.fingerprint.as_deref())
    }

    /// Everything said so far.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The next request; the same until a turn is fed in.
    pub fn request(&self) -> Request {
        let last = self.is_last_round();
        Request {
            model: self.settings.model.clone(),
            thinking: if self.settings.thinking {
                Thinking::Enabled
            } else {
                Thinking::Disabled
            },
            temperature: (!self.settings.thinking).then_some(self.settings.temperature),
            max_tokens: self.settings.max_tokens,
            stream: false,
            tools: tools::definitions(),
            tool_choice: if last { "none" } else { "auto" },
            response_format: last.then(|| json!({"type": "json_object"})),
            messages: self.messages.clone(),
        }
    }

    fn is_last_round(&self) -> bool {
        self.repairing || self.rounds + 1 >= MAX_ROUNDS
    }

    /// Takes what the model said.
    pub fn on_turn(&mut self, turn: Turn) -> Step {
        self.model = turn.model.clone().or(self.model.take());
        self.fingerprint = turn.fingerprint.clone().or(self.fingerprint.take());
        if turn.refused {
            return Step::Failed(LlmError::Refused);
        }
        match turn.finish_reason.as_str() {
            "stop" => self.on_text(turn),
            "tool_calls" => self.on_calls(turn),
            "content_filter" => Step::Failed(LlmError::Refused),
            "insufficient_system_resource" | "aborted" => Step::Failed(LlmError::Interrupted {
                reason: turn.finish_reason,
            }),
            // Cut off: calls and text are incomplete. Unknown: nothing can be said about them.
            other => Step::Failed(LlmError::Invalid(ReplyError::Finish(
                other.chars().take(40).collect(),
            ))),
        }
    }

    fn on_text(&mut self, turn: Turn) -> Step {
        match judge(&turn.message.content, &self.given) {
            Ok(answer) => Step::Done(answer),
            Err(error) => self.repair(turn, error),
        }
    }

    /// One more round with the reason, if there was none yet.
    fn repair(&mut self, turn: Turn, error: ReplyError) -> Step {
        if self.repairing {
            return Step::Failed(LlmError::Invalid(error));
        }
        self.repairing = true;
        // A message with neither text nor calls is refused, and calls would have to be answered.
        if !turn.message.content.trim().is_empty() && error != ReplyError::ToolMarkup {
            let mut message = turn.message;
            message.tool_calls.clear();
            self.messages.push(Message::Assistant(message));
        }
        let text = prompt::repair(self.settings.language, &error);
        self.messages.push(Message::User(text));
        Step::Ask
    }

    fn on_calls(&mut self, turn: Turn) -> Step {
        let calls = turn.tool_calls();
        if calls.is_empty() {
            return self.on_text(turn);
        }
        if self.is_last_round() {
            return Step::Failed(LlmError::Invalid(ReplyError::EndlessTools));
        }
        self.rounds += 1;
        self.messages.push(Message::Assistant(turn.message));
        for (index, call) in calls.into_iter().enumerate() {
            let content = if index < MAX_CALLS {
                self.execute(call.name, call.arguments)
            } else {
                Value::from_iter([("error", "too many calls in one turn")]).to_string()
            };
            let call_id = call.id;
            self.messages.push(Message::Tool { call_id, content });
        }
        Step::Ask
    }

    /// Answers a call; the same call again gets the same answer.
    fn execute(&mut self, name: String, arguments: String) -> String {
        let (report, language, given) = (self.report, self.settings.language, &mut self.given);
        self.answered
            .entry((name, arguments))
            .or_insert_with_key(|(name, arguments)| {
                let (text, shown) = tools::answer(name, arguments, report, language);
                if let Some(shown) = shown {
                    given.saw(shown);
                }
                text
            })
            .clone()
    }
}

#[cfg(test)]
mod tests;

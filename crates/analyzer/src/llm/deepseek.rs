//! Holds a conversation with the model over HTTP: one absolute deadline, few retries, no secrets in errors.
//!
//! `adviser` calls it once a cycle. Dropping the call ends the request at once; nothing is retried after
//! that. The client library does no retrying of its own here, and its log lines are silenced because they
//! contain whole bodies.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use strategy_core::backoff::Backoff;
use strategy_core::config::{DeepseekConfig, ModelPrices};
use strategy_core::model::report::MarketReport;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::conversation::{Conversation, Settings, Step};
use super::cost;
use super::error::{Charge, LlmError};
use super::reply::{Answer, Given};
use super::transport::{Transport, TransportError};
use super::wire::{Message, Request, Turn, Usage};
use crate::purse::Purse;

/// Most requests that are sent again in one conversation.
const MAX_RETRIES: u32 = 2;

/// First and longest wait before a request is sent again.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Longest `Retry-After` that is waited for; beyond it the cycle goes on without the model.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The model behind its API.
#[derive(Debug)]
pub struct Deepseek {
    client: Client<OpenAIConfig>,
    settings: Settings,
    prices: ModelPrices,
    limit: Duration,
    key: SecretString,
    /// Host and path of the requests.
    place: String,
}

/// Why the model cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The HTTP client cannot be made.
    #[error("the http client for the model cannot be made")]
    Http(#[source] reqwest::Error),
}

/// How a conversation went.
#[derive(Debug)]
pub struct Asked {
    /// The accepted answer, or why there is none.
    pub outcome: Result<Answer, LlmError>,
    /// The model that answered, as it calls itself.
    pub model: Option<String>,
    /// Its version.
    pub fingerprint: Option<String>,
    /// Everything that was said to the model, and what it said on the way.
    pub messages: Vec<Message>,
    /// The model's turns as received, the last one included.
    pub turns: Vec<Value>,
}

impl Deepseek {
    /// Prepares a client; connects to nothing.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(config: &DeepseekConfig, key: SecretString) -> Result<Self, SetupError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .timeout(config.timeout)
            // A redirect would take the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(SetupError::Http)?;
        let api = OpenAIConfig::new()
            .with_api_base(&config.base_url)
            .with_api_key(key.expose_secret())
            // The library takes these from the environment of other vendors' programs.
            .with_org_id("")
            .with_project_id("");
        let client = Client::build(http.clone(), api).with_http_service(Transport::new(http));
        Ok(Self {
            client,
            settings: Settings::from(config),
            prices: config.prices,
            limit: config.timeout,
            place: redacted(&place(&config.base_url), key.expose_secret()),
            key,
        })
    }

    /// Asks about a report and waits for the accepted answer, at most the configured time and until `stop`.
    ///
    /// `purse` counts every request before it is sent; `now` is the time, `jitter` gives random numbers from
    /// 0 to 1.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection; what was sent may still be charged, and is counted so.
    pub async fn ask(
        &self,
        report: &MarketReport,
        given: Given,
        purse: &mut Purse,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        jitter: impl FnMut() -> f64,
    ) -> Asked {
        let mut conversation = Conversation::new(&self.settings, report, given);
        let mut turns = Vec::new();
        let mut meter = Meter {
            purse,
            prices: &self.prices,
            max_tokens: self.settings.max_tokens,
            now,
            started: Instant::now(),
            sent: now,
        };
        let talk = self.talk(&mut conversation, &mut meter, &mut turns, jitter);
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => Err(LlmError::Stopped),
            outcome = tokio::time::timeout(self.limit, talk) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(LlmError::Timeout { limit: self.limit }),
            },
        };
        let (model, fingerprint) = conversation.answered_by();
        Asked {
            outcome,
            model: model.map(str::to_owned),
            fingerprint: fingerprint.map(str::to_owned),
            messages: conversation.messages().to_vec(),
            turns,
        }
    }

    async fn talk(
        &self,
        conversation: &mut Conversation<'_>,
        meter: &mut Meter<'_>,
        turns: &mut Vec<Value>,
        mut jitter: impl FnMut() -> f64,
    ) -> Result<Answer, LlmError> {
        let deadline = Instant::now() + self.limit;
        let mut backoff = Backoff::new(RETRY_WAIT.0, RETRY_WAIT.1);
        loop {
            let step = match self.send(conversation, meter).await {
                Ok((turn, raw)) => {
                    turns.push(raw);
                    conversation.on_turn(turn)
                }
                Err(error) => Step::Failed(error),
            };
            let error = match step {
                Step::Ask => continue,
                Step::Done(answer) => return Ok(answer),
                Step::Failed(error) => error,
            };
            if !error.is_transient() || backoff.attempts() >= MAX_RETRIES {
                return Err(error);
            }
            let asked_for = error.retry_after().unwrap_or_default();
            let wait = backoff.next_delay(jitter()).max(asked_for);
            if asked_for > MAX_RETRY_AFTER || Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                delay_ms = wait.as_millis(),
                "asking again"
            );
            tokio::time::sleep(wait).await;
        }
    }

    async fn send(
        &self,
        conversation: &Conversation<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(Turn, Value), LlmError> {
        let request = conversation.request();
        meter.sending(&request)?;
        let answer: Value = match self.client.chat().create_byot(request).await {
            Ok(answer) => without_secret(answer, self.key.expose_secret()),
            Err(error) => {
                let error = self.failure(error);
                meter.failed(error.charge());
                return Err(error);
            }
        };
        let turn = Turn::read(&answer);
        meter.answered(turn.as_ref().ok().and_then(|turn| turn.usage));
        match turn {
            Ok(turn) => Ok((turn, answer)),
            Err(message) => Err(LlmError::ErrorBody {
                message: self.without_key(&message),
            }),
        }
    }

    fn failure(&self, error: OpenAIError) -> LlmError {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<TransportError>() {
                Ok(error) => match *error {
                    TransportError::Status {
                        status,
                        message,
                        retry_after,
                    } => LlmError::Status {
                        status,
                        message: self.hinted(status, &self.without_key(&message)),
                        retry_after,
                    },
                    TransportError::Http(error) if error.is_timeout() => {
                        LlmError::Timeout { limit: self.limit }
                    }
                    TransportError::Http(error) => unreachable(error),
                    TransportError::Request(error) => LlmError::Request(error),
                    error @ TransportError::TooLong => LlmError::Unreachable {
                        sent: true,
                        source: Box::new(error),
                    },
                },
                Err(source) => LlmError::Unreachable { sent: true, source },
            },
            // The body itself is left out: it may be anything.
            OpenAIError::JSONDeserialize(error, _) => LlmError::Unreadable(error),
            OpenAIError::Reqwest(error) => unreachable(error),
            other => LlmError::Request(Box::new(other)),
        }
    }

    /// A message of the vendor, behind the setting that is wrong where somebody else seems to answer.
    fn hinted(&self, status: u16, message: &str) -> String {
        if !(status == 404 || (300..400).contains(&status)) {
            return message.to_owned();
        }
        let hint = format!("check analyzer.deepseek.base_url ({})", self.place);
        if message.is_empty() {
            hint
        } else {
            format!("{hint}: {message}")
        }
    }

    /// A message of the vendor without the key or the part of it that some messages repeat.
    fn without_key(&self, message: &str) -> String {
        redacted(message, self.key.expose_secret())
    }
}

/// Host and path of what is asked, without a user, a password or a query.
fn place(base_url: &str) -> String {
    let url = format!("{base_url}/chat/completions");
    let Ok(url) = reqwest::Url::parse(&url) else {
        return "not a url".to_owned();
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}

/// A request counts as sent unless the connection could not even be made.
fn unreachable(error: reqwest::Error) -> LlmError {
    LlmError::Unreachable {
        sent: !error.is_connect(),
        source: Box::new(error.without_url()),
    }
}

/// Counts the requests of one conversation.
struct Meter<'a> {
    purse: &'a mut Purse,
    prices: &'a ModelPrices,
    max_tokens: u32,
    /// When the conversation began.
    now: DateTime<Utc>,
    started: Instant,
    /// When the last request went out.
    sent: DateTime<Utc>,
}

impl Meter<'_> {
    fn time(&self) -> DateTime<Utc> {
        self.now + self.started.elapsed()
    }

    /// Counts a request at the most it can cost.
    fn sending(&mut self, request: &Request) -> Result<(), LlmError> {
        let bytes = serde_json::to_vec(request).map_err(|error| LlmError::Request(Box::new(error)))?;
        self.sent = self.time();
        let estimate = cost::most(bytes.len() as u64, self.max_tokens, self.prices, self.sent);
        self.purse.sending(estimate, self.sent);
        Ok(())
    }

    fn answered(&mut self, usage: Option<Usage>) {
        match usage {
            Some(usage) => self
                .purse
                .cost(cost::stated(usage, self.prices, self.sent, self.time())),
            None => self.purse.unknown(),
        }
    }

    fn failed(&mut self, charge: Charge) {
        match charge {
            Charge::Unsent => self.purse.unsent(),
            Charge::Refused => self.purse.refused(),
            Charge::Unknown => self.purse.unknown(),
        }
    }
}

/// An answer in which the key, should a peer repeat it, is blacked out: answers go to log, archive and Redis.
fn without_secret(value: Value, key: &str) -> Value {
    match value {
        Value::String(text) if text.contains(key) => Value::String(text.replace(key, "[REDACTED]")),
        Value::Array(values) => values
            .into_iter()
            .map(|value| without_secret(value, key))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.replace(key, "[REDACTED]"), without_secret(value, key)))
            .collect(),
        value => value,
    }
}

/// Replaces every word that shows the key, its last characters or something of its kind.
pub(super) fn redacted(message: &str, key: &str) -> String {
    let tail = key.get(key.len().saturating_sub(4)..).unwrap_or(key);
    let words: Vec<&str> = message
        .split(' ')
        .map(|word| {
            let bare = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '*');
            let shows_key = word.contains(key)
                || bare.contains("sk-")
                || bare.contains("***")
                || (tail.len() == 4 && bare.ends_with(tail));
            if shows_key { "[REDACTED]" } else { word }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_key_is_blacked_out_wherever_it_does() {
        let answer = serde_json::json!({"choices": [{"message": {"content": "you sent known-to-the-test, why"}}], "a known-to-the-test": 1});
        let expected = serde_json::json!({"choices": [{"message": {"content": "you sent [REDACTED], why"}}], "a [REDACTED]": 1});
        assert_eq!(without_secret(answer, "known-to-the-test"), expected);
    }

    #[test]
    fn the_place_shows_neither_user_nor_query() {
        for (url, expected) in [
            (
                "https://api.deepseek.com/v1",
                "api.deepseek.com/v1/chat/completions",
            ),
            ("http://user:word@localhost:81", "localhost:81/chat/completions"),
        ] {
            assert_eq!(place(url), expected);
        }
    }

    #[test]
    fn a_message_never_shows_the_key() {
        let key = "sk-0123456789abcdef";
        for (message, expected) in [
            (
                "Your api key: ****cdef is invalid",
                "Your api key: [REDACTED] is invalid",
            ),
            ("key 'sk-0123456789abcdef', sorry", "key [REDACTED] sorry"),
            ("key=0123456789abcdef.", "[REDACTED]"),
            ("Insufficient Balance", "Insufficient Balance"),
        ] {
            assert_eq!(redacted(message, key), expected);
        }
    }
}

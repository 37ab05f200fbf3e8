//! Asks once, at the start, whether the vendor knows the configured model.
//!
//! Only for a line in the log: models come and go under the same names, so nothing depends on the answer.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use strategy_core::config::DeepseekConfig;
use tokio_util::sync::CancellationToken;

use super::deepseek::{SetupError, redacted};

/// Longest wait for the list.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest list that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Most characters of a name, or of whatever else the answer is, that are logged.
const MAX_SHOWN: usize = 80;

/// Most names of models that are logged.
pub(crate) const MAX_NAMES: usize = 20;

/// The vendor's list of models.
#[derive(Debug)]
pub struct ModelList {
    http: reqwest::Client,
    url: String,
    key: SecretString,
    model: String,
}

/// What the list says of the configured model.
#[derive(Debug)]
pub enum Verdict {
    /// It is in the list.
    Offered,
    /// It is not; these are, the first of them, each cut and without the key.
    NotOffered(Vec<String>),
    /// There is no list.
    Unknown(ListError),
}

/// Why there is no list. What comes from the answer is cut and without the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// No connection, or it broke, or the whole answer was not there in time.
    #[error("it does not come")]
    Http(#[source] reqwest::Error),
    /// An answer with an HTTP status other than success.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The answer is longer than any list.
    #[error("the answer is longer than {MAX_BODY} bytes")]
    TooLong,
    /// The answer is no JSON, for instance a page for a browser.
    #[error("the answer is no json: it begins with {beginning:?}")]
    NotJson {
        /// How it begins.
        beginning: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Status 200 and an error in the body.
    #[error("the answer is an error: {0:?}")]
    ErrorBody(String),
    /// JSON of another kind.
    #[error("the answer has no list `data`")]
    NoList,
}

impl Verdict {
    /// What comes from the answer is cut, and the key, should the vendor repeat it, blacked out.
    fn shown(self, key: &str) -> Self {
        match self {
            Self::NotOffered(names) => Self::NotOffered(names.iter().map(|name| shown(name, key)).collect()),
            Self::Unknown(ListError::ErrorBody(words)) => {
                Self::Unknown(ListError::ErrorBody(shown(&words, key)))
            }
            Self::Unknown(ListError::NotJson { beginning, source }) => Self::Unknown(ListError::NotJson {
                beginning: shown(&beginning, key),
                source,
            }),
            known => known,
        }
    }
}

impl ModelList {
    /// Prepares the question; connects to nothing.
    ///
    /// # Errors
    /// [`SetupError`] when the client cannot be made.
    pub fn new(config: &DeepseekConfig, key: SecretString) -> Result<Self, SetupError> {
        let http = reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(SetupError::Http)?;
        Ok(Self {
            http,
            url: format!("{}/models", config.base_url),
            key,
            model: config.model.clone(),
        })
    }

    /// Asks once and logs the verdict, then waits for the end of the program.
    ///
    /// # Errors
    /// None.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        self.check(&stop).await;
        stop.cancelled().await;
        Ok(())
    }

    /// Asks once and logs the verdict, unless the program stops before.
    pub async fn check(&self, stop: &CancellationToken) {
        let verdict = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            verdict = self.ask() => verdict,
        };
        match verdict {
            Verdict::Offered => tracing::info!(llm.model = self.model, "the vendor offers the model"),
            Verdict::NotOffered(names) => tracing::warn!(
                llm.model = self.model,
                offered = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                },
                "the vendor does not offer the configured model; set analyzer.deepseek.model"
            ),
            Verdict::Unknown(error) => {
                let error = &error as &dyn Error;
                tracing::info!(error, "the vendor's list of models cannot be read");
            }
        }
    }

    /// Asks for the list.
    pub async fn ask(&self) -> Verdict {
        let key = self.key.expose_secret();
        match self.list(key).await {
            Ok(list) => judge(&list, &self.model),
            Err(error) => Verdict::Unknown(error),
        }
        .shown(key)
    }

    async fn list(&self, key: &str) -> Result<Value, ListError> {
        let request = self.http.get(&self.url).bearer_auth(key);
        let response = request.send().await.map_err(broken)?;
        if !response.status().is_success() {
            return Err(ListError::Status(response.status().as_u16()));
        }
        parse(&read(response).await?)
    }
}

fn broken(error: reqwest::Error) -> ListError {
    ListError::Http(error.without_url())
}

/// The body, up to the length of a list.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, ListError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ListError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse(body: &[u8]) -> Result<Value, ListError> {
    serde_json::from_slice(body).map_err(|source| ListError::NotJson {
        beginning: String::from_utf8_lossy(body).trim_start().to_owned(),
        source,
    })
}

pub(crate) fn judge(list: &Value, model: &str) -> Verdict {
    let Some(entries) = list["data"].as_array() else {
        let error = &list["error"];
        let words = error["message"].as_str().or_else(|| error.as_str());
        return Verdict::Unknown(match words {
            Some(words) => ListError::ErrorBody(words.to_owned()),
            None if error.is_null() => ListError::NoList,
            None => ListError::ErrorBody(error.to_string()),
        });
    };
    let names = || entries.iter().filter_map(|entry| entry["id"].as_str());
    if names().any(|name| name == model) {
        Verdict::Offered
    } else {
        Verdict::NotOffered(names().take(MAX_NAMES).map(str::to_owned).collect())
    }
}

/// The beginning of a foreign text, without the key.
fn shown(text: &str, key: &str) -> String {
    redacted(text, key).chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "known-to-the-test";

    fn judged(body: &str, model: &str) -> Verdict {
        match parse(body.as_bytes()) {
            Ok(list) => judge(&list, model),
            Err(error) => Verdict::Unknown(error),
        }
        .shown(KEY)
    }

    #[test]
    fn a_model_is_in_the_list_or_not() {
        let list = r#"{"object": "list", "data": [{"id": "deepseek-flash"}, {"id": 5}]}"#;
        assert!(matches!(judged(list, "deepseek-flash"), Verdict::Offered));
        let not_offered = judged(list, "deepseek-chat");
        assert!(matches!(not_offered, Verdict::NotOffered(names) if names == ["deepseek-flash"]));
    }

    #[test]
    fn what_is_no_list_is_named_cut_and_without_the_key() {
        let said = |body: &str| match judged(body, "x") {
            Verdict::Unknown(error) => error.to_string(),
            verdict => format!("{verdict:?}"),
        };
        assert_eq!(said("{}"), "the answer has no list `data`");
        assert_eq!(said("[]"), "the answer has no list `data`");
        assert_eq!(said(r#"{"data": {}}"#), "the answer has no list `data`");
        assert_eq!(said(r#"{"error": "no"}"#), r#"the answer is an error: "no""#);
        let echo = r#"{"error": {"message": "key known-to-the-test\u001b[2J is bad", "code": 7}}"#;
        assert_eq!(said(echo), r#"the answer is an error: "key [REDACTED] is bad""#);
        assert_eq!(
            said(r#"{"error": {"code": 7}}"#),
            r#"the answer is an error: "{\"code\":7}""#
        );
        assert_eq!(
            said("  <!DOCTYPE html>\n<title>"),
            r#"the answer is no json: it begins with "<!DOCTYPE html>\n<title>""#
        );
        assert_eq!(said(""), r#"the answer is no json: it begins with """#);
        let ids: Vec<String> = (0..100)
            .map(|number| format!(r#"{{"id": "{number}{}{KEY}"}}"#, "y".repeat(5000)))
            .collect();
        let Verdict::NotOffered(names) = judged(&format!(r#"{{"data": [{}]}}"#, ids.join(",")), "x") else {
            panic!("not a list");
        };
        assert_eq!(names.len(), MAX_NAMES);
        assert!(
            names
                .iter()
                .all(|name| name.chars().count() <= MAX_SHOWN && !name.contains(KEY))
        );
        let key_is_id = format!(r#"{{"data": [{{"id": "{KEY}"}}]}}"#);
        assert_eq!(said(&key_is_id), r#"NotOffered(["[REDACTED]"])"#);
    }
}

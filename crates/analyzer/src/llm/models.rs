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

use super::deepseek::SetupError;

/// Longest wait for the list.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest list that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the list.
    Offered,
    /// It is not; these are.
    NotOffered(Vec<String>),
    /// The list cannot be had, with the HTTP status if there was one.
    Unknown(Option<u16>),
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
                offered = names.join(", "),
                "the vendor does not offer the configured model; set analyzer.deepseek.model"
            ),
            Verdict::Unknown(status) => {
                tracing::info!(status, "the vendor's list of models cannot be read");
            }
        }
    }

    /// Asks for the list.
    pub async fn ask(&self) -> Verdict {
        let request = self.http.get(&self.url).bearer_auth(self.key.expose_secret());
        let response = match request.send().await {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => return Verdict::Unknown(Some(response.status().as_u16())),
            Err(error) => {
                tracing::info!(
                    error = &error as &dyn Error,
                    "the vendor's list of models does not come"
                );
                return Verdict::Unknown(None);
            }
        };
        match read(response).await {
            Some(list) => judge(&list, &self.model),
            None => Verdict::Unknown(None),
        }
    }
}

/// The list; none where it is no JSON, breaks off or is too long.
async fn read(mut response: reqwest::Response) -> Option<Value> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

pub(crate) fn judge(list: &Value, model: &str) -> Verdict {
    let Some(entries) = list["data"].as_array() else {
        return Verdict::Unknown(None);
    };
    let names = || entries.iter().filter_map(|entry| entry["id"].as_str());
    if names().any(|name| name == model) {
        Verdict::Offered
    } else {
        Verdict::NotOffered(names().take(MAX_NAMES).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_is_in_the_list_or_not() {
        let list = json!({"object": "list", "data": [{"id": "deepseek-flash"}, {"id": 5}]});
        assert_eq!(judge(&list, "deepseek-flash"), Verdict::Offered);
        let offered = vec!["deepseek-flash".to_owned()];
        assert_eq!(judge(&list, "deepseek-chat"), Verdict::NotOffered(offered));
        assert_eq!(judge(&json!({"error": "no"}), "x"), Verdict::Unknown(None));
    }
}

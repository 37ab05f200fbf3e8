//! Why the model gave no advice, and what follows from it.

use std::time::Duration;

use strategy_core::language::Language;
use strategy_core::model::advice::AbstainReason;
use strategy_core::telemetry::error_chain;

use super::reply::ReplyError;

/// Why a conversation with the model ended without an accepted answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlmError {
    /// The whole conversation took too long; what was sent may still be charged.
    #[error("the model did not answer within {} s", .limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// No connection, or it broke before the whole answer was there.
    #[error("the model cannot be reached")]
    Unreachable {
        /// The request may have arrived.
        sent: bool,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer with an HTTP status other than success.
    #[error("the model answered with status {status}{}", said(.message))]
    Status {
        /// HTTP status code.
        status: u16,
        /// The vendor's words, cut and without secrets.
        message: String,
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
    },
    /// Status 200 and no JSON document, for instance only the blank lines sent while waiting.
    #[error("the model's answer has no readable body")]
    Unreadable(#[source] serde_json::Error),
    /// Status 200 and an error in the body.
    #[error("the model answered with an error{}", said(.message))]
    ErrorBody {
        /// The vendor's words, cut.
        message: String,
    },
    /// The vendor cut the answer off for reasons of its own.
    #[error("the model's answer was interrupted: {reason}")]
    Interrupted {
        /// `finish_reason` as received.
        reason: String,
    },
    /// The answer was suppressed, or the model declined.
    #[error("the model refused to answer")]
    Refused,
    /// An answer was there and cannot be used, repair included.
    #[error("the model's answer cannot be used")]
    Invalid(#[source] ReplyError),
    /// The program was asked to stop; what was sent may still be charged.
    #[error("the program was asked to stop before the model had answered")]
    Stopped,
    /// A recording has no answer to this.
    #[error("the recording has no answer: {recorded}")]
    NotRecorded {
        /// How the recorded conversation ended, or that there is none.
        recorded: String,
    },
    /// The request could not be made; a mistake of this program.
    #[error("the request to the model could not be made")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The vendor's words after a colon; nothing where there are none.
fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// What a failed request cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// It never left this machine.
    Unsent,
    /// The vendor refused it: nothing.
    Refused,
    /// Nobody knows: the vendor may have done the work.
    Unknown,
}

/// What an [`LlmError`] means for the recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The model is out: the rules advise, and the line gives this code as the reason.
    FallBack(&'static str),
    /// The model was there and gave nothing usable: no advice.
    Abstain(AbstainReason),
}

impl LlmError {
    /// What happened, in the language of the line; Chinese with the technical text behind it.
    pub fn words(&self, language: Language) -> String {
        let technical = error_chain(self);
        match (language, self) {
            (Language::En, _) => technical,
            (Language::Zh, Self::Invalid(reply)) => {
                format!("模型的回答无法使用：{}", reply.words(language))
            }
            (Language::Zh, _) => format!("{}（{technical}）", self.chinese()),
        }
    }

    fn chinese(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "模型未在限定时间内回答",
            Self::Unreachable { .. } => "无法连接模型",
            Self::Unreadable(_) | Self::ErrorBody { .. } => "模型的响应无法读取",
            Self::Interrupted { .. } => "模型的回答被中断",
            Self::Status { status, .. } => match status {
                401 | 403 => "模型的密钥被拒绝",
                402 => "模型账户余额不足",
                429 => "模型限制了请求频率",
                500.. => "模型服务过载",
                _ => "模型拒绝了请求",
            },
            Self::Refused => "模型拒绝回答",
            Self::Invalid(_) => "模型的回答无法使用",
            Self::Stopped => "模型回答之前程序被要求停止",
            Self::NotRecorded { .. } => "录制文件中没有对应的回答",
            Self::Request(_) => "无法构造发给模型的请求",
        }
    }

    /// True when the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Unreadable(_)
            | Self::ErrorBody { .. }
            | Self::Interrupted { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Timeout { .. }
            | Self::Refused
            | Self::Invalid(_)
            | Self::Stopped
            | Self::NotRecorded { .. }
            | Self::Request(_) => false,
        }
    }

    /// What a request that ended so cost.
    pub fn charge(&self) -> Charge {
        match self {
            Self::Unreachable { sent: false, .. } | Self::Request(_) | Self::NotRecorded { .. } => {
                Charge::Unsent
            }
            Self::Status { status, .. } if *status < 500 => Charge::Refused,
            _ => Charge::Unknown,
        }
    }

    /// How long the vendor asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What it means for the recommendation.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout { .. } => Outcome::FallBack("timeout"),
            Self::Unreachable { .. } => Outcome::FallBack("unreachable"),
            Self::Unreadable(_) | Self::ErrorBody { .. } => Outcome::FallBack("unreadable"),
            Self::Interrupted { .. } => Outcome::FallBack("interrupted"),
            Self::Stopped => Outcome::FallBack("stopped"),
            Self::NotRecorded { .. } => Outcome::FallBack("not_recorded"),
            Self::Request(_) => Outcome::FallBack("request_failed"),
            Self::Status { status, .. } => Outcome::FallBack(match status {
                401 | 403 => "unauthorized",
                402 => "no_balance",
                429 => "rate_limited",
                500.. => "overloaded",
                _ => "request_rejected",
            }),
            Self::Refused => Outcome::Abstain(AbstainReason::ModelRefused),
            Self::Invalid(_) => Outcome::Abstain(AbstainReason::InvalidAnswer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> LlmError {
        LlmError::Status {
            status,
            message: "no".to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for code in [429, 500, 502, 503, 504] {
            assert!(status(code).is_transient(), "{code}");
        }
        for code in [400, 401, 402, 403, 413, 422] {
            assert!(!status(code).is_transient(), "{code}");
        }
        assert!(!LlmError::Refused.is_transient());
    }

    #[test]
    fn only_what_was_refused_or_not_sent_is_free() {
        let source = || -> Box<dyn std::error::Error + Send + Sync> { "gone".into() };
        for code in [400, 401, 402, 403, 404, 413, 422, 429] {
            assert_eq!(status(code).charge(), Charge::Refused, "{code}");
        }
        for code in [500, 502, 503, 504, 524] {
            assert_eq!(status(code).charge(), Charge::Unknown, "{code}");
        }
        let unreachable = |sent| LlmError::Unreachable {
            sent,
            source: source(),
        };
        assert_eq!(unreachable(true).charge(), Charge::Unknown);
        assert_eq!(unreachable(false).charge(), Charge::Unsent);
        assert_eq!(LlmError::Stopped.charge(), Charge::Unknown);
    }

    #[test]
    fn a_model_that_is_out_hands_over_to_the_rules_and_a_bad_answer_does_not() {
        assert_eq!(status(402).outcome(), Outcome::FallBack("no_balance"));
        assert_eq!(status(422).outcome(), Outcome::FallBack("request_rejected"));
        assert_eq!(
            LlmError::Invalid(ReplyError::Blank).outcome(),
            Outcome::Abstain(AbstainReason::InvalidAnswer)
        );
        assert_eq!(status(503).to_string(), "the model answered with status 503: no");
        let silent = LlmError::Status {
            status: 503,
            message: String::new(),
            retry_after: None,
        };
        assert_eq!(silent.to_string(), "the model answered with status 503");
    }

    #[test]
    fn every_failure_has_words_in_chinese() {
        let is_chinese = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
        for code in [400, 401, 402, 404, 429, 503] {
            let words = status(code).words(Language::Zh);
            assert!(words.starts_with(is_chinese), "{words}");
            assert!(words.contains(&format!("status {code}: no")), "{words}");
        }
        let reply = LlmError::Invalid(ReplyError::Blank).words(Language::Zh);
        assert_eq!(reply, "模型的回答无法使用：回答为空");
        assert_eq!(status(402).words(Language::En), status(402).to_string());
    }
}

//! Who advises: the model while it can and may, otherwise the rules, otherwise nobody, and why.
//!
//! `cycle` asks once per cycle. What must stay true: the model is never called when the data do not allow
//! advice; every answer says who gave it and why it was not somebody else; nothing here writes anything.

use chrono::{DateTime, Utc};
use strategy_core::analysis::rules;
use strategy_core::config::{DeepseekConfig, Language, ModelPrices};
use strategy_core::model::advice::{AbstainReason, Advice};
use strategy_core::model::report::MarketReport;
use strategy_core::num::BucketWidth;
use strategy_core::telemetry::error_chain;

use crate::llm::breaker::{Breaker, Change, Pause};
use crate::llm::cost::{Ledger, cost_usd};
use crate::llm::deepseek::{Asked, Deepseek, SetupError};
use crate::llm::error::{LlmError, Outcome};
use crate::llm::record::{Record, Recording};
use crate::llm::reply::{Answer, Given};
use crate::recommendation::{MarketContext, Recommendation, Source, Spending};

/// The model, the rules, and what is known about the model.
#[derive(Debug)]
pub struct Adviser {
    model: Model,
    record: Option<Record>,
    language: Language,
    breaker: Breaker,
    prices: ModelPrices,
    ledger: Ledger,
    max_cost_per_day_usd: f64,
    over_budget: bool,
}

/// Who is asked.
#[derive(Debug)]
enum Model {
    /// The vendor's.
    Live(Box<Deepseek>),
    /// One that repeats what was recorded.
    Recorded(Recording),
    /// Nobody.
    Absent(Absent),
}

/// Why there is no model at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// `analyzer.deepseek.enabled` is false.
    Disabled,
    /// There is no key.
    NoKey,
}

impl Absent {
    /// The code in `fallback_reason`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NoKey => "no_api_key",
        }
    }
}

/// Why a model that is there is not asked in this cycle.
enum NotAsked {
    Paused(Pause),
    Budget,
}

impl NotAsked {
    fn code(&self) -> &'static str {
        match self {
            Self::Paused(pause) => pause.code(),
            Self::Budget => AbstainReason::Budget.as_str(),
        }
    }
}

impl Adviser {
    /// An adviser as configured; `ledger` is what was spent today already.
    ///
    /// # Errors
    /// [`SetupError`] when the model's client cannot be made.
    pub fn new(config: &DeepseekConfig, ledger: Ledger) -> Result<Self, SetupError> {
        let model = match config.api_key.get() {
            _ if !config.enabled => Model::Absent(Absent::Disabled),
            None => Model::Absent(Absent::NoKey),
            Some(key) => Model::Live(Box::new(Deepseek::new(config, key.clone())?)),
        };
        Ok(Self {
            model,
            record: None,
            language: config.language,
            breaker: Breaker::default(),
            prices: config.prices,
            ledger,
            max_cost_per_day_usd: config.max_cost_per_day_usd,
            over_budget: false,
        })
    }

    /// Answers from a recording from now on, whether or not there is a model.
    pub fn replay(&mut self, recording: Recording) {
        self.model = Model::Recorded(recording);
    }

    /// Why there is no model.
    pub fn absent(&self) -> Option<Absent> {
        match &self.model {
            Model::Absent(absent) => Some(*absent),
            Model::Live(_) | Model::Recorded(_) => None,
        }
    }

    /// What is to be kept of the last conversation with the vendor's model.
    pub fn take_record(&mut self) -> Option<Record> {
        self.record.take()
    }

    /// What is wrong with the model at the moment, for a person.
    pub fn trouble(&self) -> Option<String> {
        if self.over_budget {
            return Some(format!(
                "the model's budget of {} usd for today is used up",
                self.max_cost_per_day_usd
            ));
        }
        self.breaker.pause().map(|pause| pause.words().to_owned())
    }

    /// Money spent on the UTC day of `now`, in US dollars.
    pub fn spent_today_usd(&self, now: DateTime<Utc>) -> f64 {
        self.ledger.spent(now)
    }

    /// A recommendation for the report; quotes are multiples of `tick`, `now` is the time of the cycle.
    ///
    /// # Cancel safety
    /// Dropping it ends a call that is under way; its cost is not counted then.
    pub async fn advise(
        &mut self,
        report: &MarketReport,
        tick: BucketWidth,
        now: DateTime<Utc>,
        jitter: impl FnMut() -> f64,
    ) -> Recommendation {
        let blank = Blank {
            language: self.language,
            report,
            tick,
            now,
        };
        // The rules know when the data do not allow advice, whoever gives it.
        let by_rules = match rules::advise(report, tick) {
            Ok(judgement) => judgement.into_advice(self.language),
            Err(reason) => {
                let notes = &report.data_honesty.notes;
                let notes: Vec<String> = notes.iter().map(|note| note.words(self.language)).collect();
                let notes = notes.join("; ");
                return Recommendation {
                    detail: Some(notes).filter(|notes| !notes.is_empty()),
                    ..blank.line(reason)
                };
            }
        };
        let Some(given) = Given::of(report) else {
            return blank.line(AbstainReason::IncompleteData);
        };
        let not_asked = self.not_asked(now);
        let (asked, replayed) = match (&mut self.model, not_asked) {
            (Model::Recorded(recording), _) => (recording.ask(report, &given), true),
            (Model::Live(model), None) => (model.ask(report, &given, jitter).await, false),
            (Model::Absent(absent), _) => return blank.by_rules(by_rules, absent.code()),
            (Model::Live(_), Some(reason)) => return blank.by_rules(by_rules, reason.code()),
        };
        if replayed {
            let line = self.interpret(&blank, asked, by_rules);
            let replayed = "replayed from a recording".to_owned();
            return Recommendation {
                detail: Some(
                    line.detail
                        .map_or(replayed.clone(), |detail| format!("{replayed}; {detail}")),
                ),
                ..line
            };
        }
        let mut asked = asked;
        self.record = Some(Record::of(&mut asked, report.symbol.clone(), now));
        self.interpret(&blank, asked, by_rules)
    }

    /// What the conversation means for the line.
    fn interpret(&mut self, blank: &Blank<'_>, asked: Asked, by_rules: Advice) -> Recommendation {
        let spending = self.charge(&asked, blank.now);
        self.judge_model(&asked.outcome, blank.now);
        let line = match asked.outcome {
            Ok(answer) => {
                let advice = blank.advice_of(answer);
                blank
                    .line(AbstainReason::InvalidAnswer)
                    .with_advice(advice, Source::Deepseek)
            }
            Err(error) => {
                let line = match error.outcome() {
                    Outcome::FallBack(code) => blank.by_rules(by_rules, code),
                    Outcome::Abstain(reason) => Recommendation {
                        source: Source::Deepseek,
                        ..blank.line(reason)
                    },
                };
                Recommendation {
                    detail: Some(error_chain(&error)),
                    ..line
                }
            }
        };
        Recommendation {
            model: asked.model.filter(|_| line.source == Source::Deepseek),
            model_fingerprint: asked.fingerprint,
            model_usage: Some(spending),
            ..line
        }
    }

    fn not_asked(&mut self, now: DateTime<Utc>) -> Option<NotAsked> {
        if !matches!(self.model, Model::Live(_)) {
            return None;
        }
        let over = self.ledger.spent(now) >= self.max_cost_per_day_usd;
        if over != self.over_budget {
            self.over_budget = over;
            if over {
                tracing::warn!(
                    spent_usd = self.ledger.spent(now),
                    max_usd = self.max_cost_per_day_usd,
                    "the model's budget of the day is used up; the rules advise until it ends"
                );
            } else {
                tracing::info!("a new day: the model is asked again");
            }
        }
        if over {
            return Some(NotAsked::Budget);
        }
        self.breaker.check(now).map(NotAsked::Paused)
    }

    fn charge(&mut self, asked: &Asked, now: DateTime<Utc>) -> Spending {
        let cost = cost_usd(asked.usage, &self.prices, now);
        self.ledger.add(now, cost);
        let rounded = |usd: f64| (usd * 1e6).round() / 1e6;
        Spending {
            requests: asked.requests,
            usage: asked.usage,
            cost_usd: rounded(cost),
            cost_today_usd: rounded(self.ledger.spent(now)),
        }
    }

    /// Tells the breaker how it went, and the operator what changed.
    fn judge_model(&mut self, outcome: &Result<Answer, LlmError>, now: DateTime<Utc>) {
        let change = match outcome {
            Err(error) if matches!(error.outcome(), Outcome::FallBack(_)) => {
                self.breaker.on_failure(error, now)
            }
            // It answered, if only nonsense.
            _ => self.breaker.on_answer(),
        };
        let error = outcome.as_ref().err().map(|error| error_chain(error));
        match change {
            Some(Change::Paused(pause)) => {
                tracing::error!(
                    error,
                    "{}; the rules advise, it is tried again later",
                    pause.words()
                );
            }
            Some(Change::Resumed) => tracing::info!("the model answers again"),
            None => {
                if let Some(error) = error {
                    tracing::warn!(error, "no advice from the model");
                }
            }
        }
    }
}

/// What every line of a cycle begins as.
struct Blank<'a> {
    language: Language,
    report: &'a MarketReport,
    tick: BucketWidth,
    now: DateTime<Utc>,
}

impl Blank<'_> {
    /// The model's answer as advice; quotes come from range and walls, not from the model.
    fn advice_of(&self, answer: Answer) -> Advice {
        Advice {
            quotes: rules::quotes_for(self.report, answer.action, &answer.range, self.tick),
            action: answer.action,
            price_range: Some(answer.range),
            confidence: answer.confidence,
            reasoning: answer.reasoning,
            risk_level: answer.risk,
        }
    }

    fn line(&self, reason: AbstainReason) -> Recommendation {
        let words = abstention_words(self.language, reason).to_owned();
        let symbol = self.report.symbol.clone();
        Recommendation {
            market_context: MarketContext::of(self.report),
            ..Recommendation::abstention(self.now, symbol, reason, words)
        }
    }

    fn by_rules(&self, advice: Advice, code: &'static str) -> Recommendation {
        Recommendation {
            fallback_reason: Some(code.to_owned()),
            ..self
                .line(AbstainReason::ModelUnavailable)
                .with_advice(advice, Source::Rules)
        }
    }
}

/// Why there is no advice, for the reader of the log.
pub fn abstention_words(language: Language, reason: AbstainReason) -> &'static str {
    match (language, reason) {
        (Language::Zh, AbstainReason::StaleData) => "不给建议：最新数据已过期。",
        (Language::Zh, AbstainReason::IncompleteData) => "不给建议：数据不完整。",
        (Language::Zh, AbstainReason::ModelUnavailable) => "不给建议：模型不可用。",
        (Language::Zh, AbstainReason::ModelRefused) => "不给建议：模型拒绝回答。",
        (Language::Zh, AbstainReason::InvalidAnswer) => "不给建议：模型的回答未通过检查。",
        (Language::Zh, AbstainReason::Budget) => "不给建议：今日模型预算已用完。",
        (Language::En, AbstainReason::StaleData) => "No advice: the newest data are too old.",
        (Language::En, AbstainReason::IncompleteData) => "No advice: too much of the data is missing.",
        (Language::En, AbstainReason::ModelUnavailable) => "No advice: the model is not available.",
        (Language::En, AbstainReason::ModelRefused) => "No advice: the model refused to answer.",
        (Language::En, AbstainReason::InvalidAnswer) => "No advice: the model's answer failed a check.",
        (Language::En, AbstainReason::Budget) => "No advice: the model's budget of the day is used up.",
    }
}

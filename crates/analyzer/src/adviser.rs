//! Who advises: the model while it can and may, otherwise the rules, otherwise nobody, and why.
//!
//! `cycle` asks once per cycle. What must stay true: the model is never called when the data do not allow
//! advice; every answer says who gave it and why it was not somebody else; nothing here writes anything.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use strategy_core::analysis::rules;
use strategy_core::config::{DeepseekConfig, Language};
use strategy_core::model::advice::{AbstainReason, Advice};
use strategy_core::model::report::MarketReport;
use strategy_core::num::BucketWidth;
use strategy_core::store::{DaySpending, ModelStatus};
use strategy_core::telemetry::error_chain;
use tokio_util::sync::CancellationToken;

use crate::llm::breaker::{Breaker, Change, Pause};
use crate::llm::conversation::Settings;
use crate::llm::deepseek::{Asked, Deepseek, SetupError};
use crate::llm::error::{LlmError, Outcome};
use crate::llm::record::{Occasion, Record};
use crate::llm::recording::Recording;
use crate::llm::reply::{Answer, Given};
use crate::purse::Purse;
use crate::recommendation::{MarketContext, Recommendation, Source};

/// The model, the rules, and what is known about the model.
#[derive(Debug)]
pub struct Adviser {
    model: Model,
    /// Its name, as configured.
    name: String,
    record: Option<Record>,
    language: Language,
    breaker: Breaker,
    purse: Purse,
    max_cost_per_day_usd: Decimal,
    over_budget: bool,
    /// Why the model was not asked in the last cycle.
    not_asked: Option<&'static str>,
    /// The model was asked since the start.
    was_asked: bool,
}

/// Who is asked.
#[derive(Debug)]
enum Model {
    /// The vendor's.
    Live(Box<Deepseek>),
    /// One that repeats what was recorded.
    Recorded(Box<(Recording, Settings)>),
    /// Nobody.
    Absent(Absent),
}

/// What advice is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The analysis.
    pub report: &'a MarketReport,
    /// Quotes are multiples of it.
    pub tick: BucketWidth,
    /// Arrival of the newest book.
    pub book: Option<DateTime<Utc>>,
    /// The time of the cycle.
    pub now: DateTime<Utc>,
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

impl Adviser {
    /// An adviser as configured; `purse` is what was spent today already.
    ///
    /// # Errors
    /// [`SetupError`] when the model's client cannot be made.
    pub fn new(config: &DeepseekConfig, purse: Purse) -> Result<Self, SetupError> {
        let model = match config.api_key.get() {
            _ if !config.enabled => Model::Absent(Absent::Disabled),
            None => Model::Absent(Absent::NoKey),
            Some(key) => Model::Live(Box::new(Deepseek::new(config, key.clone())?)),
        };
        Ok(Self {
            model,
            name: config.model.clone(),
            record: None,
            language: config.language,
            breaker: Breaker::default(),
            purse,
            max_cost_per_day_usd: config.max_cost_per_day_usd,
            over_budget: false,
            not_asked: None,
            was_asked: false,
        })
    }

    /// Answers from a recording from now on, whether or not there is a model.
    pub fn replay(&mut self, recording: Recording, settings: Settings) {
        self.model = Model::Recorded(Box::new((recording, settings)));
    }

    /// Why there is no model.
    pub fn absent(&self) -> Option<Absent> {
        match &self.model {
            Model::Absent(absent) => Some(*absent),
            Model::Live(_) | Model::Recorded(_) => None,
        }
    }

    /// True when asking costs money.
    pub fn is_live(&self) -> bool {
        matches!(self.model, Model::Live(_))
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
                self.max_cost_per_day_usd.normalize()
            ));
        }
        self.breaker.pause().map(|pause| pause.words().to_owned())
    }

    /// What is wrong with the record of the cost, for a person.
    pub fn purse_trouble(&self) -> Option<String> {
        self.purse.trouble().map(str::to_owned)
    }

    /// What was spent on the UTC day of `now`.
    pub fn today(&self, now: DateTime<Utc>) -> DaySpending {
        self.purse.today(now)
    }

    /// Another record of what was spent today; the greater counts.
    pub fn absorb(&mut self, other: DaySpending, now: DateTime<Utc>) {
        self.purse.absorb(other, now);
    }

    /// The model and its cost, for the status.
    pub fn status(&self, now: DateTime<Utc>) -> ModelStatus {
        ModelStatus {
            name: match &self.model {
                Model::Live(_) => Some(self.name.clone()),
                Model::Recorded(_) => Some("a recording".to_owned()),
                Model::Absent(_) => None,
            },
            not_asked: self.not_asked.map(str::to_owned),
            last_call: self.was_asked.then(|| self.purse.call()),
            today: self.purse.today(now),
            max_cost_per_day_usd: self.max_cost_per_day_usd,
        }
    }

    /// A recommendation about a situation; `stop` ends a call that is under way, and the rules advise.
    ///
    /// # Cancel safety
    /// Dropping it ends a call that is under way; its cost is counted.
    pub async fn advise(
        &mut self,
        situation: &Situation<'_>,
        stop: &CancellationToken,
        jitter: impl FnMut() -> f64,
    ) -> Recommendation {
        let line = self.line(situation, stop, jitter).await;
        Recommendation {
            model_today: self.is_live().then(|| self.purse.today(situation.now)),
            ..line
        }
    }

    async fn line(
        &mut self,
        situation: &Situation<'_>,
        stop: &CancellationToken,
        jitter: impl FnMut() -> f64,
    ) -> Recommendation {
        let Situation { report, now, .. } = *situation;
        let blank = Blank {
            language: self.language,
            situation,
        };
        self.not_asked = None;
        // The rules know when the data do not allow advice, whoever gives it.
        let by_rules = match rules::advise(report, situation.tick) {
            Ok(judgement) => judgement.into_advice(self.language),
            Err(reason) => {
                self.not_asked = Some(reason.as_str());
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
        self.not_asked = self.reason_not_to_ask(now);
        if let Some(code) = self.not_asked {
            return blank.by_rules(by_rules, code);
        }
        let mut asked = match &mut self.model {
            Model::Absent(absent) => return blank.by_rules(by_rules, absent.code()),
            Model::Recorded(recorded) => {
                let (recording, settings) = recorded.as_mut();
                let asked = recording.ask(settings, report, given, situation.book);
                return Recommendation {
                    replayed: true,
                    ..interpret(&blank, asked, by_rules)
                };
            }
            Model::Live(model) => {
                self.purse.begin();
                self.was_asked = true;
                model.ask(report, given, &mut self.purse, now, stop, jitter).await
            }
        };
        let spending = self.purse.call();
        let occasion = Occasion {
            at: now,
            symbol: report.symbol.clone(),
            book: situation.book,
        };
        self.record = Some(Record::of(&mut asked, spending, occasion));
        self.judge_model(&asked.outcome, now);
        Recommendation {
            model_usage: Some(spending),
            ..interpret(&blank, asked, by_rules)
        }
    }

    fn reason_not_to_ask(&mut self, now: DateTime<Utc>) -> Option<&'static str> {
        if !matches!(self.model, Model::Live(_)) {
            return None;
        }
        let spent = self.purse.today(now).spending.cost_usd;
        let over = spent >= self.max_cost_per_day_usd;
        if over != self.over_budget {
            self.over_budget = over;
            if over {
                tracing::warn!(
                    spent_usd = %spent,
                    max_usd = %self.max_cost_per_day_usd,
                    "the model's budget of the day is used up; the rules advise until it ends"
                );
            } else {
                tracing::info!("a new day: the model is asked again");
            }
        }
        if over {
            return Some(AbstainReason::Budget.as_str());
        }
        self.breaker.check(now).map(Pause::code)
    }

    /// Tells the breaker how it went, and the operator what changed.
    fn judge_model(&mut self, outcome: &Result<Answer, LlmError>, now: DateTime<Utc>) {
        let was_paused = self.breaker.pause().is_some();
        let change = match outcome {
            // That says nothing about the model.
            Err(LlmError::Stopped) => return,
            Err(error) if matches!(error.outcome(), Outcome::FallBack(_)) => {
                self.breaker.on_failure(error, now)
            }
            // It answered, if only nonsense.
            _ => self.breaker.on_answer(),
        };
        let error = outcome.as_ref().err().map(|error| error_chain(error));
        match (change, error) {
            (Some(Change::Paused(pause)), error) => {
                let words = pause.words();
                tracing::error!(error, "{words}; the rules advise, it is tried again later");
            }
            (Some(Change::Resumed), _) => tracing::info!("the model answers again"),
            // A probe that found what is known already.
            (None, Some(error)) if was_paused => tracing::debug!(error, "the model is still out"),
            (None, Some(error)) => tracing::warn!(error, "no advice from the model"),
            (None, None) => {}
        }
    }
}

/// What the conversation means for the line.
fn interpret(blank: &Blank<'_>, asked: Asked, by_rules: Advice) -> Recommendation {
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
                detail: Some(error.words(blank.language)),
                ..line
            }
        }
    };
    Recommendation {
        model: asked.model.filter(|_| line.source == Source::Deepseek),
        model_fingerprint: asked.fingerprint,
        ..line
    }
}

/// What every line of a cycle begins as.
struct Blank<'a> {
    language: Language,
    situation: &'a Situation<'a>,
}

impl Blank<'_> {
    /// The model's answer as advice; quotes come from range and walls, not from the model.
    fn advice_of(&self, answer: Answer) -> Advice {
        let Situation { report, tick, .. } = *self.situation;
        let quotes = rules::quotes_for(report, answer.action, &answer.range, tick);
        Advice {
            quotes,
            action: answer.action,
            price_range: Some(answer.range),
            confidence: answer.confidence,
            reasoning: answer.reasoning,
            risk_level: answer.risk,
        }
    }

    fn line(&self, reason: AbstainReason) -> Recommendation {
        let words = abstention_words(self.language, reason).to_owned();
        let Situation { report, now, .. } = *self.situation;
        Recommendation {
            market_context: MarketContext::of(report),
            ..Recommendation::abstention(now, report.symbol.clone(), reason, words)
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

//! One recommendation as it stands in the log and in Redis. Pure.
//!
//! What must stay true: every line says whether HOLD was chosen or something failed, and who advised;
//! no text in it, the model's least of all, can break the line or steer a terminal.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strategy_core::json;
use strategy_core::model::advice::{AbstainReason, Action, Advice, PriceRange, Quote, RiskLevel};
use strategy_core::model::report::MarketReport;
use strategy_core::store::{DaySpending, Spending};
use strategy_core::symbol::Symbol;
use strategy_core::time::rfc3339;

/// Who advised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The model.
    Deepseek,
    /// The rules of this program.
    Rules,
}

impl Source {
    /// As a line says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deepseek => "deepseek",
            Self::Rules => "rules",
        }
    }
}

/// Whether there is advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// There is.
    Ok,
    /// There is none; the action is HOLD and means nothing else.
    Abstain,
}

impl Status {
    /// As a line says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Abstain => "abstain",
        }
    }
}

/// How much the analysis found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MarketContext {
    /// Support levels.
    pub support_count: usize,
    /// Resistance levels.
    pub resistance_count: usize,
    /// Resonance zones.
    pub resonance_zones_count: usize,
    /// Points of control.
    pub poc_count: usize,
}

impl MarketContext {
    /// The counts of a report.
    pub fn of(report: &MarketReport) -> Self {
        Self {
            support_count: report.support_levels.len(),
            resistance_count: report.resistance_levels.len(),
            resonance_zones_count: report.resonance_zones.len(),
            poc_count: report.poc_levels.len(),
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// When the cycle began.
    #[serde(with = "rfc3339")]
    pub timestamp: DateTime<Utc>,
    /// The market.
    pub symbol: Symbol,
    /// What to do.
    pub action: Action,
    /// Where; none in an abstention, and when no price stands out.
    pub price_range: Option<PriceRange>,
    /// 0..1; 0 in an abstention.
    pub confidence: f64,
    /// Why.
    pub reasoning: String,
    /// How dangerous; HIGH in an abstention.
    pub risk_level: RiskLevel,
    /// How much the analysis found.
    pub market_context: MarketContext,
    /// Who advised, or failed to.
    pub source: Source,
    /// Whether there is advice.
    pub status: Status,
    /// The model that answered, as it calls itself.
    pub model: Option<String>,
    /// Orders worth placing.
    pub quotes: Vec<Quote>,
    /// Why the rules advise and not the model: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    /// Why there is no advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abstain_reason: Option<AbstainReason>,
    /// The failure behind either reason, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Version of the model behind its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_fingerprint: Option<String>,
    /// What the model cost in this cycle; none when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_usage: Option<Spending>,
    /// What the model cost on this UTC day, this cycle included; none without a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_today: Option<DaySpending>,
    /// A recording answered in place of the model.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

impl Recommendation {
    /// No advice yet: an abstention with a reason.
    pub fn abstention(at: DateTime<Utc>, symbol: Symbol, reason: AbstainReason, words: String) -> Self {
        Self {
            timestamp: at,
            symbol,
            action: Action::Hold,
            price_range: None,
            confidence: 0.0,
            reasoning: words,
            risk_level: RiskLevel::High,
            market_context: MarketContext::default(),
            source: Source::Rules,
            status: Status::Abstain,
            model: None,
            quotes: Vec::new(),
            fallback_reason: None,
            abstain_reason: Some(reason),
            detail: None,
            model_fingerprint: None,
            model_usage: None,
            model_today: None,
            replayed: false,
        }
    }

    /// Advice in place of the abstention.
    pub fn with_advice(self, advice: Advice, source: Source) -> Self {
        Self {
            action: advice.action,
            price_range: advice.price_range,
            confidence: advice.confidence,
            reasoning: advice.reasoning,
            risk_level: advice.risk_level,
            quotes: advice.quotes,
            source,
            status: Status::Ok,
            abstain_reason: None,
            ..self
        }
    }

    /// The line, without a line feed.
    ///
    /// # Errors
    /// When a number has more digits than the format keeps; a mistake of this program.
    pub fn to_line(&self) -> serde_json::Result<String> {
        let clean = |text: &Option<String>| text.as_deref().map(plain);
        json::to_string(&Self {
            reasoning: plain(&self.reasoning),
            detail: clean(&self.detail),
            model: clean(&self.model),
            model_fingerprint: clean(&self.model_fingerprint),
            ..self.clone()
        })
    }
}

/// The text on one line, without anything that steers a terminal or changes the direction of text.
fn plain(text: &str) -> String {
    let is_steering = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let spaced: String = text
        .chars()
        .map(|letter| if is_steering(letter) { ' ' } else { letter })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a line says of the day's cost; `None` when it says nothing or is not a line of this program.
pub fn day_spending(line: &str) -> Option<DaySpending> {
    #[derive(Deserialize)]
    struct Line {
        model_today: DaySpending,
    }
    let line: Line = serde_json::from_str(line).ok()?;
    Some(line.model_today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::dec;
    use strategy_core::model::advice::QuoteSide;
    use strategy_core::model::report::Number;

    fn abstention() -> Recommendation {
        Recommendation::abstention(
            DateTime::from_timestamp(1_763_792_045, 0).unwrap(),
            Symbol::new("BTCFDUSD").unwrap(),
            AbstainReason::StaleData,
            "old".to_owned(),
        )
    }

    #[test]
    fn a_line_reads_as_the_contract_says() {
        let number = Number::new;
        let advice = Advice {
            action: Action::Buy,
            price_range: Some(PriceRange {
                low: number(dec!(110130.01)),
                high: number(dec!(110140.00)),
            }),
            confidence: 0.72,
            reasoning: "墙\n在 110136".to_owned(),
            risk_level: RiskLevel::Medium,
            quotes: vec![Quote {
                side: QuoteSide::Buy,
                price: number(dec!(110136.01)),
                weight: 0.6,
            }],
        };
        let mut line = abstention().with_advice(advice, Source::Deepseek);
        line.model = Some("deepseek-flash".to_owned());
        line.market_context.support_count = 4;
        assert_eq!(
            line.to_line().unwrap(),
            concat!(
                r#"{"timestamp":"2025-11-22T06:14:05+00:00","symbol":"BTCFDUSD","action":"BUY","#,
                r#""price_range":[110130.01,110140],"confidence":0.72,"reasoning":"墙 在 110136","#,
                r#""risk_level":"MEDIUM","market_context":{"support_count":4,"resistance_count":0,"#,
                r#""resonance_zones_count":0,"poc_count":0},"source":"deepseek","status":"ok","#,
                r#""model":"deepseek-flash","quotes":[{"side":"BUY","price":110136.01,"weight":0.6}]}"#
            )
        );
    }

    #[test]
    fn an_abstention_is_a_hold_that_says_so() {
        let line: serde_json::Value = serde_json::from_str(&abstention().to_line().unwrap()).unwrap();
        assert_eq!(line["action"], "HOLD");
        assert_eq!(line["confidence"], 0);
        assert!(line["price_range"].is_null());
        assert_eq!(line["status"], "abstain");
        assert_eq!(line["abstain_reason"], "stale_data");
    }

    #[test]
    fn what_the_day_cost_can_be_read_back() {
        let mut line = abstention();
        assert_eq!(day_spending(&line.to_line().unwrap()), None);
        let today = DaySpending {
            day: line.timestamp.date_naive(),
            spending: Spending {
                requests: 2,
                cost_usd: dec!(0.000812),
                ..Spending::default()
            },
        };
        line.model_today = Some(today);
        assert_eq!(day_spending(&line.to_line().unwrap()), Some(today));
        assert_eq!(day_spending("{torn"), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_line(text in "\\PC{0,40}[\\x00-\\x1f\\x7f-\\x9f\u{2028}\u{202e}\"\\\\]{0,10}\\PC{0,5}") {
            let mut line = abstention();
            line.reasoning.clone_from(&text);
            line.detail = Some(text);
            let line = line.to_line().unwrap();
            let steering = line.chars().filter(|letter| letter.is_control() || *letter == '\u{202e}');
            prop_assert_eq!(steering.count(), 0);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
        }
    }
}

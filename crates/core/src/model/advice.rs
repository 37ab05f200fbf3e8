//! What an adviser concludes, be it the local rules or a model.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeTuple as _, Serializer};

use crate::model::report::Number;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Lean to the buy side.
    Buy,
    /// Lean to the sell side.
    Sell,
    /// Lean to neither side.
    Hold,
}

impl Action {
    /// As a line says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
            Self::Hold => "HOLD",
        }
    }
}

/// How dangerous it is to follow the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RiskLevel {
    /// Calm, near, complete.
    Low,
    /// One thing speaks against it.
    Medium,
    /// Several do.
    High,
}

/// A price range, both ends included; `low` is not above `high`.
///
/// Written as `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRange {
    /// Lowest price.
    pub low: Number,
    /// Highest price.
    pub high: Number,
}

impl Serialize for PriceRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.low)?;
        pair.serialize_element(&self.high)?;
        pair.end()
    }
}

/// Side of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QuoteSide {
    /// A bid.
    Buy,
    /// An ask.
    Sell,
}

/// A passive order worth placing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quote {
    /// Bid or ask.
    pub side: QuoteSide,
    /// A multiple of the tick that does not cross the book of the analysis.
    pub price: Number,
    /// Share of the amount to quote, 0..1, four decimals; the weights of one advice add up to 1.
    pub weight: f64,
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// What to do.
    pub action: Action,
    /// Where; none when no price stands out.
    pub price_range: Option<PriceRange>,
    /// Belief in the advice, 0..1, four decimals.
    pub confidence: f64,
    /// Why, in plain words and with the numbers it rests on.
    pub reasoning: String,
    /// How dangerous it is to follow.
    pub risk_level: RiskLevel,
    /// Orders worth placing, heaviest first.
    pub quotes: Vec<Quote>,
}

/// Why there is no advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AbstainReason {
    /// The newest snapshot or minute is too old.
    StaleData,
    /// Too much of the data is missing.
    IncompleteData,
    /// The model could not be reached.
    ModelUnavailable,
    /// The model declined to answer.
    ModelRefused,
    /// The model's answer failed a check.
    InvalidAnswer,
    /// The model may not be called any more today.
    Budget,
}

impl AbstainReason {
    /// As the recommendation log spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleData => "stale_data",
            Self::IncompleteData => "incomplete_data",
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelRefused => "model_refused",
            Self::InvalidAnswer => "invalid_answer",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for AbstainReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn advice_is_spelled_as_the_log_wants_it() {
        let price = |cents| Number::new(Decimal::new(cents, 2));
        let advice = Advice {
            action: Action::Buy,
            price_range: Some(PriceRange {
                low: price(11_013_001),
                high: price(11_014_000),
            }),
            confidence: 0.72,
            reasoning: "wall".to_owned(),
            risk_level: RiskLevel::Medium,
            quotes: vec![Quote {
                side: QuoteSide::Buy,
                price: price(11_013_601),
                weight: 1.0,
            }],
        };
        assert_eq!(
            crate::json::to_string(&advice).unwrap(),
            r#"{"action":"BUY","price_range":[110130.01,110140],"confidence":0.72,"reasoning":"wall","risk_level":"MEDIUM","quotes":[{"side":"BUY","price":110136.01,"weight":1}]}"#
        );
    }

    #[test]
    fn an_abstention_is_spelled_the_same_in_json_and_in_text() {
        for reason in [
            AbstainReason::StaleData,
            AbstainReason::IncompleteData,
            AbstainReason::ModelUnavailable,
            AbstainReason::ModelRefused,
            AbstainReason::InvalidAnswer,
            AbstainReason::Budget,
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
        }
    }
}

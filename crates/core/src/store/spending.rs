//! What the model cost: the record of one UTC day that survives a restart, and the verbs for it.

use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::store::text::Text;
use crate::store::{Store, StoreError};

/// How long the record stays in Redis: the day it is of, and another.
const SPENDING_TTL_SECONDS: u64 = 2 * 86_400;

/// Money as a JSON number of up to 15 digits.
pub(super) mod usd {
    use rust_decimal::Decimal;
    use serde::{Deserializer, Serialize as _, Serializer};

    use crate::model::report::Number;
    use crate::num::json_number;

    pub(crate) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        Number::new(*value).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        json_number::deserialize(deserializer)
    }
}

/// Requests, tokens and money of one conversation with the model, or of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// Requests sent.
    pub requests: u64,
    /// Tokens sent that were in the vendor's cache, as the vendor stated.
    pub cached_tokens: u64,
    /// Tokens sent that were not, as the vendor stated.
    pub input_tokens: u64,
    /// Tokens received, reasoning included, as the vendor stated.
    pub output_tokens: u64,
    /// Money in US dollars, `estimated_usd` included.
    #[serde(with = "usd")]
    pub cost_usd: Decimal,
    /// Requests whose tokens the vendor did not state, for instance because no answer came.
    pub estimated_requests: u64,
    /// The most those can have cost, in US dollars.
    #[serde(with = "usd")]
    pub estimated_usd: Decimal,
}

impl Spending {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd: self.cost_usd.saturating_add(other.cost_usd),
            estimated_requests: self.estimated_requests.saturating_add(other.estimated_requests),
            estimated_usd: self.estimated_usd.saturating_add(other.estimated_usd),
        }
    }

    /// What is left without a part of it.
    #[must_use]
    pub fn minus(self, part: Self) -> Self {
        let less = |whole: Decimal, part: Decimal| whole.saturating_sub(part).max(Decimal::ZERO);
        Self {
            requests: self.requests.saturating_sub(part.requests),
            cached_tokens: self.cached_tokens.saturating_sub(part.cached_tokens),
            input_tokens: self.input_tokens.saturating_sub(part.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(part.output_tokens),
            cost_usd: less(self.cost_usd, part.cost_usd),
            estimated_requests: self.estimated_requests.saturating_sub(part.estimated_requests),
            estimated_usd: less(self.estimated_usd, part.estimated_usd),
        }
    }

    /// The dearer of two records of the same thing; of two that cost the same the one with more requests.
    #[must_use]
    pub fn greater(self, other: Self) -> Self {
        if (other.cost_usd, other.requests) > (self.cost_usd, self.requests) {
            other
        } else {
            self
        }
    }
}

impl fmt::Display for Spending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} requests, tokens: {} cached, {} sent, {} received; {} usd",
            self.requests,
            self.cached_tokens,
            self.input_tokens,
            self.output_tokens,
            self.cost_usd.normalize()
        )?;
        if self.estimated_requests > 0 {
            write!(
                formatter,
                ", of which at most {} usd for {} requests whose cost was not stated",
                self.estimated_usd.normalize(),
                self.estimated_requests
            )?;
        }
        Ok(())
    }
}

/// What the model cost on one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySpending {
    /// The day.
    pub day: NaiveDate,
    /// What it cost.
    pub spending: Spending,
}

impl Store {
    /// Stores what the model cost today. May be repeated.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn put_model_spending(&mut self, today: &DaySpending) -> Result<(), StoreError> {
        let document = json::to_string(today).map_err(StoreError::Encode)?;
        let mut command = redis::cmd("SET");
        command
            .arg(self.keys.model_spending())
            .arg(document)
            .arg("EX")
            .arg(SPENDING_TTL_SECONDS);
        self.query("store the model's cost", &command).await
    }

    /// What was stored last; `None` when there is nothing.
    ///
    /// # Errors
    /// Any [`StoreError`], also when what is there is no such document.
    pub async fn model_spending(&mut self) -> Result<Option<DaySpending>, StoreError> {
        let key = self.keys.model_spending();
        let asked = self
            .query("read the model's cost", redis::cmd("GET").arg(&key))
            .await;
        let text: Option<Text> = match asked {
            Err(error) => return Err(self.named(error, &[(key, "string")]).await),
            Ok(text) => text,
        };
        let read = text.map(|Text(text)| serde_json::from_str(&text)).transpose();
        read.map_err(|source| StoreError::Decode {
            key,
            source: source.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    fn spending(requests: u64, cost_usd: Decimal) -> Spending {
        Spending {
            requests,
            cost_usd,
            ..Spending::default()
        }
    }

    #[test]
    fn the_dearer_record_wins() {
        let (cheap, dear) = (spending(9, dec!(0.5)), spending(2, dec!(0.6)));
        assert_eq!(cheap.greater(dear), dear);
        assert_eq!(dear.greater(cheap), dear);
        let busy = spending(3, dec!(0.60));
        assert_eq!(dear.greater(busy), busy);
    }

    #[test]
    fn a_record_survives_being_written_to_the_last_digit() {
        let spending = Spending {
            cached_tokens: 768,
            estimated_requests: 1,
            estimated_usd: dec!(0.0042),
            ..spending(2, dec!(1.0000000003))
        };
        let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        let text = json::to_string(&DaySpending { day, spending }).unwrap();
        assert!(text.contains(r#""cost_usd":1.0000000003"#), "{text}");
        let read: DaySpending = serde_json::from_str(&text).unwrap();
        assert_eq!(read.spending, spending);
    }

    #[test]
    fn what_is_taken_back_never_leaves_less_than_nothing() {
        let (small, large) = (spending(1, dec!(0.1)), spending(2, dec!(0.2)));
        assert_eq!(small.minus(large), spending(0, Decimal::ZERO));
        assert_eq!(small.plus(large).minus(small), large);
    }

    #[test]
    fn an_estimate_is_named_in_words() {
        let exact = spending(2, dec!(0.0008));
        assert_eq!(
            exact.to_string(),
            "2 requests, tokens: 0 cached, 0 sent, 0 received; 0.0008 usd"
        );
        let estimated = Spending {
            estimated_requests: 1,
            estimated_usd: dec!(0.0005),
            ..exact
        };
        let words = "0.0008 usd, of which at most 0.0005 usd for 1 requests whose cost was not stated";
        assert!(estimated.to_string().ends_with(words), "{estimated}");
    }
}

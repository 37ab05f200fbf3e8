//! The recorder's questions, put to REST.

use strategy_core::time::ExchangeMs;

use crate::binance::budget::Urgency;
use crate::binance::error::RestError;
use crate::binance::parse::TradeRow;
use crate::recorder::Question;
use crate::shared::Shared;

/// REST's answer to a question.
pub(super) enum Answer {
    /// The trades from an id on.
    Page(Vec<TradeRow>),
    /// The exchange's time, and the newest trade afterwards.
    Newest(ExchangeMs, Option<TradeRow>),
}

/// Puts one question to REST.
pub(super) async fn ask(shared: &Shared, question: Question) -> Result<Answer, RestError> {
    match question {
        Question::Page { from, .. } => shared
            .rest
            .trades_from(from, Urgency::Live)
            .await
            .map(Answer::Page),
        Question::Newest => {
            // In this order: what is older than the time and not the newest trade's successor was seen.
            let time = shared.rest.time().await?;
            Ok(Answer::Newest(time, shared.rest.newest_trade().await?))
        }
    }
}

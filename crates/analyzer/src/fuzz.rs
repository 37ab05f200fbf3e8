//! Entrances for the targets in `fuzz/`: text of a model in, and what must hold of what was made of it.
//!
//! Each function panics when it does not hold.
#![expect(clippy::missing_panics_doc, reason = "said once for all of them")]

use rust_decimal::dec;
use serde_json::Value;
use strategy_core::config::Language;

use crate::llm::reply::{Given, judge};
use crate::llm::wire::Turn;

/// A final answer.
pub fn answer(text: &str) {
    let given = Given::for_test();
    match judge(text, &given) {
        Ok(answer) => {
            assert!((0.0..=1.0).contains(&answer.confidence), "{answer:?}");
            let (low, high) = (answer.range.low.get(), answer.range.high.get());
            assert!(
                low <= high && low >= dec!(110150) * dec!(0.97) && high <= dec!(110150) * dec!(1.03),
                "{answer:?}"
            );
            assert!(given.touches(low, high), "{answer:?}");
            assert!(
                answer.reasoning.chars().count() <= 2001,
                "{}",
                answer.reasoning.len()
            );
        }
        Err(error) => {
            for language in [Language::Zh, Language::En] {
                assert!(!error.words(language).is_empty());
            }
        }
    }
}

/// A body of the endpoint.
pub fn body(text: &str) {
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return;
    };
    if let Ok(turn) = Turn::read(&document) {
        let ids = turn.tool_calls();
        assert!(ids.iter().all(|call| !call.id.is_empty()), "{ids:?}");
        answer(&turn.message.content);
        for call in ids {
            answer(&call.arguments);
        }
    }
}

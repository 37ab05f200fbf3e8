//! Entrances for the targets in `fuzz/`: text of a model in, and what must hold of what was made of it.
//!
//! Each function panics when it does not hold.
#![expect(clippy::missing_panics_doc, reason = "said once for all of them")]

use rust_decimal::dec;
use serde_json::Value;
use strategy_core::config::Language;
use strategy_core::symbol::Symbol;

use crate::llm::models::{self, MAX_NAMES, Verdict};
use crate::llm::reply::{Given, judge};
use crate::llm::tools::check_arguments;
use crate::llm::transport::{MAX_MESSAGE, message};
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

/// A body of the endpoint: an answer, a refusal or the list of models.
pub fn body(text: &str) {
    assert!(message(text.as_bytes()).chars().count() <= MAX_MESSAGE);
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return;
    };
    if let Verdict::NotOffered(names) = models::judge(&document, "deepseek-flash") {
        assert!(names.len() <= MAX_NAMES, "{names:?}");
    }
    if let Ok(turn) = Turn::read(&document) {
        let ids = turn.tool_calls();
        assert!(ids.iter().all(|call| !call.id.is_empty()), "{ids:?}");
        answer(&turn.message.content);
        let Ok(market) = Symbol::new("BTCFDUSD") else {
            return;
        };
        for call in ids {
            answer(&call.arguments);
            if let Err(words) = check_arguments(&call.arguments, &market) {
                assert!(!words.contains('\u{1b}'), "{words}");
            }
        }
    }
}

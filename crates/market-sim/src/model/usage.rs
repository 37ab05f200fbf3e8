//! Token counts, by the vendor's rule of thumb, and the prompt cache that the counts tell of.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// Prompts remembered.
const REMEMBERED: usize = 32;
/// Cached prefixes are counted in steps of so many tokens.
const STEP: u64 = 64;

/// The prompts of the last requests.
#[derive(Debug, Default)]
pub(super) struct PromptCache(VecDeque<String>);

impl PromptCache {
    /// Tokens of the longest prefix this prompt shares with an earlier one; remembers the prompt.
    pub(super) fn hit(&mut self, prompt: String) -> u64 {
        let shared = self
            .0
            .iter()
            .map(|known| shared_prefix(known, &prompt))
            .max()
            .unwrap_or(0);
        self.0.push_back(prompt);
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        tokens(shared) / STEP * STEP
    }
}

/// The `usage` object and the sum of its tokens.
pub(super) fn usage(prompt: &str, hit: u64, answer: &str, reasoning: &str) -> (Value, u64) {
    let prompt_tokens = tokens(prompt.len()).max(1);
    let hit = hit.min(prompt_tokens);
    let reasoning_tokens = tokens(reasoning.len());
    let completion_tokens = tokens(answer.len()).max(1) + reasoning_tokens;
    let total = prompt_tokens + completion_tokens;
    let usage = json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": total,
        "prompt_cache_hit_tokens": hit,
        "prompt_cache_miss_tokens": prompt_tokens - hit,
        "prompt_tokens_details": {"cached_tokens": hit},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    });
    (usage, total)
}

/// 0.3 tokens a character.
fn tokens(characters: usize) -> u64 {
    characters as u64 * 3 / 10
}

fn shared_prefix(one: &str, other: &str) -> usize {
    one.bytes()
        .zip(other.bytes())
        .take_while(|(one, other)| one == other)
        .count()
}

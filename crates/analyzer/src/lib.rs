//! Finds the prices that matter, asks the model, and writes one recommendation a minute.

pub mod journal;
pub mod llm;
pub mod recommendation;
#[cfg(test)]
mod sample;
pub mod schedule;

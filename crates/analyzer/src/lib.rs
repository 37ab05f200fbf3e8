//! Finds the prices that matter, asks the model, and writes one recommendation a minute.

pub mod llm;
#[cfg(test)]
mod sample;

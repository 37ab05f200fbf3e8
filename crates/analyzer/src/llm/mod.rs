//! The conversation with the model.
//!
//! ```text
//! report -> prompt, tools -> conversation <-> deepseek (HTTP) -> reply -> answer
//!                                 breaker decides whether it is held at all
//! ```
//!
//! `conversation`, `prompt`, `summary`, `tools`, `reply`, `cost`, `wire` and `breaker` are pure; only `deepseek`, its
//! transport and `models` touch the network. Nothing here knows Redis or the recommendation log.

pub mod breaker;
pub mod conversation;
pub mod cost;
pub mod deepseek;
pub mod error;
pub mod models;
pub mod prompt;
pub mod record;
pub mod recording;
pub mod reply;
mod summary;
pub mod tools;
pub mod transport;
pub mod wire;

//! The exchange, as this program sees it.
//!
//! Facts are from the Binance spot documents (`rest-api.md`, `web-socket-streams.md`, 2026-07-21).
//! `wire` and `parse` turn bytes into the model, `rest` asks, `transport` and `socket` move bytes,
//! `budget` decides when a request may go out. Nothing here decides what is recorded.

pub(crate) mod books;
pub(crate) mod budget;
pub(crate) mod error;
pub(crate) mod hold;
pub(crate) mod parse;
pub(crate) mod refusal;
pub(crate) mod rest;
mod scan;
pub(crate) mod socket;
pub(crate) mod transport;
mod unchanged;
pub(crate) mod wire;

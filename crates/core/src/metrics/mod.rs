//! Figures for a monitoring system, in Prometheus' text format.
//!
//! [`page`] writes the text and is pure; [`server`] answers requests for it. What must stay true: whoever asks,
//! and however, costs the program no more than a small, stated share of its time and memory.

pub mod page;
pub mod server;

pub use self::page::Page;
pub use self::server::serve;

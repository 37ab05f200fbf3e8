//! The simulator tests itself: against recorded payloads, against its own truth, and rule by rule.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test that cannot go on has failed; its statistics are small numbers"
)]

mod book;
mod late_rows;
mod model;
mod program;
mod proxy;
mod replay;
mod rest;
mod stream;
mod support;
mod tape;

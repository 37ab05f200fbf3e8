//! The analysis seen from outside: recorded data, planted truth, symmetries, and what went wrong before.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advice;
mod builders;
mod fixtures;
mod invariants;
mod planted_truth;
mod recorded;
mod regressions;

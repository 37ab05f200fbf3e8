//! The analysis seen from outside: recorded data, planted truth, symmetries, and what went wrong before.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advice;
mod books;
mod builders;
mod documented;
mod evidence;
mod fields;
mod fixtures;
mod invariants;
mod planted_truth;
mod rebuilt;
mod recorded;
mod regressions;

//! Both programs, as processes, against a real Redis and the simulators.
#![expect(clippy::unwrap_used, reason = "in a test, what cannot be done fails the test")]

mod collector;
mod config;
mod documents;
mod late_command;
mod logs;
mod signals;
mod whole;

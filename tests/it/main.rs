//! Both programs, as processes, against a real Redis and the simulators.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: what they cannot do must fail the test"
)]

mod books;
mod chaos;
mod clock;
mod collector;
mod config;
mod connections;
mod documents;
mod failover;
mod foreign;
mod history;
mod hostile;
mod late_command;
mod limits;
mod logs;
mod manners;
mod metrics;
mod oddities;
mod page;
mod reasons;
mod rights;
mod rules;
mod security;
mod signals;
mod storage;
mod watch;
mod whole;

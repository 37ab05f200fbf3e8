//! What the end-to-end tests and the chaos run share: a world with a real Redis, simulated peers and the
//! real programs, and the oracle that compares what was recorded with what the exchange knows.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "helpers of tests: what they cannot do must fail the test, loudly, with its reason and what the programs said"
)]

pub mod chaos;
mod local_clock;
mod oracle;
mod program;
mod world;

pub use local_clock::LocalClock;
pub use oracle::{Difference, Recorded};
pub use program::Program;
pub use world::{World, WorldOptions};

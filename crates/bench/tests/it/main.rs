//! The benchmarks run, and daemon and floor do the same work. What they measure is no matter here: nothing is
//! asserted of how fast a machine is.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests: what they cannot do must fail the test"
)]

mod floor;
mod lines;

//! The analysis seen from outside: recorded data, planted truth, symmetries, and what went wrong before.

mod fixtures;
mod recorded;

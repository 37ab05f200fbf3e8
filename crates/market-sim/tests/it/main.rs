//! The simulator tests itself: against recorded payloads, against its own truth, and rule by rule.

mod book;
mod rest;
mod support;
mod tape;

//! The simulator tests itself: against recorded payloads, against its own truth, and rule by rule.

mod book;
mod model;
mod proxy;
mod rest;
mod stream;
mod support;
mod tape;

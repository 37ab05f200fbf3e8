//! The tasks of the collector. They move data and wait; what is decided is decided elsewhere.

pub(crate) mod anchor;
pub(crate) mod backfill;
pub(crate) mod depth;
mod filing;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod market;
pub(crate) mod persist;
mod questions;
mod rejects;
pub(crate) mod status;
pub(crate) mod trades;
pub(crate) mod unsaved;

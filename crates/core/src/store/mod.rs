//! What the two programs keep in Redis, and the verbs for it.
//!
//! A [`Store`] is one connection with limits of its own; every task that talks to Redis has its own
//! store, so that a slow answer to one never holds up another. A command that failed with a broken
//! connection may have been executed: every write here may therefore be repeated without harm.

mod changes;
mod depth;
mod error;
mod image;
mod keys;
mod lease;
mod link;
mod meter;
mod record;
mod result;
mod scripts;
mod server;
mod spending;
mod status;
mod text;
mod window;

#[cfg(feature = "fuzzing")]
pub use changes::fuzz_changes;
pub use changes::{Revision, WindowHead};
#[cfg(feature = "fuzzing")]
pub use depth::fuzz_head;
pub use depth::{DepthHeads, DepthPush};
pub use error::StoreError;
pub use image::{MinuteState, WindowChange, WindowImage, WindowPlan};
pub use keys::Keys;
pub use lease::{LEASE_PERIOD, LEASE_TTL, LeaseState, LeaseToken};
pub use link::{Store, StoreOptions};
pub use meter::{Latencies, StoreMeter};
pub use record::{
    RecordError, decode_depth, decode_minute, decode_rows, encode_depth, encode_minute, encode_minute_pretty,
};
pub use server::{FULL_FROM_PERCENT, Questions, ServerState};
pub use spending::{DaySpending, Spending};
pub use status::{AnalyzerStatus, Backfill, CollectorStatus, ModelStatus, StatusVerdict, Writer};
pub use window::WindowContent;

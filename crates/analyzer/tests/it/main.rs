//! The analyzer against a real Redis and a model that can misbehave.
//!
//! `model_cases` asks one adviser per quirk of the model, `adviser` several times in a row; `cycle` runs whole
//! cycles in process, `odd_redis` those on a Redis that is not as it should be; `program` starts the real
//! binary. `market` holds the data they all see, `world` what a cycle runs on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adviser;
mod cycle;
mod market;
mod model_cases;
mod odd_redis;
mod program;
mod world;

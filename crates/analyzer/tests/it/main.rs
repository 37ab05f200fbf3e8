//! The analyzer against a real Redis and a model that can misbehave.
//!
//! `feed` reads from Redis alone; `model_cases` asks one adviser per quirk of the model, `adviser` several times in
//! a row; `moody` a model that fails at random for two hundred cycles; `money` is about what that costs,
//! `replay` about recorded answers, `refused` about lines that a disk or Redis did not take, `secrets` about the key; `silent` about a program that cannot advise; `model_list` is the question at the start; `cycle` runs whole cycles in process, `odd_redis` those on a Redis that is not as it should be; `explain`
//! `program` and `stopping` start the real binary; `beside` is two of them on one log. `fields` compares the line with its table. `market` holds the data they all see, `world` what a cycle runs on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adviser;
mod beside;
mod cycle;
#[path = "../../../core/tests/analysis/documented.rs"]
mod documented;
mod explain;
mod feed;
mod fields;
#[path = "../../../core/tests/analysis/fixtures.rs"]
mod fixtures;
mod market;
mod model_cases;
mod model_list;
mod money;
mod moody;
mod odd_redis;
mod program;
mod refused;
mod replay;
mod secrets;
mod silent;
mod stopping;
mod world;

//! Program entry: see [`market_sim::cli`].

use std::io;

use clap::Parser as _;
use market_sim::cli::{Arguments, run};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run(arguments));
    // Open connections are not waited for.
    runtime.shutdown_background();
    outcome
}

//! The program: arguments in, servers up, one line of URLs out.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Parser;
use serde_json::json;
use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::EventClock;
use crate::exchange::{Exchange, ExchangeConfig};
use crate::market::Market;
use crate::model::{ModelConfig, ModelServer};
use crate::replay::{Recording, Replay, ReplayConfig};
use crate::tape::{Tape, TapeConfig};

/// A Binance-like exchange and a DeepSeek-like model on loopback, for tests and demonstrations.
#[derive(Debug, Parser)]
#[command(name = "market-sim", version)]
pub struct Arguments {
    /// Port of the exchange's REST server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    rest_port: u16,
    /// Port of the exchange's stream server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    ws_port: u16,
    /// Port of the model; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    model_port: u16,
    /// Seed of the market.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Event seconds per second.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Median of the aggregate trades per minute.
    #[arg(long, default_value_t = 467.0)]
    rate: f64,
    /// Name of the market.
    #[arg(long, default_value = "BTCFDUSD", value_parser = Symbol::new)]
    symbol: Symbol,
    /// Minutes before the start the exchange still has.
    #[arg(long, default_value_t = 3000)]
    history_minutes: u32,
    /// Event time to start at, RFC 3339; the present if absent.
    #[arg(long)]
    start: Option<DateTime<Utc>>,
    /// Adds dead rows, missing ids and trade times that step back.
    #[arg(long)]
    rare_events: bool,
    /// Replays the aggTrade frames of this capture, again and again, in place of a generated market.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// The REST depth answer that is the book of the replay.
    #[arg(long, requires = "replay")]
    replay_depth: Option<PathBuf>,
    /// Injects faults in the order this seed gives.
    #[arg(long)]
    chaos_seed: Option<u64>,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When a port cannot be bound or standard output is closed.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let clock = match arguments.start {
        Some(start) => EventClock::running(start, arguments.speed),
        None => EventClock::live(),
    };
    clock.set_speed(arguments.speed);
    let market = market(&arguments, clock.now_ms())?;
    let config = ExchangeConfig {
        rest_port: arguments.rest_port,
        ws_port: arguments.ws_port,
        ..ExchangeConfig::default()
    };
    let exchange = Exchange::start(market, clock, config)
        .await
        .context("cannot bind the exchange's ports")?;
    let model = ModelServer::start(ModelConfig {
        port: arguments.model_port,
        ..ModelConfig::default()
    })
    .await
    .context("cannot bind the model's port")?;
    let urls = json!({"rest": exchange.rest_url(), "ws": exchange.ws_url(), "model": model.url()});
    writeln!(std::io::stdout(), "{urls}").context("cannot write the URLs")?;
    tracing::info!(rest = %exchange.rest_url(), ws = %exchange.ws_url(), model = %model.url(), "ready");
    let chaos = async {
        match arguments.chaos_seed {
            Some(seed) => crate::faults::run_chaos(exchange.faults().clone(), seed).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _signal = interrupt.recv() => {}
        _signal = terminate.recv() => {}
        () = chaos => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// The generated or the recorded market, starting at an event time.
fn market(arguments: &Arguments, now_ms: ExchangeMs) -> anyhow::Result<Arc<dyn Market>> {
    if let Some(capture) = &arguments.replay {
        let mut recording =
            Recording::read(capture).with_context(|| format!("cannot replay {}", capture.display()))?;
        if let Some(depth) = &arguments.replay_depth {
            recording = recording
                .with_depth(depth)
                .with_context(|| format!("cannot replay {}", depth.display()))?;
        }
        let config = ReplayConfig {
            begin: now_ms,
            repeat: true,
            history_minutes: arguments.history_minutes,
            align_book: true,
        };
        return Ok(Arc::new(Replay::new(recording, config)?));
    }
    let start = Minute::containing(now_ms).context("the start is out of range")?;
    let mut tape = TapeConfig::new(arguments.symbol.clone(), arguments.seed, start);
    tape.rate = arguments.rate;
    tape.history_minutes = arguments.history_minutes;
    if arguments.rare_events {
        tape = tape.with_rare_events();
    }
    Ok(Arc::new(Tape::new(tape)))
}

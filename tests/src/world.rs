//! A Redis, an exchange, a model endpoint and a directory, for one test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use market_sim::clock::EventClock;
use market_sim::exchange::{Exchange, ExchangeConfig};
use market_sim::proxy::TcpProxy;
use market_sim::redis::{RedisOptions, RedisServer};
use market_sim::tape::{Tape, TapeConfig};
use market_sim::truth::Truth;
use market_sim::wait::eventually;
use redis::aio::MultiplexedConnection;
use strategy_core::num::BucketWidth;
use strategy_core::symbol::Symbol;
use strategy_core::time::{Clock as _, Minute, SystemClock};
use tempfile::TempDir;

use crate::{Difference, Program, Recorded};

/// What differs from test to test.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Seed of the market.
    pub seed: u64,
    /// Median of the trades per minute.
    pub rate: f64,
    /// Dead rows, missing ids and trade times that step back.
    pub rare_events: bool,
    /// Event seconds per second.
    pub speed: f64,
    /// Event time at the start.
    pub start: DateTime<Utc>,
    /// `window_size_minutes`.
    pub window: usize,
    /// `backfill_minutes`.
    pub backfill: u32,
    /// `max_price_levels`.
    pub max_levels: usize,
    /// Seconds between books.
    pub depth_interval: u64,
    /// `rate_limit_requests_per_minute`
    pub weight_per_minute: u32,
    /// Settings of the exchange.
    pub exchange: ExchangeConfig,
    /// Settings of Redis.
    pub redis: RedisOptions,
}

impl Default for WorldOptions {
    /// A market of moderate activity, sixty times as fast as the clock, with a short window.
    fn default() -> Self {
        Self {
            seed: 1,
            rate: 120.0,
            rare_events: true,
            speed: 60.0,
            start: DateTime::from_timestamp(1_763_792_047, 0).unwrap(),
            window: 30,
            backfill: 20,
            max_levels: 1000,
            depth_interval: 1,
            weight_per_minute: 100_000,
            exchange: ExchangeConfig {
                weight_limit: 1_000_000,
                ..ExchangeConfig::default()
            },
            redis: RedisOptions::default(),
        }
    }
}

impl WorldOptions {
    /// A busier market that begins now, in real time, with ninety minutes before it: an analyzer finds it fresh.
    pub fn in_real_time(seed: u64) -> Self {
        Self {
            seed,
            speed: 1.0,
            rate: 400.0,
            window: 90,
            backfill: 90,
            start: SystemClock.now(),
            ..Self::default()
        }
    }
}

/// Everything one test needs; ended and removed when dropped.
#[derive(Debug)]
pub struct World {
    /// What differs in this one.
    pub options: WorldOptions,
    /// The server.
    pub redis: RedisServer,
    /// Stands in front of the server: the programs only know this address.
    pub redis_proxy: TcpProxy,
    /// The exchange.
    pub exchange: Exchange,
    /// Event time.
    pub clock: EventClock,
    directory: TempDir,
}

impl World {
    /// Starts all peers and writes the configuration.
    pub async fn start(options: WorldOptions) -> Self {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let start = Minute::of(options.start).unwrap();
        let mut tape = TapeConfig::new(symbol, options.seed, start);
        tape.rate = options.rate;
        if options.rare_events {
            tape = tape.with_rare_events();
        }
        let clock = EventClock::running(options.start, options.speed);
        let market = Arc::new(Tape::new(tape));
        let exchange = Exchange::start(market, clock.clone(), options.exchange.clone())
            .await
            .unwrap();
        let redis = RedisServer::start_with(options.redis.clone()).await;
        let redis_proxy = TcpProxy::start(([127, 0, 0, 1], redis.port()).into())
            .await
            .unwrap();
        let world = Self {
            options,
            redis,
            redis_proxy,
            exchange,
            clock,
            directory: tempfile::tempdir().unwrap(),
        };
        world.write_config("config.yaml", "");
        world
    }

    /// Directory the programs run in.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Directory of the minute files.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }

    /// Writes a configuration; `more` is the text of further sections, indented as it stands in the file.
    pub fn write_config(&self, name: &str, more: &str) {
        let options = &self.options;
        let text = format!(
            r#"redis:
  host: "127.0.0.1"
  port: {redis}
  socket_timeout: 1
  socket_connect_timeout: 1
binance:
  rest_api_base: "{rest}"
  websocket_base: "{ws}"
  rate_limit_requests_per_minute: {weight}
  timeout: 2
data_collector:
  depth_snapshot: {{ limit: 5000, update_interval_seconds: {depth}, window_size: 60 }}
  order_flow:
    window_size_minutes: {window}
    backfill_minutes: {backfill}
    max_price_levels: {levels}
{more}
"#,
            redis = self.redis_proxy.address().port(),
            rest = self.exchange.rest_url(),
            ws = self.exchange.ws_url(),
            depth = options.depth_interval,
            weight = options.weight_per_minute,
            window = options.window,
            backfill = options.backfill,
            levels = options.max_levels,
        );
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Replaces a text in the configuration.
    pub fn edit_config(&self, from: &str, to: &str) {
        let path = self.directory.path().join("config.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Runs a program to its end, for instance with `status`. Returns its exit code and what it printed on
    /// standard output and standard error.
    pub async fn ask(&self, name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let arguments = [&["--config", "config.yaml"], arguments].concat();
        let mut program = Program::start(name, self.directory.path(), &arguments);
        let (status, _) = program.wait().await;
        (status.code(), program.stdout(), program.stderr())
    }

    /// Starts the collector.
    pub fn collector(&self) -> Program {
        Program::start(
            "data-collector",
            self.directory.path(),
            &["--config", "config.yaml"],
        )
    }

    /// Starts the analyzer.
    pub fn analyzer(&self) -> Program {
        Program::start("analyzer", self.directory.path(), &["--config", "config.yaml"])
    }

    /// A connection to Redis that does not go through the proxy.
    pub async fn connection(&self) -> MultiplexedConnection {
        self.redis.connection().await
    }

    /// The collector's status as it stands in Redis.
    pub async fn status(&self) -> String {
        let read: Option<String> = redis::cmd("GET")
            .arg("data_collector_status")
            .query_async(&mut self.connection().await)
            .await
            .unwrap_or_default();
        read.unwrap_or_default()
    }

    /// What the exchange knows.
    pub fn truth(&self) -> Truth {
        self.exchange.truth(BucketWidth::ONE, self.options.max_levels)
    }

    /// What is recorded at this moment.
    ///
    /// # Errors
    /// A document that is none.
    pub async fn recorded(&self) -> Result<Recorded, Difference> {
        let window: Vec<String> = redis::cmd("LRANGE")
            .arg("trades_window")
            .arg(0)
            .arg(-1)
            .query_async(&mut self.connection().await)
            .await
            .map_err(|error| Difference(error.to_string()))?;
        Recorded::read(&window, &self.storage())
    }

    /// Minute of the exchange now.
    pub fn now(&self) -> Minute {
        Minute::containing(self.clock.now_ms()).unwrap()
    }

    /// Waits until the window is whole: its newest minute is at least `newest`, it reaches back as far as
    /// was asked, and nothing in it is incomplete. Then compares every number with the truth.
    pub async fn assert_whole(&self, newest: Minute, limit: Duration) -> Recorded {
        let wanted = self
            .options
            .window
            .min(self.options.backfill as usize)
            .saturating_sub(2);
        let mut last = None;
        let whole = eventually("the window is whole", limit, async || {
            // What an older version left behind may still stand there at first.
            let Ok(recorded) = self.recorded().await else {
                return false;
            };
            let whole = recorded.newest() >= Some(newest)
                && recorded.window.len() >= wanted
                && recorded.incomplete() == 0;
            last = Some(recorded);
            whole
        })
        .await;
        let recorded = last.expect("readable documents");
        assert!(
            whole.is_ok(),
            "not whole in {limit:?}: newest {:?} of {newest:?}, {} minutes, {} incomplete",
            recorded.newest(),
            recorded.window.len(),
            recorded.incomplete()
        );
        let differences = recorded.differences(&self.truth());
        assert!(differences.is_empty(), "{differences:#?}");
        recorded
    }
}

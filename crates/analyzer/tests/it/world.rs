//! A market in Redis, a model and a directory, and the analyzer at work on them in process.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use analyzer::llm::recording::Recording;
use chrono::TimeDelta;
use market_sim::model::{ModelConfig, ModelServer};
use market_sim::redis::RedisServer;
use redis::AsyncCommands as _;
use serde_json::Value;
use strategy_core::config::Config;
use strategy_core::lifecycle::Lifecycle;
use strategy_core::model::MinuteFootprint;
use strategy_core::telemetry::LogFile;
use tempfile::TempDir;

use crate::market::{self, KEY};

/// Longest wait for anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A market in Redis, a good model and a directory.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) redis: RedisServer,
    pub(crate) model: ModelServer,
}

impl World {
    pub(crate) async fn new() -> Self {
        let redis = RedisServer::start().await;
        let config = ModelConfig {
            api_key: Some(KEY.to_owned()),
            ..ModelConfig::default()
        };
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            redis,
            model: ModelServer::start(config).await.unwrap(),
        };
        world.publish(&market::minutes(180)).await;
        world
    }

    pub(crate) async fn publish(&self, minutes: &[MinuteFootprint]) {
        let books = market::books(TimeDelta::seconds(5));
        market::publish(&mut self.redis.connection().await, &books, minutes).await;
    }

    pub(crate) fn config(&self, deepseek: &str, interval: u32) -> Config {
        let text = market::yaml(
            self.directory.path(),
            self.redis.port(),
            &self.model.url(),
            deepseek,
        );
        market::config(&format!("{text}  analysis: {{interval_seconds: {interval}}}\n"))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        lines(self.directory.path())
    }

    /// Newest analysis, if there is one.
    pub(crate) async fn analysis(&self) -> Option<Value> {
        let mut connection = self.redis.connection().await;
        let keys: Vec<String> = connection.keys("analysis_results:*").await.unwrap();
        let text: String = connection.get(keys.iter().max()?).await.unwrap();
        Some(serde_json::from_str(&text).unwrap())
    }

    /// What the status says is wrong; none without a status.
    pub(crate) async fn degraded(&self) -> Option<Vec<String>> {
        let mut connection = self.redis.connection().await;
        let text: Option<String> = connection.get("analyzer_status").await.unwrap();
        let status: Value = serde_json::from_str(&text?).unwrap();
        Some(serde_json::from_value(status["degraded"].clone()).unwrap())
    }

    pub(crate) async fn in_redis(&self) -> Vec<String> {
        let mut connection = self.redis.connection().await;
        connection.lrange("trading_recommendations", 0, -1).await.unwrap()
    }
}

pub(crate) fn log(directory: &Path) -> std::path::PathBuf {
    directory.join("logs/trading_recommendations_btcfdusd.log")
}

pub(crate) fn lines(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log(directory)).unwrap_or_default();
    let lines = text.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn is_success(code: ExitCode) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

/// Runs one cycle as `--once` does.
pub(crate) async fn once(config: &Config) -> bool {
    once_with(config, None).await
}

/// Runs one cycle as `--once --replay-model FILE` does.
pub(crate) async fn once_with(config: &Config, replay: Option<&Path>) -> bool {
    let lifecycle = Lifecycle::without_signals(Duration::from_secs(4));
    let recording = replay.map(|path| Recording::load(path).unwrap());
    analyzer::run_once(config, recording, &lifecycle).unwrap();
    is_success(lifecycle.finish().await)
}

/// A running analyzer; stopped and awaited by [`Running::stop`].
pub(crate) struct Running {
    lifecycle: Lifecycle,
}

impl Running {
    pub(crate) fn start(config: &Config) -> Self {
        let lifecycle = Lifecycle::without_signals(Duration::from_secs(4));
        analyzer::run(config, None, LogFile::default(), &lifecycle).unwrap();
        Self { lifecycle }
    }

    /// Asks it to stop; answers whether it ended well and how long that took.
    pub(crate) async fn stop(self) -> (bool, Duration) {
        let asked = Instant::now();
        self.lifecycle.request_stop();
        let code = self.lifecycle.finish().await;
        (is_success(code), asked.elapsed())
    }
}

/// Where a program built for measuring coverage leaves what it measured.
pub(crate) fn coverage() -> Option<(&'static str, std::ffi::OsString)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    std::env::var_os(FILE).map(|value| (FILE, value))
}

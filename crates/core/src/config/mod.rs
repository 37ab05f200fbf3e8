//! The configuration of both programs, strict and typed.
//!
//! `program` reads the environment and calls [`Config::load`] once; everything else receives parts of the
//! result as values. What must stay true: every problem is reported at once, each with its key path and
//! its origin; an unknown key is an error; a secret never comes from the YAML text and is never shown;
//! related keys are checked together. Defaults are written once, in the `read` of their section.

mod analyzer;
mod app;
mod binance;
mod data_collector;
mod environment;
mod expand;
mod logging;
mod metrics;
mod nearest;
mod node;
mod peak_hours;
mod problem;
mod reader;
mod redis;
mod render;
mod secret;
mod secret_value;
mod url;
mod values;

use std::path::Path;

pub use self::analyzer::{AnalysisConfig, AnalyzerConfig, ArchiveConfig, DeepseekConfig, ModelPrices};
pub use self::app::AppConfig;
pub use self::binance::BinanceConfig;
pub use self::data_collector::{DataCollectorConfig, DepthSnapshotConfig, HEALED_DAYS, OrderFlowConfig};
pub use self::environment::{Environment, process_environment, with_env_file};
pub use self::logging::LoggingConfig;
pub use self::metrics::MetricsConfig;
pub use self::peak_hours::PeakHours;
pub use self::problem::{ConfigErrors, Origin, Problem, Warning};
pub use self::redis::RedisConfig;
pub use self::secret::Secret;
pub use crate::language::Language;

use self::node::Node;
use self::reader::{Context, Section};
use self::render::Rendered;

/// Largest configuration file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Every setting, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Name of the installation.
    pub app: AppConfig,
    /// Redis and the storage directory.
    pub redis: RedisConfig,
    /// The exchange.
    pub binance: BinanceConfig,
    /// The recording program.
    pub data_collector: DataCollectorConfig,
    /// The analyzing program.
    pub analyzer: AnalyzerConfig,
    /// Logs.
    pub logging: LoggingConfig,
    /// Figures for a monitoring system.
    pub metrics: MetricsConfig,
}

impl Config {
    /// Reads and checks the file at `path`, with `environment` for its expansions.
    ///
    /// Secret files named in it are read too.
    ///
    /// # Errors
    /// Every problem found, never only the first.
    pub fn load(path: &Path, environment: &Environment) -> Result<(Self, Vec<Warning>), ConfigErrors> {
        let file = path.display().to_string();
        match read_text(path) {
            Ok(text) => Self::parse(&text, &file, environment),
            Err(message) => Err(ConfigErrors(vec![Problem {
                key: String::new(),
                message,
                origin: Origin::File(file),
            }])),
        }
    }

    /// Checks a configuration's text; `file` is its name in problems.
    ///
    /// # Errors
    /// Every problem found, never only the first.
    pub fn parse(
        text: &str,
        file: &str,
        environment: &Environment,
    ) -> Result<(Self, Vec<Warning>), ConfigErrors> {
        let context = Context::new(file.to_owned(), environment);
        let config = match serde_yaml::from_str::<Node>(text) {
            Ok(document) => Self::read(Section::root(&context, document)),
            Err(error) => {
                context.problem("", format_args!("is not valid YAML: {error}"));
                None
            }
        };
        let (problems, warnings) = context.into_findings();
        match config {
            Some(config) if problems.is_empty() => Ok((config, warnings)),
            _ => Err(ConfigErrors(problems)),
        }
    }

    fn read(mut root: Section<'_>) -> Option<Self> {
        let mut app_section = root.section("app");
        let app = AppConfig::read(&mut app_section);
        let logging = LoggingConfig::read(root.section("logging"), &mut app_section);
        app_section.finish();
        let redis = RedisConfig::read(root.section("redis"));
        let binance = BinanceConfig::read(root.section("binance"));
        let data_collector = DataCollectorConfig::read(root.section("data_collector"));
        let analyzer = AnalyzerConfig::read(root.section("analyzer"));
        let metrics = MetricsConfig::read(root.section("metrics"));
        warn_of_short_window(&root, &data_collector, &analyzer);
        root.finish();
        Some(Self {
            app,
            redis,
            binance: binance?,
            data_collector,
            analyzer,
            logging,
            metrics,
        })
    }

    /// The settings in effect as YAML, secrets redacted; itself a valid configuration.
    pub fn to_redacted_yaml(&self) -> String {
        let secrets = [
            ("redis.password", &self.redis.password),
            ("analyzer.deepseek.api_key", &self.analyzer.deepseek.api_key),
        ];
        let mut text = String::from("# effective settings; secrets are not shown\n");
        for (key, secret) in secrets {
            let state = if secret.is_set() {
                "set, [REDACTED]"
            } else {
                "not set"
            };
            text.extend(["# ", key, ": ", state, "\n"]);
        }
        let app = self.app.render().set("log_level", self.logging.level_name());
        let settings = Rendered::default()
            .section("app", app)
            .section("redis", self.redis.render())
            .section("binance", self.binance.render())
            .section("data_collector", self.data_collector.render())
            .section("analyzer", self.analyzer.render())
            .section("logging", self.logging.render())
            .section("metrics", self.metrics.render());
        text + &settings.into_yaml()
    }
}

/// A profile longer than what is recorded is not wrong, but not what it says either.
fn warn_of_short_window(root: &Section<'_>, collector: &DataCollectorConfig, analyzer: &AnalyzerConfig) {
    let recorded = collector.order_flow.window_size_minutes;
    let wanted = analyzer.analysis.profile_window_minutes;
    if root.is_given("analyzer.analysis.profile_window_minutes") && wanted > recorded {
        root.warning(
            "analyzer.analysis.profile_window_minutes",
            format_args!(
                "{wanted} is more than data_collector.order_flow.window_size_minutes {recorded} that are recorded"
            ),
        );
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "does not exist; create it or name another with --config PATH".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    })?;
    if metadata.is_dir() {
        return Err("is a directory, not a file".to_owned());
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("has {} bytes, more than {MAX_FILE}", metadata.len()));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests;

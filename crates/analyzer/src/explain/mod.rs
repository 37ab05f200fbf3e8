//! `analyzer explain`: what the analysis makes of files, told to a person.
//!
//! `read` turns files into market data, `table` turns a report into text; in between stands the same analysis
//! that runs in a cycle. Nothing here talks to Redis. The clock is not read; only a depth answer without minutes
//! and without `--at` is dated by its file.

mod evidence;
mod read;
mod table;

use std::path::Path;

use chrono::{DateTime, Utc};
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::config::{Config, ConfigErrors, Environment};
use strategy_core::model::report::ValueAreaRule;
use strategy_core::symbol::Symbol;

pub use read::FileError;

use crate::AnalyzerError;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A file or directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The settings cannot be used.
    #[error("the settings cannot be used")]
    Settings(#[source] AnalyzerError),
}

/// What is to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// A depth answer of the exchange or an element of `depth_snapshot_5000`, `.json` or `.json.gz`.
    pub snapshot: Option<&'a Path>,
    /// A directory of `trades_*.json` files.
    pub minutes: Option<&'a Path>,
    /// The market, where the files do not name it.
    pub symbol: Option<&'a Symbol>,
    /// How the value area is grown.
    pub rule: ValueAreaRule,
    /// When a depth answer arrived, which it does not say itself; otherwise the end of the newest minute.
    pub at: Option<DateTime<Utc>>,
}

/// The settings that hold where there is no configuration.
///
/// # Errors
/// Never: an empty configuration is valid.
pub fn default_settings() -> Result<Config, ConfigErrors> {
    Config::parse("{}", "defaults", &Environment::new()).map(|(config, _)| config)
}

/// Analyses the files and describes the result as a text.
///
/// The report speaks of the moment of the data: the arrival of the snapshot or the end of the newest minute,
/// whichever is later.
///
/// # Errors
/// [`ExplainError`], which names the file.
pub fn explain(question: &Question<'_>, config: &Config) -> Result<String, ExplainError> {
    let params = Params {
        value_area_rule: question.rule,
        ..crate::params(config).map_err(ExplainError::Settings)?
    };
    let market = read::market(question, &config.binance.symbol)?;
    let report = analyze(
        &Input {
            symbol: &market.symbol,
            now: market.now,
            depth: market.snapshot.as_slice(),
            minutes: &market.minutes,
        },
        &params,
    );
    Ok(table::text(&report, market.is_named, params.tick))
}

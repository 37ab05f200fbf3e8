//! Section `logging`: the level and the shared log file.

use std::path::PathBuf;

use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, dec};
use tracing::level_filters::LevelFilter;

use super::reader::Section;
use super::render::Rendered;

/// Bytes of a megabyte, as log sizes count it.
const MEGABYTE: Decimal = dec!(1_048_576);

/// The names of levels, those of the Python version among them.
const LEVELS: [(&str, LevelFilter); 8] = [
    ("TRACE", LevelFilter::TRACE),
    ("DEBUG", LevelFilter::DEBUG),
    ("INFO", LevelFilter::INFO),
    ("WARN", LevelFilter::WARN),
    ("WARNING", LevelFilter::WARN),
    ("ERROR", LevelFilter::ERROR),
    ("CRITICAL", LevelFilter::ERROR),
    ("OFF", LevelFilter::OFF),
];

/// What is logged and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Least important level that is logged.
    pub level: LevelFilter,
    /// The log file of both programs; relative to the working directory.
    pub file_path: PathBuf,
    /// Size in megabytes at which the file is rotated.
    pub max_file_size_mb: Decimal,
    /// Old files kept, `.1` the newest.
    pub backup_count: u32,
}

impl LoggingConfig {
    /// Reads the section; `app.log_level` counts where it has no level.
    pub(super) fn read(mut section: Section<'_>, app: &mut Section<'_>) -> Self {
        let from_app = app.choice("log_level", LevelFilter::INFO, &LEVELS);
        let config = Self {
            level: section.choice("level", from_app, &LEVELS),
            file_path: section
                .required_text("file_path", "logs/strategy_agent.log")
                .into(),
            max_file_size_mb: section.decimal("max_file_size_mb", dec!(100), dec!(0.001)..=dec!(100_000)),
            backup_count: section.integer("backup_count", 5, 0..=1000),
        };
        if config.file_path.file_name().is_none() {
            section.problem("file_path", "does not name a file");
        }
        section.accepted_old("format", "lines have a fixed form");
        section.finish();
        config
    }

    /// Size at which the file is rotated, in bytes.
    pub fn max_file_size(&self) -> u64 {
        (self.max_file_size_mb * MEGABYTE).to_u64().unwrap_or(u64::MAX)
    }

    /// Name of the level as the configuration has it.
    pub(super) fn level_name(&self) -> &'static str {
        let named = LEVELS.iter().find(|(_, level)| *level == self.level);
        named.map_or("INFO", |(name, _)| name)
    }

    pub(super) fn render(&self) -> Rendered {
        Rendered::default()
            .set("level", self.level_name())
            .set("file_path", self.file_path.display().to_string())
            .decimal("max_file_size_mb", self.max_file_size_mb)
            .set("backup_count", self.backup_count)
    }
}

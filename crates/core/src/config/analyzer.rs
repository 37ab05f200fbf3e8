//! Section `analyzer`: the model and the analysis.

use crate::language::Language;
use std::time::Duration;

use rust_decimal::{Decimal, dec};

use super::peak_hours::PeakHours;
use super::reader::Section;
use super::render::Rendered;
use super::secret::Secret;

/// Model names the vendor retired on 2026-07-24; a request with one of them is refused.
const RETIRED_MODELS: [&str; 2] = ["deepseek-chat", "deepseek-reasoner"];

/// Bytes of a megabyte, as file sizes count it.
const MEGABYTE: u64 = 1024 * 1024;

/// The vendor's present default model, as of 2026-11-15.
const PRESENT_MODEL: &str = "deepseek-flash";

/// Hours in which the vendor charges more, as of 2026-11-15.
const PEAK_HOURS: &str = "01-04, 06-10";

/// Settings of the analyzing program.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzerConfig {
    /// The model.
    pub deepseek: DeepseekConfig,
    /// The analysis.
    pub analysis: AnalysisConfig,
}

/// How to ask the model.
#[derive(Debug, Clone, PartialEq)]
pub struct DeepseekConfig {
    /// False: the rules advise, the model is never asked.
    pub enabled: bool,
    /// The key; none means that the rules advise.
    pub api_key: Secret,
    /// Base of the API's paths, without a trailing slash.
    pub base_url: String,
    /// Model id.
    pub model: String,
    /// Most tokens of one answer, 1 to 393216.
    pub max_tokens: u32,
    /// Sampling temperature, 0 to 2.
    pub temperature: f64,
    /// Longest time for a whole conversation; shorter than the cycle.
    pub timeout: Duration,
    /// Let the model think before it answers: slower, dearer, and `temperature` has no effect.
    pub thinking: bool,
    /// Language of the prompt and of every reasoning, the model's and the rules'.
    pub language: Language,
    /// Money the model may cost per UTC day, in US dollars; beyond it the rules advise.
    pub max_cost_per_day_usd: Decimal,
    /// What the vendor charges.
    pub prices: ModelPrices,
    /// The record of every conversation.
    pub archive: ArchiveConfig,
}

/// What is kept of the conversations with the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArchiveConfig {
    /// Keep them.
    pub enabled: bool,
    /// Most bytes of one day's file.
    pub max_bytes_per_day: u64,
    /// Days a file is kept.
    pub retention_days: u32,
}

/// Prices of the model in US dollars per million tokens, off-peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelPrices {
    /// Tokens sent that were in the vendor's cache.
    pub cached_input_usd: Decimal,
    /// Tokens sent that were not.
    pub input_usd: Decimal,
    /// Tokens received.
    pub output_usd: Decimal,
    /// Times the price in peak hours, 1 or more.
    pub peak_factor: Decimal,
    /// When that is, Monday to Friday.
    pub peak_hours: PeakHours,
}

/// What the analysis looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisConfig {
    /// Time from the start of one cycle to the start of the next.
    pub interval: Duration,
    /// Least resting quantity that counts as an order of interest, in base units; 0 or more.
    pub min_order_volume_threshold: Decimal,
    /// Weakest level that is published, 0 to 1.
    pub support_resistance_threshold: f64,
    /// Minutes of trades that confirm levels; not more than the profile's.
    pub flow_window_minutes: u32,
    /// Minutes of trades in the volume profile.
    pub profile_window_minutes: u32,
}

impl AnalyzerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self {
            deepseek: DeepseekConfig::read(section.section("deepseek")),
            analysis: AnalysisConfig::read(section.section("analysis")),
        };
        let (timeout, interval) = (config.deepseek.timeout, config.analysis.interval);
        if config.deepseek.enabled && timeout >= interval {
            section.problem(
                "deepseek.timeout",
                format_args!(
                    "{} s must be below {} of {} s, or cycles would overlap",
                    timeout.as_secs_f64(),
                    section.path("analysis.interval_seconds"),
                    interval.as_secs_f64()
                ),
            );
        }
        section.finish();
        config
    }

    pub(super) fn render(&self) -> Rendered {
        let model = &self.deepseek;
        let deepseek = Rendered::default()
            .set("enabled", model.enabled)
            .secret("api_key", "api_key_file", &model.api_key)
            .set("base_url", model.base_url.as_str())
            .set("model", model.model.as_str())
            .set("max_tokens", model.max_tokens)
            .set("temperature", model.temperature)
            .seconds("timeout", model.timeout)
            .set("thinking", model.thinking)
            .set(
                "language",
                match model.language {
                    Language::Zh => "zh",
                    Language::En => "en",
                },
            );
        let prices = Rendered::default()
            .decimal("cached_input_usd", model.prices.cached_input_usd)
            .decimal("input_usd", model.prices.input_usd)
            .decimal("output_usd", model.prices.output_usd)
            .decimal("peak_factor", model.prices.peak_factor)
            .set("peak_hours_utc", model.prices.peak_hours.to_string());
        let deepseek = deepseek
            .decimal("max_cost_per_day_usd", model.max_cost_per_day_usd)
            .section("prices", prices)
            .section("archive", model.archive.render());
        let analysis = Rendered::default()
            .seconds("interval_seconds", self.analysis.interval)
            .decimal(
                "min_order_volume_threshold",
                self.analysis.min_order_volume_threshold,
            )
            .set(
                "support_resistance_threshold",
                self.analysis.support_resistance_threshold,
            )
            .set("flow_window_minutes", self.analysis.flow_window_minutes)
            .set("profile_window_minutes", self.analysis.profile_window_minutes);
        Rendered::default()
            .section("deepseek", deepseek)
            .section("analysis", analysis)
    }
}

impl DeepseekConfig {
    fn read(mut section: Section<'_>) -> Self {
        let model = section.required_text("model", PRESENT_MODEL);
        if RETIRED_MODELS.contains(&model.as_str()) {
            section.warning(
                "model",
                format_args!(
                    "{model} was retired by the vendor on 2026-07-24 and is refused; the present model is {PRESENT_MODEL}"
                ),
            );
        }
        let config = Self {
            enabled: section.boolean("enabled", true),
            api_key: section.secret("api_key", "api_key_file", "${DEEPSEEK_API_KEY}", true),
            base_url: section.url("base_url", "https://api.deepseek.com/v1", &["https", "http"]),
            model,
            max_tokens: section.integer("max_tokens", 4000, 1..=393_216),
            temperature: section.number("temperature", dec!(0.1), Decimal::ZERO..=Decimal::TWO),
            timeout: section.seconds("timeout", 45, 1..=3600),
            thinking: section.boolean("thinking", false),
            language: section.choice(
                "language",
                Language::Zh,
                &[("zh", Language::Zh), ("en", Language::En)],
            ),
            max_cost_per_day_usd: section.decimal(
                "max_cost_per_day_usd",
                dec!(3),
                Decimal::ZERO..=dec!(10_000),
            ),
            prices: ModelPrices::read(section.section("prices")),
            archive: ArchiveConfig::read(section.section("archive")),
        };
        section.finish();
        config
    }
}

impl ModelPrices {
    /// Defaults are those of `deepseek-flash` as of 2026-11-15.
    fn read(mut section: Section<'_>) -> Self {
        let hours = section.text("peak_hours_utc", PEAK_HOURS);
        let peak_hours = PeakHours::parse(&hours).unwrap_or_else(|| {
            section.problem("peak_hours_utc", "must be like 01-04, 06-10, or empty");
            PeakHours::default()
        });
        let usd = || Decimal::ZERO..=dec!(1000);
        let prices = Self {
            cached_input_usd: section.decimal("cached_input_usd", dec!(0.003), usd()),
            input_usd: section.decimal("input_usd", dec!(0.15), usd()),
            output_usd: section.decimal("output_usd", dec!(0.60), usd()),
            peak_factor: section.decimal("peak_factor", Decimal::TWO, Decimal::ONE..=dec!(100)),
            peak_hours,
        };
        section.finish();
        prices
    }
}

impl ArchiveConfig {
    fn read(mut section: Section<'_>) -> Self {
        let megabytes = section.integer("max_size_mb_per_day", 100_u32, 1..=100_000);
        let archive = Self {
            enabled: section.boolean("enabled", true),
            max_bytes_per_day: u64::from(megabytes) * MEGABYTE,
            retention_days: section.integer("retention_days", 14, 1..=3650),
        };
        section.finish();
        archive
    }

    fn render(&self) -> Rendered {
        Rendered::default()
            .set("enabled", self.enabled)
            .set("max_size_mb_per_day", self.max_bytes_per_day / MEGABYTE)
            .set("retention_days", self.retention_days)
    }
}

impl AnalysisConfig {
    fn read(mut section: Section<'_>) -> Self {
        let interval = section.seconds("interval_seconds", 60, 1..=86_400);
        let volume = section.decimal(
            "min_order_volume_threshold",
            dec!(0.01),
            Decimal::ZERO..=dec!(1_000_000),
        );
        let strength = section.number(
            "support_resistance_threshold",
            dec!(0.1),
            Decimal::ZERO..=Decimal::ONE,
        );
        let profile_window_minutes = section.integer("profile_window_minutes", 2880, 1..=44_640);
        let flow_window_minutes = section.integer("flow_window_minutes", 180, 1..=44_640);
        if section.is_given("flow_window_minutes") && flow_window_minutes > profile_window_minutes {
            section.problem(
                "flow_window_minutes",
                format_args!(
                    "{flow_window_minutes} must not be above {} of {profile_window_minutes}",
                    section.path("profile_window_minutes")
                ),
            );
        }
        section.finish();
        Self {
            interval,
            min_order_volume_threshold: volume,
            support_resistance_threshold: strength,
            // A default never exceeds a profile that was made shorter.
            flow_window_minutes: flow_window_minutes.min(profile_window_minutes),
            profile_window_minutes,
        }
    }
}

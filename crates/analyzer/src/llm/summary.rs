//! What of a report stands in the prompt: enough to advise from, every number from the report. Pure.

use serde::Serialize;
use strategy_core::config::Language;
use strategy_core::model::report::{BookSide, FlowDelta, Level, MarketReport, Number, ValueArea};
use strategy_core::time::format_time;

use super::prompt::SUMMARY_ENTRIES;
use super::tools::Tests;

#[derive(Serialize)]
pub(super) struct Summary<'a> {
    symbol: &'a str,
    time: String,
    best_bid: Option<Number>,
    best_ask: Option<Number>,
    mid: Option<Number>,
    spread: Option<Number>,
    microprice: Option<f64>,
    imbalance_0_1_percent: Option<f64>,
    imbalance_0_5_percent: Option<f64>,
    imbalance_1_percent: Option<f64>,
    minute_range_percent: Option<f64>,
    support_levels: Vec<SummaryLevel>,
    resistance_levels: Vec<SummaryLevel>,
    poc_levels: Vec<Number>,
    value_area: Option<SummaryArea>,
    resonance_zones: Vec<SummaryZone>,
    vacuum_ranges: Vec<SummaryVacuum>,
    delta: Vec<SummaryDelta>,
    data_honesty: SummaryHonesty,
}

#[derive(Serialize)]
struct SummaryLevel {
    price: Number,
    strength: f64,
    volume: Number,
    presence: f64,
    fleeting: bool,
    tests: Tests,
}

#[derive(Serialize)]
struct SummaryArea {
    poc: Number,
    low: Number,
    high: Number,
}

#[derive(Serialize)]
struct SummaryZone {
    low: Number,
    high: Number,
    score: f64,
}

#[derive(Serialize)]
struct SummaryVacuum {
    low: Number,
    high: Number,
    side: BookSide,
}

#[derive(Serialize)]
struct SummaryDelta {
    minutes: u32,
    delta: Number,
    volume: Number,
    complete: bool,
}

#[derive(Serialize)]
struct SummaryHonesty {
    snapshot_age_seconds: Option<f64>,
    snapshots_used: u32,
    minutes_used: u32,
    incomplete_minutes: u32,
    missing_minutes: u32,
    flow_window_minutes: u32,
    flow_complete_minutes: u32,
    book_truncated: bool,
    notes: Vec<String>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(report: &'a MarketReport, language: Language) -> Self {
        let (context, honesty) = (&report.context, &report.data_honesty);
        Self {
            symbol: report.symbol.as_str(),
            time: format_time(report.timestamp),
            best_bid: context.best_bid,
            best_ask: context.best_ask,
            mid: context.mid,
            spread: context.spread,
            microprice: context.microprice,
            imbalance_0_1_percent: context.imbalance_0_1,
            imbalance_0_5_percent: context.imbalance_0_5,
            imbalance_1_percent: context.imbalance_1_0,
            minute_range_percent: context.minute_range_percent,
            support_levels: summary_levels(&report.support_levels),
            resistance_levels: summary_levels(&report.resistance_levels),
            poc_levels: report.poc_levels.iter().take(SUMMARY_ENTRIES).copied().collect(),
            value_area: report.value_area.as_ref().map(SummaryArea::of),
            resonance_zones: report
                .resonance
                .iter()
                .take(SUMMARY_ENTRIES)
                .map(|zone| SummaryZone {
                    low: zone.low,
                    high: zone.high,
                    score: zone.score,
                })
                .collect(),
            vacuum_ranges: report
                .vacuum_ranges
                .iter()
                .take(SUMMARY_ENTRIES)
                .map(|zone| SummaryVacuum {
                    low: zone.low,
                    high: zone.high,
                    side: zone.side,
                })
                .collect(),
            delta: report.flow_deltas.iter().map(SummaryDelta::of).collect(),
            data_honesty: SummaryHonesty {
                snapshot_age_seconds: honesty.snapshot_age_seconds,
                snapshots_used: honesty.snapshots_used,
                minutes_used: honesty.minutes_used,
                incomplete_minutes: honesty.incomplete_minutes,
                missing_minutes: honesty.missing_minutes,
                flow_window_minutes: honesty.flow_window_minutes,
                flow_complete_minutes: honesty.flow_complete_minutes,
                book_truncated: honesty.book_truncated,
                notes: honesty.notes.iter().map(|note| note.words(language)).collect(),
            },
        }
    }
}

impl SummaryArea {
    fn of(area: &ValueArea) -> Self {
        Self {
            poc: area.poc,
            low: area.low,
            high: area.high,
        }
    }
}

impl SummaryDelta {
    fn of(flow: &FlowDelta) -> Self {
        Self {
            minutes: flow.minutes,
            delta: flow.delta,
            volume: flow.volume,
            complete: flow.complete,
        }
    }
}

fn summary_levels(levels: &[Level]) -> Vec<SummaryLevel> {
    let strongest = levels.iter().take(SUMMARY_ENTRIES);
    strongest
        .map(|level| SummaryLevel {
            price: level.price,
            strength: level.strength,
            volume: level.volume_at_level,
            presence: level.wall_life.presence,
            fleeting: level.fleeting,
            tests: Tests::of(&level.confirmation),
        })
        .collect()
}

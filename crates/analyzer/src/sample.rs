//! A report with a little of everything, for tests.

use chrono::DateTime;
use rust_decimal::{Decimal, dec};
use strategy_core::model::report::{
    BookSide, Confirmation, DataHonesty, FlowDelta, Level, LevelType, MarketContext, MarketReport, Note,
    Number, PriceZone, ResonanceZone, ValueArea, ValueAreaRule, WallLife,
};
use strategy_core::symbol::Symbol;

fn number(value: Decimal) -> Number {
    Number::new(value)
}

fn level(price: Decimal, level_type: LevelType, held: u32) -> Level {
    Level {
        price: number(price),
        strength: 0.82,
        level_type,
        volume_at_level: number(dec!(25)),
        confirmation_count: 12,
        last_confirmed: DateTime::UNIX_EPOCH,
        fleeting: false,
        wall_life: WallLife {
            snapshots_seen: 12,
            snapshots_present: 12,
            presence: 1.0,
            age_seconds: 660,
            consumed: Number::ZERO,
            unattributed: Number::ZERO,
            unjudged: Number::ZERO,
        },
        confirmation: Confirmation {
            held,
            broken: 0,
            open: 0,
            untested: held == 0,
            mean: 0.75,
            low: 0.5,
            high: 0.9,
            absorbed: Number::ZERO,
        },
        evidence: Vec::new(),
    }
}

/// Mid 110150, support 110136 (held twice), resistance 110200, value area 110100 to 110200.
pub(crate) fn report() -> MarketReport {
    MarketReport {
        timestamp: DateTime::from_timestamp(1_763_792_045, 0).unwrap(),
        symbol: Symbol::new("BTCFDUSD").unwrap(),
        support_levels: vec![level(dec!(110136), LevelType::Support, 2)],
        resistance_levels: vec![level(dec!(110200), LevelType::Resistance, 0)],
        poc_levels: vec![number(dec!(110150))],
        liquidity_vacuum_zones: vec![number(dec!(110020.5))],
        resonance_zones: vec![number(dec!(110136))],
        resonance: vec![ResonanceZone {
            side: BookSide::Bid,
            low: number(dec!(110130)),
            high: number(dec!(110140)),
            center: number(dec!(110136)),
            score: 0.7,
            evidence: Vec::new(),
        }],
        density_zones: Vec::new(),
        vacuum_ranges: vec![PriceZone {
            low: number(dec!(110015)),
            high: number(dec!(110026)),
            side: BookSide::Bid,
            volume: number(dec!(0.01)),
            strength: 0.4,
            evidence: Vec::new(),
        }],
        value_area: Some(ValueArea {
            poc: number(dec!(110150)),
            low: number(dec!(110100)),
            high: number(dec!(110200)),
            rule: ValueAreaRule::TwoRow,
            volume: number(dec!(70)),
            total_volume: number(dec!(100)),
            evidence: Vec::new(),
        }),
        high_volume_nodes: Vec::new(),
        low_volume_nodes: Vec::new(),
        flow_deltas: vec![FlowDelta {
            minutes: 15,
            delta: number(dec!(-1.5)),
            volume: number(dec!(20)),
            complete: true,
        }],
        stacked_imbalances: Vec::new(),
        poc_confirmation: None,
        context: MarketContext {
            best_bid: Some(number(dec!(110149.99))),
            best_ask: Some(number(dec!(110150.01))),
            mid: Some(number(dec!(110150))),
            spread: Some(number(dec!(0.02))),
            imbalance_0_1: Some(0.12),
            imbalance_1_0: Some(-0.05),
            ..MarketContext::default()
        },
        data_honesty: DataHonesty {
            snapshot_age_seconds: Some(4.5),
            snapshots_used: 12,
            minutes_used: 180,
            flow_window_minutes: 180,
            flow_complete_minutes: 179,
            notes: vec![Note::ProfileHoles { damaged: 1 }].into(),
            ..DataHonesty::default()
        },
    }
}

//! Every published level and zone says why it is there, and the numbers it gives are enough to check it by hand.

use std::collections::HashMap;
use std::mem::discriminant;

use proptest::prelude::*;
use strategy_core::analysis::Params;
use strategy_core::model::report::{BookSide, Evidence, Level, MarketReport, PriceZone, ResonanceZone};

use crate::books::{books_of_2024, minutes_of_2024};
use crate::builders::{minute, report_at};
use crate::fixtures::{moved_minutes, recorded_book, symbol};
use crate::invariants::{book, side, trades};

/// The side that a piece of book evidence names.
fn side_of(evidence: &Evidence) -> Option<BookSide> {
    match evidence {
        Evidence::Wall { side, .. }
        | Evidence::DensityZone { side, .. }
        | Evidence::DenseSums { side, .. }
        | Evidence::ThinSums { side, .. }
        | Evidence::EmptyBuckets { side, .. } => Some(*side),
        _ => None,
    }
}

fn check_level(level: &Level, own: BookSide) {
    let Evidence::Wall {
        price,
        volume,
        local_norm,
        norm_ratio,
        side_share,
        ..
    } = &level.evidence[0]
    else {
        panic!("a level is a wall first: {level:?}");
    };
    assert_eq!((*price, *volume), (level.price, level.volume_at_level));
    let ratio = if local_norm.to_f64() > 0.0 {
        (volume.to_f64() / local_norm.to_f64()).min(1000.0)
    } else {
        1000.0
    };
    assert!((ratio - norm_ratio).abs() < 0.006, "{level:?}");
    let presence = (f64::from(level.wall_life.snapshots_present) + 1.0)
        / (f64::from(level.wall_life.snapshots_seen) + 2.0);
    let size = f64::midpoint(norm_ratio / (norm_ratio + 5.0), side_share / (side_share + 0.05));
    let strength = size * (0.5 + 0.5 * presence) * if level.fleeting { 0.6 } else { 1.0 };
    assert!(
        (strength - level.strength).abs() < 1e-3,
        "{strength} of {level:?}"
    );
    for piece in &level.evidence {
        assert!(
            side_of(piece).is_none_or(|side| side == own),
            "{level:?} is carried by {piece:?}"
        );
    }
}

/// Everything of a report by the arithmetic of `docs/analysis.md`.
fn check(report: &MarketReport) {
    for level in &report.support_levels {
        check_level(level, BookSide::Bid);
    }
    for level in &report.resistance_levels {
        check_level(level, BookSide::Ask);
    }
    report.density_zones.iter().for_each(check_density);
    report.vacuum_ranges.iter().for_each(check_vacuum);
    report.resonance.iter().for_each(check_resonance);
    check_traded(report);
}

fn check_density(zone: &PriceZone) {
    let Evidence::DenseSums {
        sums,
        dense_sums,
        dense_from,
        peak_sum,
        least_sum,
        percentile_sum,
        ratio,
        side_share,
        ..
    } = &zone.evidence[0]
    else {
        panic!("{zone:?}");
    };
    assert!(
        least_sum > percentile_sum && peak_sum > dense_from && *dense_sums >= 14 && sums >= dense_sums,
        "{zone:?}"
    );
    assert!((dense_from.to_f64() - 1.5 * percentile_sum.to_f64()).abs() < 1e-6);
    let strength = f64::midpoint(ratio / (ratio + 1.0), side_share / (side_share + 0.05));
    assert!((strength - zone.strength).abs() < 2e-3, "{strength} of {zone:?}");
    assert!(
        zone.evidence
            .iter()
            .all(|piece| side_of(piece).is_none_or(|side| side == zone.side)),
        "{zone:?}"
    );
}

fn check_vacuum(zone: &PriceZone) {
    assert!(
        matches!(
            zone.evidence[0],
            Evidence::ThinSums { .. } | Evidence::EmptyBuckets { .. }
        ),
        "{zone:?}"
    );
    for piece in &zone.evidence {
        let (buckets, median) = match piece {
            Evidence::ThinSums {
                buckets,
                least_sum,
                greatest_sum,
                enter_sum,
                stay_sum,
                median_sum,
                ..
            } => {
                assert!(
                    least_sum <= enter_sum && greatest_sum <= stay_sum && least_sum <= greatest_sum,
                    "{zone:?}"
                );
                assert!((stay_sum.to_f64() - median_sum.to_f64() / 10.0).abs() < 1e-6);
                (f64::from(*buckets), median_sum.to_f64())
            }
            Evidence::EmptyBuckets {
                buckets, median_sum, ..
            } => {
                assert!(*buckets >= 5);
                (
                    (zone.high.to_f64() - zone.low.to_f64()).round(),
                    median_sum.to_f64(),
                )
            }
            _ => continue,
        };
        let part = if median > 0.0 {
            (zone.volume.to_f64() * 10.0 / buckets / median).min(1.0)
        } else {
            0.0
        };
        let strength = (1.0 - part) * buckets / (buckets + 10.0);
        assert!((strength - zone.strength).abs() < 1e-3, "{strength} of {zone:?}");
    }
}

fn check_resonance(zone: &ResonanceZone) {
    let mut heaviest: HashMap<_, f64> = HashMap::new();
    for piece in &zone.evidence {
        let known = heaviest.entry(discriminant(&piece.evidence)).or_default();
        *known = known.max(piece.weight);
    }
    let doubt: f64 = heaviest.values().map(|weight| 1.0 - weight).product();
    assert!((1.0 - doubt - zone.score).abs() < 1e-4, "{zone:?}");
    assert!(zone.evidence.len() >= 3);
    assert!(
        zone.evidence
            .iter()
            .all(|piece| side_of(&piece.evidence).is_none_or(|side| side == zone.side)),
        "{zone:?}"
    );
    assert!(
        zone.evidence
            .iter()
            .any(|piece| side_of(&piece.evidence).is_some()),
        "{zone:?}"
    );
    assert!(
        zone.evidence
            .iter()
            .any(|piece| side_of(&piece.evidence).is_none()),
        "{zone:?}"
    );
}

fn check_traded(report: &MarketReport) {
    for node in report.high_volume_nodes.iter().chain(&report.low_volume_nodes) {
        let [
            Evidence::Prominence {
                smoothed_volume,
                saddle_volume,
                highest_volume,
                threshold,
            },
        ] = &node.evidence[..]
        else {
            panic!("{node:?}");
        };
        let prominence = (smoothed_volume.to_f64() - saddle_volume.to_f64()).abs() / highest_volume.to_f64();
        assert!(
            (prominence - node.prominence).abs() < 1e-4 && prominence + 1e-9 >= *threshold,
            "{node:?}"
        );
    }
    for stack in &report.stacked_imbalances {
        assert!(
            stack.volume.to_f64() + 1e-9 >= 3.0 * stack.opposing_volume.to_f64(),
            "{stack:?}"
        );
        assert!(
            stack.volume.to_f64() + 1e-9 >= f64::from(stack.rows) * stack.row_minimum.to_f64(),
            "{stack:?}"
        );
    }
    if let Some(area) = &report.value_area {
        let [
            Evidence::PointOfControl { price, volume },
            Evidence::ValueAreaGrowth {
                target_volume,
                volume_before,
                last_above,
                last_below,
                ..
            },
        ] = &area.evidence[..]
        else {
            panic!("{area:?}");
        };
        assert!(*price == area.poc && *volume <= area.volume);
        assert!(
            area.volume >= *target_volume && (volume_before < target_volume || last_above.is_none()),
            "{area:?}"
        );
        if let (Some(above), Some(below)) = (last_above, last_below) {
            let added = area.volume.to_f64() - volume_before.to_f64();
            let takes_one = [above, below]
                .iter()
                .any(|rows| (rows.to_f64() - added).abs() < 1e-6);
            assert!(takes_one, "{area:?}");
        }
    }
}

#[test]
fn the_levels_of_recorded_markets_can_be_checked_by_hand() {
    let input = strategy_core::analysis::Input {
        symbol: &symbol("BTCUSDT"),
        now: crate::fixtures::book_time(),
        depth: &[recorded_book()],
        minutes: &moved_minutes(),
    };
    let report = strategy_core::analysis::analyze(&input, &Params::default());
    assert!(
        report.resonance.len() > 1 && !report.vacuum_ranges.is_empty() && !report.density_zones.is_empty()
    );
    check(&report);
    let books = books_of_2024();
    for length in 1..=books.len() {
        let input = strategy_core::analysis::Input {
            now: books[length - 1].received_at(),
            depth: &books[..length],
            minutes: &minutes_of_2024(),
            ..input
        };
        check(&strategy_core::analysis::analyze(&input, &Params::default()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Also where the market has moved through its own walls, so that bids and asks lie within 0.05 % of another.
    #[test]
    fn what_rests_on_the_other_side_carries_no_level(bids in side(), asks in side(), rows in trades()) {
        let minutes: Vec<_> = (0..).zip(&rows).map(|(number, rows)| {
            let rows: Vec<_> = rows.iter().map(|(bucket, buy, sell)| (100_000 + bucket, *buy, *sell)).collect();
            minute(number, true, &rows)
        }).collect();
        check(&report_at(39, &[book(39, 100_000, &bids, &asks)], &minutes, &Params::default()));
    }
}

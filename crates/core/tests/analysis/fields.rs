//! Every field of a stored result is in the tables of `docs/api.md`, and nothing else is.

use std::collections::BTreeSet;

use serde_json::Value;
use strategy_core::model::report::{BookSide, Evidence, FlowSide, Number};

use crate::documented::{documented, fields};

/// Shapes that a result consists of; the others belong to the recommendation line.
fn is_of_a_report(shape: &str) -> bool {
    ![
        "recommendation",
        "market_context",
        "quote",
        "model_usage",
        "model_today",
    ]
    .contains(&shape)
}

/// One piece of every kind; a new kind does not compile until it is here.
fn every_kind() -> Vec<Evidence> {
    let (number, side) = (Number::ZERO, BookSide::Bid);
    let (price, volume, low, high) = (number, number, number, number);
    let all = vec![
        Evidence::Wall {
            side,
            price,
            volume,
            local_norm: number,
            norm_ratio: 5.0,
            side_share: 0.1,
            fleeting: false,
        },
        Evidence::DensityZone {
            side,
            low,
            high,
            volume,
            strength: 0.5,
        },
        Evidence::DenseSums {
            side,
            buckets: 20,
            sums: 20,
            dense_sums: 14,
            dense_from: number,
            peak_sum: number,
            least_sum: number,
            percentile_sum: number,
            median_sum: number,
            ratio: 1.5,
            side_share: 0.1,
        },
        Evidence::ThinSums {
            side,
            buckets: 20,
            least_sum: number,
            greatest_sum: number,
            enter_sum: number,
            stay_sum: number,
            median_sum: number,
            mean_sum: number,
        },
        Evidence::EmptyBuckets {
            side,
            buckets: 5,
            median_sum: number,
        },
        Evidence::PointOfControl { price, volume },
        Evidence::ValueAreaGrowth {
            rows: 1,
            target_volume: number,
            volume_before: number,
            last_above: None,
            last_below: None,
        },
        Evidence::HighVolumeNode { price, volume },
        Evidence::LowVolumeNode { price, volume },
        Evidence::Prominence {
            smoothed_volume: number,
            saddle_volume: number,
            highest_volume: number,
            threshold: 0.2,
        },
        Evidence::ValueAreaEdge { price },
        Evidence::ConfirmedTests {
            price,
            held: 5,
            broken: 0,
            mean: 0.8,
        },
        Evidence::StackedImbalance {
            low,
            high,
            side: FlowSide::Buy,
        },
    ];
    for piece in &all {
        match piece {
            Evidence::Wall { .. }
            | Evidence::DensityZone { .. }
            | Evidence::DenseSums { .. }
            | Evidence::ThinSums { .. }
            | Evidence::EmptyBuckets { .. }
            | Evidence::PointOfControl { .. }
            | Evidence::ValueAreaGrowth { .. }
            | Evidence::HighVolumeNode { .. }
            | Evidence::LowVolumeNode { .. }
            | Evidence::Prominence { .. }
            | Evidence::ValueAreaEdge { .. }
            | Evidence::ConfirmedTests { .. }
            | Evidence::StackedImbalance { .. } => {}
        }
    }
    all
}

#[test]
fn every_field_of_a_result_has_a_row_and_every_row_a_field() {
    // A report with something in every list, held to the code by a test of its own.
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let mut found = BTreeSet::new();
    fields("report", &golden, &mut found);
    fields(
        "evidence",
        &serde_json::to_value(every_kind()).unwrap(),
        &mut found,
    );
    let documented: BTreeSet<_> = documented()
        .into_iter()
        .filter(|(shape, _)| is_of_a_report(shape))
        .collect();
    let missing: Vec<_> = found.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/api.md: {missing:?}");
    let stale: Vec<_> = documented.difference(&found).collect();
    assert!(stale.is_empty(), "in docs/api.md only: {stale:?}");
}

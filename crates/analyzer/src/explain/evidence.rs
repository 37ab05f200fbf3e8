//! Evidence in words.

use strategy_core::model::report::{Confirmation, Evidence, FlowSide, Level, LevelType, WallLife};

/// One piece of evidence.
pub(super) fn piece(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Wall {
            price,
            volume,
            norm_ratio,
            side_share,
            fleeting,
        } => format!(
            "{} of {} at {}: {} x the 90th percentile around it, {:.1} % of its side within 1 %",
            if *fleeting {
                "fleeting wall (does not count)"
            } else {
                "wall"
            },
            volume.get(),
            price.get(),
            times(*norm_ratio),
            side_share * 100.0
        ),
        Evidence::DensityZone { low, high, volume } => format!(
            "inside or at the density zone {} to {}, which holds {}",
            low.get(),
            high.get(),
            volume.get()
        ),
        Evidence::PointOfControl { price, volume } => format!(
            "point of control at {}: more was traded there than anywhere, {}",
            price.get(),
            volume.get()
        ),
        Evidence::HighVolumeNode { price, volume } => {
            format!("high-volume node at {}, {} traded", price.get(), volume.get())
        }
        Evidence::ValueAreaEdge { price } => format!("edge of the value area at {}", price.get()),
        Evidence::ConfirmedTests {
            price,
            held,
            broken,
            mean,
        } => format!(
            "tests of {}: {held} held and {broken} broke, beyond chance (mean {mean})",
            price.get()
        ),
        Evidence::StackedImbalance { low, high, side } => format!(
            "stacked imbalance {} to {}: takers {}",
            low.get(),
            high.get(),
            match side {
                FlowSide::Buy => "bought",
                FlowSide::Sell => "sold",
            }
        ),
    }
}

fn times(ratio: f64) -> String {
    if ratio >= 1000.0 {
        "1000 or more".to_owned()
    } else {
        format!("{ratio:.1}")
    }
}

/// How a wall lived.
pub(super) fn life(level: &Level) -> String {
    let WallLife {
        snapshots_seen,
        snapshots_present,
        age_seconds,
        consumed,
        unattributed,
        unjudged,
        ..
    } = &level.wall_life;
    if *snapshots_seen < 2 {
        return "one snapshot: not known whether it stays".to_owned();
    }
    format!(
        "in {snapshots_present} of {snapshots_seen} snapshots, for {age_seconds} s; lost {} to takers, {} unexplained, {} over minutes not wholly known{}",
        consumed.get(),
        unattributed.get(),
        unjudged.get(),
        if level.fleeting { "; fleeting" } else { "" }
    )
}

/// How a price did when it was tested.
pub(super) fn tests(confirmation: &Confirmation) -> String {
    let Confirmation {
        held,
        broken,
        open,
        untested,
        mean,
        low,
        high,
        absorbed,
    } = confirmation;
    if *untested {
        return match open {
            0 => "never tested: nothing is known, which is not a refusal".to_owned(),
            open => format!("no test has ended ({open} open): nothing is known"),
        };
    }
    let verdict = if *low > 0.5 {
        "more than chance"
    } else if *high < 0.5 {
        "less than chance"
    } else {
        "no more than chance gives"
    };
    format!(
        "{held} held, {broken} broke, {open} open: holds with {mean:.2} (80 % between {low:.2} and {high:.2}), {verdict}; absorbed {}",
        absorbed.get()
    )
}

/// What a level is called.
pub(super) fn kind(level: &Level) -> &'static str {
    match level.level_type {
        LevelType::Support => "support",
        LevelType::Resistance => "resistance",
    }
}

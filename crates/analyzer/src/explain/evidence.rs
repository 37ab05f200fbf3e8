//! Evidence in words.

use strategy_core::model::report::{
    BookSide, Confirmation, Evidence, FlowSide, Level, LevelType, Number, WallLife,
};

/// One piece of evidence.
pub(super) fn piece(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Wall {
            side,
            price,
            volume,
            local_norm,
            norm_ratio,
            side_share,
            fleeting,
        } => format!(
            "{} {} of {} at {}: {} x the 90th percentile around it ({}), {:.1} % of its side within 1 %",
            book_side(*side),
            if *fleeting {
                "wall, fleeting (does not count),"
            } else {
                "wall"
            },
            volume.get(),
            price.get(),
            times(*norm_ratio),
            local_norm.get(),
            side_share * 100.0
        ),
        Evidence::DensityZone {
            side,
            low,
            high,
            volume,
            strength,
        } => format!(
            "{} density zone {} to {}, which holds {} (strength {strength})",
            book_side(*side),
            low.get(),
            high.get(),
            volume.get()
        ),
        Evidence::DenseSums { .. } | Evidence::ThinSums { .. } | Evidence::EmptyBuckets { .. } => {
            sums(evidence)
        }
        Evidence::ValueAreaGrowth {
            rows,
            target_volume,
            volume_before,
            last_above,
            last_below,
        } => format!(
            "{rows} rows; 70 % is {}; the last step began at {} and compared {} above with {} below",
            target_volume.get(),
            volume_before.get(),
            maybe(*last_above),
            maybe(*last_below)
        ),
        Evidence::LowVolumeNode { price, volume } => {
            format!("low-volume node at {}, {} traded", price.get(), volume.get())
        }
        Evidence::Prominence {
            smoothed_volume,
            saddle_volume,
            highest_volume,
            threshold,
        } => format!(
            "smoothed {} against {} at the saddle, of {} at the highest row: at least {threshold}",
            rounded(*smoothed_volume),
            rounded(*saddle_volume),
            rounded(*highest_volume)
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

/// What a zone or a vacuum was measured by.
fn sums(evidence: &Evidence) -> String {
    match evidence {
        Evidence::DenseSums {
            buckets,
            sums,
            dense_sums,
            dense_from,
            peak_sum,
            least_sum,
            percentile_sum,
            median_sum,
            ratio,
            side_share,
            ..
        } => format!(
            "{buckets} buckets; {sums} sums of ten without walls and the two largest, {} to {}, all above the 90th \
             percentile {} and {dense_sums} above 1.5 times that ({}); median {}; peak {} x the percentile, {:.1} % \
             of its side within 1 %",
            least_sum.get(),
            peak_sum.get(),
            percentile_sum.get(),
            dense_from.get(),
            median_sum.get(),
            times(*ratio),
            side_share * 100.0
        ),
        Evidence::ThinSums {
            buckets,
            least_sum,
            greatest_sum,
            enter_sum,
            stay_sum,
            median_sum,
            mean_sum,
            ..
        } => format!(
            "{buckets} buckets; sums of ten from {} to {}: one at most {}, all at most {}; median {}; ten hold {} \
             on average",
            least_sum.get(),
            greatest_sum.get(),
            enter_sum.get(),
            stay_sum.get(),
            median_sum.get(),
            rounded(*mean_sum)
        ),
        Evidence::EmptyBuckets {
            buckets, median_sum, ..
        } => format!(
            "{buckets} buckets in a row are empty, where ten hold {} elsewhere",
            median_sum.get()
        ),
        _ => String::new(),
    }
}

fn book_side(side: BookSide) -> &'static str {
    match side {
        BookSide::Bid => "bid",
        BookSide::Ask => "ask",
    }
}

/// A quotient, to the eight decimals of the exchange.
fn rounded(number: Number) -> String {
    number.get().round_dp(8).normalize().to_string()
}

fn maybe(number: Option<Number>) -> String {
    number.map_or_else(|| "nothing".to_owned(), |number| number.get().to_string())
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

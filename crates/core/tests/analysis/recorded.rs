//! Recorded markets run through, and what comes out is what a trader would point at.

use chrono::Duration;
use strategy_core::analysis::{Input, Params, analyze};
use strategy_core::model::report::{Level, MarketReport};

use crate::fixtures::{book_time, recorded_book, recorded_minutes, symbol};

fn book_report() -> MarketReport {
    let input = Input {
        symbol: &symbol("BTCUSDT"),
        now: book_time() + Duration::seconds(5),
        depth: &[recorded_book()],
        minutes: &[],
    };
    analyze(&input, &Params::default())
}

#[test]
fn look() {
    let r = book_report();
    for l in r.support_levels.iter().chain(&r.resistance_levels) {
        println!(
            "{:?} {} {} {:?}",
            l.level_type,
            l.price.get(),
            l.strength,
            l.evidence
        );
    }
    for z in &r.density_zones {
        println!(
            "D {:?} {} {} {} {}",
            z.side,
            z.low.get(),
            z.high.get(),
            z.volume.get(),
            z.strength
        );
    }
    for z in &r.vacuum_ranges {
        println!(
            "V {:?} {} {} {} {}",
            z.side,
            z.low.get(),
            z.high.get(),
            z.volume.get(),
            z.strength
        );
    }
    println!("{:?}\n{:?}", r.context, r.data_honesty);
    let minutes = recorded_minutes();
    let now = minutes.last().unwrap().minute.start() + Duration::seconds(65);
    let input = Input {
        symbol: &symbol("BTCFDUSD"),
        now,
        depth: &[],
        minutes: &minutes,
    };
    let r = analyze(&input, &Params::default());
    println!(
        "{:?}\n{:?}\n{:#?} {:#?}\n{:?}\n{:#?}\n{:?}",
        r.poc_levels,
        r.value_area,
        r.high_volume_nodes,
        r.low_volume_nodes,
        r.flow_deltas,
        r.stacked_imbalances,
        r.data_honesty
    );
    println!("{:?}", r.poc_confirmation);
}

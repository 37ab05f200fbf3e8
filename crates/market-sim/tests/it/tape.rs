//! The tape: what it promises and how it looks.

use market_sim::amount::{CENT, ONE};
use market_sim::market::Market as _;
use market_sim::tape::{Burst, Tape, TapeConfig};
use market_sim::trade::SimTrade;
use strategy_core::num::BucketWidth;
use strategy_core::time::Minute;

use crate::support::{config, start};

fn rows_of(tape: &Tape, first: Minute, minutes: i64) -> Vec<SimTrade> {
    (0..minutes)
        .flat_map(|offset| tape.block(first.offset(offset)).rows.clone())
        .collect()
}

#[test]
fn one_seed_is_one_tape_in_whatever_order_it_is_read() {
    let (forward, backward) = (
        Tape::new(config().with_rare_events()),
        Tape::new(config().with_rare_events()),
    );
    for offset in 0..20 {
        forward.block(start().offset(offset));
    }
    for offset in (0..20).rev() {
        let minute = start().offset(offset);
        assert_eq!(forward.block(minute), backward.block(minute));
    }
    let other = Tape::new(TapeConfig {
        seed: 8,
        ..config().with_rare_events()
    });
    assert_ne!(forward.block(start()), other.block(start()));
}

#[test]
fn ids_and_raw_ids_are_dense_and_publication_never_steps_back() {
    for tape in [
        config(),
        config().with_rare_events(),
        TapeConfig {
            rate: 0.2,
            ..config()
        },
    ] {
        let tape = Tape::new(tape);
        let first = tape.first_minute();
        let mut next_id = tape.block(first).first_id;
        let mut published = 0;
        let mut last_raw = None;
        for offset in 0..120 {
            let block = tape.block(first.offset(offset));
            assert_eq!(block.first_id, next_id);
            next_id += block.id_count;
            let mut ids: Vec<u64> = block
                .rows
                .iter()
                .map(|row| row.id)
                .chain(block.absent.clone())
                .collect();
            ids.sort_unstable();
            assert!(ids.iter().copied().eq(block.first_id..next_id));
            for row in &block.rows {
                assert!(row.event_ms >= published && row.event_ms <= block.minute.end_ms());
                assert!(row.time_ms >= block.minute.start_ms() - 1000 && row.time_ms < block.minute.end_ms());
                published = row.event_ms;
                if !row.is_dead() {
                    assert!(row.last_raw >= row.first_raw);
                    assert!(last_raw.is_none_or(|last| row.first_raw == last + 1), "{row:?}");
                    last_raw = Some(row.last_raw);
                }
            }
            let ids = block.first_id..next_id;
            assert!(
                ids.clone()
                    .all(|id| tape.minute_of_id(id, start()) == Some(block.minute))
            );
        }
    }
}

#[test]
fn rare_events_happen_and_by_default_do_not() {
    let usual = Tape::new(config());
    let rows = rows_of(&usual, start(), 60);
    assert!(
        rows.windows(2)
            .all(|pair| pair[0].time_ms <= pair[1].time_ms && pair[1].id == pair[0].id + 1)
    );
    assert!(rows.iter().all(|row| !row.is_dead()));

    let rare = Tape::new(config().with_rare_events());
    let rows = rows_of(&rare, start(), 60);
    assert!(rows.iter().any(SimTrade::is_dead));
    assert!(rows.windows(2).any(|pair| pair[1].id > pair[0].id + 1));
    assert!(rows.windows(2).any(|pair| pair[1].time_ms < pair[0].time_ms));
    let minute_of = |row: &SimTrade| Minute::containing(row.time_ms).unwrap();
    assert!(
        rows.windows(2)
            .any(|pair| minute_of(&pair[1]) < minute_of(&pair[0]))
    );
}

#[test]
fn a_quiet_market_has_minutes_without_a_trade() {
    let tape = Tape::new(TapeConfig {
        rate: 0.2,
        ..config()
    });
    let counts: Vec<usize> = (0..500)
        .map(|offset| tape.block(start().offset(offset)).rows.len())
        .collect();
    let total: usize = counts.iter().sum();
    assert!((30..400).contains(&total), "{total}");
    assert!(counts.iter().filter(|count| **count == 0).count() > 300);
}

#[test]
fn a_burst_adds_its_rows_within_one_second_and_only_to_the_future() {
    let quiet = TapeConfig {
        rate: 1.0,
        ..config()
    };
    let tape = Tape::new(quiet.clone());
    let planned = Tape::new(TapeConfig {
        bursts: vec![Burst {
            minute: start().next(),
            rows: 5000,
        }],
        ..quiet
    });
    tape.block(start());
    assert!(tape.add_burst(start(), 10).is_err());
    tape.add_burst(start().next(), 5000).unwrap();
    let block = tape.block(start().next());
    assert_eq!(block, planned.block(start().next()));
    assert!(block.rows.len() >= 5000);
    let per_second = |second: i64| {
        let from = block.minute.start_ms() + second * 500;
        block
            .rows
            .iter()
            .filter(|row| (from..from + 1500).contains(&row.time_ms))
            .count()
    };
    assert!((0..120).map(per_second).max().unwrap() >= 5000);
}

fn quantile<T: Copy + PartialOrd>(values: &mut [T], share: f64) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    let index = (values.len() as f64 * share) as usize;
    values[index.min(values.len() - 1)]
}

/// Bounds are those of 120 recorded minutes, widened where the sample is small.
#[test]
fn minutes_look_like_recorded_ones() {
    let tape = std::sync::Arc::new(Tape::new(config()));
    let truth = market_sim::truth::Truth::new(tape.clone(), BucketWidth::ONE, 1000);
    let minutes = 600;
    let (mut levels, mut counts, mut volumes, mut spans, mut steps, mut shares) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (mut tens, mut total, mut last_vwap) = (0.0, 0.0, None);
    for offset in 0..minutes {
        let minute = start().offset(offset);
        let footprint = truth.minute(minute).unwrap();
        let rows = tape.trades_of(minute);
        if rows.len() < 20 {
            continue;
        }
        levels.push(footprint.levels.len());
        counts.push(rows.len());
        let volume: u64 = rows.iter().map(|row| row.quantity_e8).sum();
        let bought: u64 = rows
            .iter()
            .filter(|row| !row.buyer_is_maker)
            .map(|row| row.quantity_e8)
            .sum();
        volumes.push(volume as f64 / ONE as f64);
        shares.push(bought as f64 / volume as f64);
        let price = |row: &SimTrade| row.price_e8 as f64 / (100 * CENT) as f64;
        let (low, high) = rows
            .iter()
            .map(price)
            .fold((f64::MAX, 0.0_f64), |(low, high), price| {
                (low.min(price), high.max(price))
            });
        spans.push(high - low);
        let vwap = rows
            .iter()
            .map(|row| price(row) * row.quantity_e8 as f64)
            .sum::<f64>()
            / volume as f64;
        steps.extend(last_vwap.map(|last: f64| (vwap - last).abs()));
        last_vwap = Some(vwap);
        for (bucket, flow) in &footprint.levels {
            let volume = strategy_core::num::to_f64(flow.total_volume());
            total += volume;
            if strategy_core::num::to_f64(bucket.low()) % 10.0 == 0.0 {
                tens += volume;
            }
        }
    }
    let report = format!(
        "levels {} {} {}, trades {} {} {}, volume {:.2} {:.2} {:.2}, span {:.0} {:.0} {:.0}, step {:.1} {:.1}, share {:.2} {:.2}, tens {:.3}",
        quantile(&mut levels, 0.25),
        quantile(&mut levels, 0.5),
        quantile(&mut levels, 0.75),
        quantile(&mut counts, 0.25),
        quantile(&mut counts, 0.5),
        quantile(&mut counts, 0.75),
        quantile(&mut volumes, 0.25),
        quantile(&mut volumes, 0.5),
        quantile(&mut volumes, 0.75),
        quantile(&mut spans, 0.25),
        quantile(&mut spans, 0.5),
        quantile(&mut spans, 0.75),
        quantile(&mut steps, 0.5),
        quantile(&mut steps, 0.95),
        quantile(&mut shares, 0.05),
        quantile(&mut shares, 0.95),
        tens / total,
    );
    println!("{report}");
    assert!((20..=36).contains(&quantile(&mut levels, 0.5)), "{report}");
    assert!((400..=540).contains(&quantile(&mut counts, 0.5)), "{report}");
    assert!((2.4..5.2).contains(&quantile(&mut volumes, 0.5)), "{report}");
    assert!((20.0..38.0).contains(&quantile(&mut spans, 0.5)), "{report}");
    assert!((7.0..13.0).contains(&quantile(&mut steps, 0.5)), "{report}");
    assert!((22.0..48.0).contains(&quantile(&mut steps, 0.95)), "{report}");
    assert!((0.20..0.38).contains(&quantile(&mut shares, 0.05)), "{report}");
    assert!((0.62..0.80).contains(&quantile(&mut shares, 0.95)), "{report}");
    assert!((0.13..0.22).contains(&(tens / total)), "{report}");
}

#[test]
fn rows_look_like_recorded_ones() {
    let tape = Tape::new(config());
    let rows = rows_of(&tape, start(), 120);
    let pairs = || rows.windows(2);
    let same_time =
        pairs().filter(|pair| pair[0].time_ms == pair[1].time_ms).count() as f64 / rows.len() as f64;
    let same_price = pairs()
        .filter(|pair| pair[0].price_e8 == pair[1].price_e8)
        .count() as f64
        / rows.len() as f64;
    let mut gaps: Vec<i64> = pairs()
        .map(|pair| pair[1].time_ms - pair[0].time_ms)
        .filter(|gap| *gap > 0)
        .collect();
    let mut quantities: Vec<u64> = rows.iter().map(|row| row.quantity_e8 / 1000).collect();
    let mean = quantities.iter().sum::<u64>() as f64 / quantities.len() as f64 / 1e5;
    let raw: i64 = rows.iter().map(|row| row.last_raw - row.first_raw + 1).sum();
    let per_raw = rows.len() as f64 / raw as f64;
    let report = format!(
        "same ms {same_time:.2}, same price {same_price:.2}, gap {} {} {}, lots {} {} {}, mean {mean:.4}, rows per raw {per_raw:.2}",
        quantile(&mut gaps, 0.5),
        quantile(&mut gaps, 0.9),
        quantile(&mut gaps, 0.99),
        quantile(&mut quantities, 0.5),
        quantile(&mut quantities, 0.9),
        quantile(&mut quantities, 0.99),
    );
    println!("{report}");
    assert!((0.12..0.54).contains(&same_time), "{report}");
    assert!((0.12..0.45).contains(&same_price), "{report}");
    assert!((24..=160).contains(&quantile(&mut gaps, 0.5)), "{report}");
    assert!((200..=700).contains(&quantile(&mut gaps, 0.9)), "{report}");
    assert!((20..=100).contains(&quantile(&mut quantities, 0.5)), "{report}");
    assert!(
        (1500..=8400).contains(&quantile(&mut quantities, 0.9)),
        "{report}"
    );
    assert!((0.0060..0.0105).contains(&mean), "{report}");
    assert!((0.6..0.9).contains(&per_raw), "{report}");
}

#[test]
fn history_is_there_at_once_and_any_part_of_it_cheaply() {
    let tape = Tape::new(config());
    let began = std::time::Instant::now();
    let rows = rows_of(&tape, tape.first_minute(), 200);
    let elapsed = began.elapsed();
    println!("{} rows in {elapsed:?}", rows.len());
    assert!(rows.len() > 50_000);
}

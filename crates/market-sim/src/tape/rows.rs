//! The rows of one minute: sweeps of taker orders at the quotes of the price path.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy_core::time::{MINUTE_MS, Minute};

use super::TapeConfig;
use super::path::Path;
use super::plan::MinutePlan;
use crate::amount::{CENT, LOT};
use crate::market::{Block, MAX_STEP_BACK_MS};
use crate::rng::{Purpose, mix, normal};
use crate::trade::SimTrade;

const ROWS: Purpose = 30;
const SIDE: Purpose = 31;

/// One taker order: its time inside the minute and the number of price levels it takes.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    offset_ms: i64,
    rows: u32,
}

/// Generates the block of a minute. Pure: depends on the arguments only.
pub(super) fn generate(config: &TapeConfig, minute: Minute, plan: &MinutePlan) -> Block {
    let mut rng = ChaCha8Rng::seed_from_u64(mix(config.seed, ROWS, minute.number()));
    let path = Path::new(config.seed, minute, plan);
    let drift = (plan.close - plan.open) as f64 / 100_000.0;
    let buy_share = (0.5 + 0.05 * normal(mix(config.seed, SIDE, minute.number())) + drift).clamp(0.1, 0.9);
    let mut block = Block {
        minute,
        first_id: plan.first_id,
        id_count: u64::from(plan.ids),
        rows: Vec::with_capacity(plan.ids as usize),
        absent: Vec::new(),
    };
    let mut next_id = plan.first_id;
    let mut published = minute.start_ms();
    let late_order = rng.random_bool(config.boundary_step_back_rate);
    for (index, sweep) in sweeps(&mut rng, plan).into_iter().enumerate() {
        let mut at = minute.start_ms() + sweep.offset_ms;
        // The minute begins as usual, then its second taker order still belongs to the minute before.
        let early = late_order && index == 1;
        if late_order && index < 2 {
            at = at.min(minute.start_ms() + 50);
        }
        published = published.max(at + delay_ms(&mut rng)).min(minute.end_ms());
        let time_ms = if early {
            minute.start_ms() - rng.random_range(1..MAX_STEP_BACK_MS)
        } else if rng.random_bool(config.step_back_rate) {
            at - rng.random_range(1..=MAX_STEP_BACK_MS)
        } else {
            at
        };
        let buys = rng.random_bool(buy_share);
        let quotes = path.quotes(at);
        let mut price = near_round_price(&mut rng, if buys { quotes.ask } else { quotes.bid });
        for _ in 0..sweep.rows {
            let id = next_id;
            next_id += 1;
            if rng.random_bool(config.missing_id_rate) {
                block.absent.push(id);
                continue;
            }
            block.rows.push(SimTrade {
                id,
                time_ms,
                event_ms: published,
                price_e8: price.unsigned_abs() * CENT,
                quantity_e8: lots(&mut rng) * LOT,
                first_raw: 0,
                last_raw: 0,
                buyer_is_maker: !buys,
            });
            let gap = i64::from(rng.random_range(1_u32..60));
            price = if buys { price + gap } else { (price - gap).max(1) };
        }
    }
    bury(&mut rng, &mut block.rows, config.dead_row_rate);
    number_raw_trades(&mut rng, &mut block.rows, plan);
    block
}

/// The taker orders of the minute, by time; their rows add up to the ids of the plan.
fn sweeps(rng: &mut ChaCha8Rng, plan: &MinutePlan) -> Vec<Sweep> {
    let mut sizes = Vec::with_capacity(plan.ids as usize);
    let mut left = plan.ids - plan.burst;
    while left > 0 {
        let rows = sweep_rows(rng).min(left);
        sizes.push(rows);
        left -= rows;
    }
    let mut sweeps = Vec::with_capacity(sizes.len());
    let gaps: Vec<f64> = (0..=sizes.len())
        .map(|_| (-(1.0 - rng.random::<f64>()).ln()).powf(1.3))
        .collect();
    let scale = (MINUTE_MS - 1) as f64 / gaps.iter().sum::<f64>().max(1e-9);
    let mut elapsed = 0.0;
    for (rows, gap) in sizes.into_iter().zip(gaps) {
        elapsed += gap * scale;
        let offset_ms = crate::rng::round(elapsed).min(MINUTE_MS - 1);
        sweeps.push(Sweep { offset_ms, rows });
    }
    let mut left = plan.burst;
    let burst_at = rng.random_range(0..MINUTE_MS - 1000);
    while left > 0 {
        let rows = sweep_rows(rng).min(left);
        let offset_ms = burst_at + rng.random_range(0..1000);
        sweeps.push(Sweep { offset_ms, rows });
        left -= rows;
    }
    if plan.burst > 0 {
        sweeps.sort_by_key(|sweep| sweep.offset_ms);
    }
    sweeps
}

/// Price levels one taker order takes: mostly one, rarely dozens.
fn sweep_rows(rng: &mut ChaCha8Rng) -> u32 {
    match rng.random_range(0_u32..1000) {
        0..800 => 1,
        800..950 => rng.random_range(2..=4),
        950..996 => rng.random_range(3..=12),
        _ => rng.random_range(8..=60),
    }
}

/// Publication after the match: 1 ms as a rule, up to 23.
fn delay_ms(rng: &mut ChaCha8Rng) -> i64 {
    match rng.random_range(0_u32..100) {
        0..80 => 1,
        80..98 => rng.random_range(1..=6),
        _ => rng.random_range(6..=23),
    }
}

/// Some orders rest at the next multiple of ten dollars.
fn near_round_price(rng: &mut ChaCha8Rng, price: i64) -> i64 {
    let ten = (price + 500).div_euclid(1000) * 1000;
    let near = (price - ten).abs() <= 400;
    if near && rng.random_bool(0.16) { ten } else { price }
}

/// A quantity in lots: almost half of the rows are dust, the mean is about 0.008.
fn lots(rng: &mut ChaCha8Rng) -> u64 {
    let kind = rng.random_range(0_u32..1000);
    let (low, high) = match kind {
        0..450 => (5, 61),
        450..850 => (30, 900),
        850..970 => (800, 6000),
        970..999 => (5000, 24_000),
        _ => (20_000, 150_000),
    };
    // The square of a uniform number leans to the small end.
    let part = u64::from(rng.random::<u16>());
    low + (((high - low) * part) >> 16) * part / 65_536
}

/// Turns some rows into dead ones: the id stays, the trade is gone.
fn bury(rng: &mut ChaCha8Rng, rows: &mut [SimTrade], rate: f64) {
    for row in rows {
        if rng.random_bool(rate) {
            row.price_e8 = 0;
            row.quantity_e8 = 0;
            row.first_raw = -1;
            row.last_raw = -1;
        }
    }
}

/// Gives the raw trade ids of the plan to the living rows, without a gap.
fn number_raw_trades(rng: &mut ChaCha8Rng, rows: &mut [SimTrade], plan: &MinutePlan) {
    let mut living: Vec<&mut SimTrade> = rows.iter_mut().filter(|row| !row.is_dead()).collect();
    if living.is_empty() {
        return;
    }
    let mut counts = vec![1_i64; living.len()];
    for _ in counts.len()..plan.raw as usize {
        let index = rng.random_range(0..counts.len());
        counts[index] += 1;
    }
    let mut next = plan.first_raw;
    for (row, count) in living.iter_mut().zip(counts) {
        row.first_raw = next;
        next += count;
        row.last_raw = next - 1;
    }
}

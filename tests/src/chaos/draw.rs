//! One fault drawn from a seed, as the acts that begin and end it.

use std::time::Duration;

use market_sim::exchange::Endpoint;
use market_sim::faults::{DepthEdit, RestFault, StreamMode};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::WorldOptions;
use crate::chaos::fault::{Act, Which};

/// Draws one fault; `add` takes its acts with the milliseconds after the beginning of the fault.
pub(crate) fn draw_acts(rng: &mut ChaCha8Rng, options: &WorldOptions, mut add: impl FnMut(u64, Act)) {
    match rng.random_range(0_u32..100) {
        0..2 => add(
            0,
            Act::ExchangeAhead(rng.random_range(1..=options.window as u64 / 3)),
        ),
        2..30 => draw_stream(rng, &mut add),
        30..55 => draw_rest(rng, &mut add),
        55..78 => draw_redis(rng, options.redis.append_only, &mut add),
        78..84 => draw_storage(rng, &mut add),
        _ => draw_collectors(rng, &mut add),
    }
}

fn draw_stream(rng: &mut ChaCha8Rng, add: &mut impl FnMut(u64, Act)) {
    let rows = rng.random_range(1..60);
    match rng.random_range(0_u32..16) {
        0 => add(0, Act::DropStreams),
        1 => add(
            0,
            Act::CloseStreams(*[1000, 1001, 1008].choose(rng).unwrap_or(&1000)),
        ),
        2 => add(0, Act::HalfFrame),
        3 => add(0, Act::ServerShutdown(rng.random_bool(0.5))),
        4 => {
            add(
                0,
                Act::RefuseUpgrades(*[403, 429, 451, 503, 503, 503].choose(rng).unwrap_or(&403), 1),
            );
            add(1, Act::DropStreams);
        }
        5 => {
            add(0, Act::CloseOnAccept(rng.random_range(1..3)));
            add(1, Act::DropStreams);
        }
        6 | 7 => {
            add(0, Act::Stream(StreamMode::DataSilent));
            add(rng.random_range(100..4000), Act::Stream(StreamMode::Normal));
        }
        8 => {
            add(0, Act::Stream(StreamMode::BlackHole));
            add(rng.random_range(100..4000), Act::Stream(StreamMode::Normal));
        }
        9 => add(0, Act::SkipRows(rows)),
        10 => add(0, Act::SkipLateRows(rng.random_range(1..6))),
        11 => add(0, Act::DoubleRows(rows)),
        12 => add(0, Act::SwapRows(rows)),
        13 => add(0, Act::GarbageFrame),
        14 => {
            add(0, Act::ForeignTrade);
            add(1, Act::BinaryFrame);
        }
        _ => {
            add(0, Act::UnknownEvent);
            add(1, Act::ExtraFields(rows));
        }
    }
}

fn draw_rest(rng: &mut ChaCha8Rng, add: &mut impl FnMut(u64, Act)) {
    let fault = draw_rest_fault(rng);
    if rng.random_bool(0.2) {
        let outage = if rng.random_bool(0.5) {
            RestFault::bad_gateway_html()
        } else {
            RestFault::Hang
        };
        add(0, Act::RestOutage(outage));
        add(rng.random_range(500..4000), Act::RestClear);
    } else {
        let endpoint = *[
            Endpoint::AggTrades,
            Endpoint::AggTrades,
            Endpoint::AggTrades,
            Endpoint::Time,
            Endpoint::Depth,
        ]
        .choose(rng)
        .unwrap_or(&Endpoint::AggTrades);
        let fault = if endpoint == Endpoint::Depth && rng.random_bool(0.7) {
            draw_depth_fault(rng)
        } else {
            fault
        };
        add(0, Act::Rest(endpoint, fault, rng.random_range(1..5)));
        if rng.random_bool(0.6) {
            // Otherwise hardly anything is asked while all is well.
            add(20, Act::SkipRows(rng.random_range(1..200)));
        }
    }
}

fn draw_rest_fault(rng: &mut ChaCha8Rng) -> RestFault {
    let size = rng.random_range(1..3000);
    match rng.random_range(0_u32..40) {
        16 => RestFault::too_many_requests(0),
        17 => RestFault::too_many_requests(4),
        18 => RestFault::status(429, ""),
        19 => RestFault::banned(5, 0),
        20 => RestFault::geo_blocked(),
        number => draw_common_fault(rng, number % 16, size),
    }
}

fn draw_depth_fault(rng: &mut ChaCha8Rng) -> RestFault {
    RestFault::Depth(match rng.random_range(0_u32..8) {
        0 => DepthEdit::Crossed,
        1 => DepthEdit::NoBids,
        2 => DepthEdit::NoAsks,
        3 => DepthEdit::Empty,
        4 => DepthEdit::OlderBy(rng.random_range(1..1_000_000_000)),
        5 => DepthEdit::Levels(rng.random_range(1..50)),
        6 => DepthEdit::ZeroQuantity,
        _ => DepthEdit::Unsorted,
    })
}

fn draw_common_fault(rng: &mut ChaCha8Rng, number: u32, size: usize) -> RestFault {
    match number {
        0 => RestFault::server_error(),
        1 => RestFault::busy(),
        2 => RestFault::bad_gateway_html(),
        3 => RestFault::too_many_requests(1),
        4 => RestFault::banned(2, 0),
        5 => RestFault::Respond {
            status: 403,
            headers: vec![("retry-after".to_owned(), "1".to_owned())],
            body: "<html>".to_owned(),
        },
        6 => RestFault::Hang,
        7 | 8 => RestFault::EmptyPage,
        9 | 10 => RestFault::ShortPage(rng.random_range(1..30)),
        11 => RestFault::RepeatRows(rng.random_range(1..30)),
        12 => RestFault::Truncated(size),
        13 => RestFault::Cut(size),
        14 => RestFault::SlowBody {
            chunk: size.max(200),
            pause: Duration::from_millis(rng.random_range(5..60)),
        },
        _ => RestFault::body(
            *["<html>", "{}", "null", "[{\"a\":\"x\"}]", "[]]"]
                .choose(rng)
                .unwrap_or(&"{}"),
        ),
    }
}

fn draw_redis(rng: &mut ChaCha8Rng, append_only: bool, add: &mut impl FnMut(u64, Act)) {
    match rng.random_range(0_u32..12) {
        0..3 => {
            add(0, Act::RedisFrozen(true));
            add(rng.random_range(100..4500), Act::RedisFrozen(false));
        }
        3 => add(0, Act::RedisCut),
        4 => {
            add(0, Act::RedisRefused(true));
            add(0, Act::RedisCut);
            add(rng.random_range(200..3000), Act::RedisRefused(false));
        }
        5 | 6 => {
            add(0, Act::RedisDelay(rng.random_range(20..700)));
            add(rng.random_range(500..4000), Act::RedisDelay(0));
        }
        7 => {
            add(0, Act::RedisKill);
            add(rng.random_range(100..3000), Act::RedisStart);
        }
        8 => {
            add(0, Act::RedisStop);
            add(rng.random_range(100..3000), Act::RedisStart);
        }
        9 | 10 if append_only => {
            let age = rng.random_range(200..4000);
            add(0, Act::RedisRemember);
            add(age, Act::RedisRollback);
            add(age + rng.random_range(50..1500), Act::RedisStart);
        }
        _ => add(0, Act::RedisForget(rng.random_range(1..4), rng.random_bool(0.7))),
    }
}

fn draw_storage(rng: &mut ChaCha8Rng, add: &mut impl FnMut(u64, Act)) {
    if rng.random_bool(0.7) {
        add(0, Act::StorageBlocked(true));
        add(rng.random_range(200..4000), Act::StorageBlocked(false));
    } else {
        add(0, Act::CrashLeftovers);
    }
}

fn draw_collectors(rng: &mut ChaCha8Rng, add: &mut impl FnMut(u64, Act)) {
    let which = if rng.random_bool(0.7) {
        Which::First
    } else {
        Which::Last
    };
    let down: u64 = if rng.random_bool(0.5) {
        rng.random_range(10..200)
    } else {
        rng.random_range(200..4000)
    };
    if rng.random_bool(0.4) {
        // Where a start finds out where to begin.
        let fault = draw_rest_fault(rng);
        let times = rng.random_range(1..4);
        add(
            down.saturating_sub(1),
            Act::Rest(Endpoint::AggTrades, fault, times),
        );
    }
    match rng.random_range(0_u32..10) {
        0..4 => {
            add(0, Act::KillCollector(which));
            add(down, Act::StartCollector);
        }
        4..7 => {
            let signal = if rng.random_bool(0.5) { "INT" } else { "TERM" };
            add(0, Act::StopCollector(which, signal));
            add(down, Act::StartCollector);
        }
        7 => {
            add(0, Act::SleepCollectors(true));
            add(down, Act::SleepCollectors(false));
        }
        8 => {
            add(0, Act::StartCollector);
            add(down.max(600), Act::KillCollector(Which::First));
        }
        _ => {
            add(0, Act::StartCollector);
            add(down.max(600), Act::LeaseForgotten);
        }
    }
}

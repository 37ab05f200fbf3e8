//! What happens in one chaos run, drawn from its seed: the world and the schedule of faults.

use std::fmt;
use std::time::Duration;

use market_sim::exchange::ExchangeConfig;
use market_sim::redis::RedisOptions;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::WorldOptions;
use crate::chaos::draw::draw_acts;
use crate::chaos::fault::Act;

/// Shortest and longest span over which faults begin, in milliseconds.
const SPAN_MS: (u64, u64) = (5_000, 8_000);

/// Fewest and most faults.
const FAULTS: (usize, usize) = (3, 20);

/// One run in so many is stretched, with outages longer than the lease on the keys lives.
const STRETCHED: (u32, u64) = (10, 4);

/// One run in so many has so many trades a minute that a long outage is not read one page after the other.
const BUSY: (u32, f64) = (25, 3_000.0);

/// One run in so many has this request budget, and this many event seconds per second, so that the questions fit.
const FRUGAL: (u32, u32, f64) = (8, 600, 10.0);

/// One act and when it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Wall time after the start.
    pub at: Duration,
    /// What is done.
    pub act: Act,
}

/// What happens in one run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The world.
    pub options: WorldOptions,
    /// The schedule, in order of time.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a seed; the same every time.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let options = draw_options(&mut rng, seed);
        let busy = options.rate >= BUSY.1;
        let stretch = if busy || rng.random_ratio(1, STRETCHED.0) {
            STRETCHED.1
        } else {
            1
        };
        let span = rng.random_range(SPAN_MS.0..SPAN_MS.1) * stretch.div_ceil(2);
        let mut steps = vec![Step {
            at: Duration::ZERO,
            act: Act::StartCollector,
        }];
        for _ in 0..rng.random_range(FAULTS.0..=FAULTS.1) {
            let at = rng.random_range(300..span);
            draw_acts(&mut rng, &options, |after, act| {
                steps.push(Step {
                    at: Duration::from_millis(at + after * stretch),
                    act,
                });
            });
        }
        steps.sort_by_key(|step| step.at);
        Self { seed, options, steps }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        writeln!(
            formatter,
            "seed {}: {:.1} trades a minute, {}x, window {}, backfill {}, at most {} levels, a book every {} s, \
             budget {}, rest lag {:?} and {:?}, {}",
            self.seed,
            options.rate,
            options.speed,
            options.window,
            options.backfill,
            options.max_levels,
            options.depth_interval,
            options.weight_per_minute,
            options.exchange.rest_lag,
            options.exchange.rest_ragged,
            if options.redis.append_only {
                "redis with append-only file"
            } else {
                "redis without persistence"
            },
        )?;
        for step in &self.steps {
            writeln!(formatter, "  {:6.3} s  {}", step.at.as_secs_f64(), step.act)?;
        }
        Ok(())
    }
}

fn draw_options(rng: &mut ChaCha8Rng, seed: u64) -> WorldOptions {
    // A window that rolls over several times, and is long enough to be repaired before it has.
    let busy = rng.random_ratio(1, BUSY.0);
    let frugal = !busy && rng.random_ratio(1, FRUGAL.0);
    let pace = if busy {
        60.0
    } else if frugal {
        FRUGAL.2
    } else {
        *[60.0, 60.0, 90.0, 120.0, 240.0].choose(rng).unwrap_or(&60.0)
    };
    let shortest = if pace > 100.0 { 12 } else { 6 };
    let window = rng.random_range(shortest..=20);
    let backfill = if rng.random_bool(0.8) {
        20
    } else {
        rng.random_range(4..=u32::try_from(window).unwrap_or(20))
    };
    let lag = *[0, 0, 0, 500, 3_000].choose(rng).unwrap_or(&0);
    // Together REST is 3 s behind the stream at most.
    let ragged = *[0, 0, 1_500, 2_900].choose(rng).unwrap_or(&0);
    WorldOptions {
        seed,
        rate: if busy {
            BUSY.1
        } else {
            *[0.4, 5.0, 60.0, 120.0, 200.0].choose(rng).unwrap_or(&60.0)
        },
        rare_events: true,
        speed: pace,
        window,
        backfill,
        max_levels: if rng.random_bool(0.25) { 25 } else { 1000 },
        // Books cost most of the time.
        depth_interval: *[60, 60, 60, 3].choose(rng).unwrap_or(&60),
        weight_per_minute: if frugal { FRUGAL.1 } else { 100_000 },
        exchange: ExchangeConfig {
            weight_limit: 1_000_000,
            rest_lag: Duration::from_millis(lag),
            rest_ragged: Duration::from_millis(ragged.min(3_000 - lag)),
            ..ExchangeConfig::default()
        },
        redis: RedisOptions {
            append_only: rng.random_bool(0.6),
            ..RedisOptions::default()
        },
        ..WorldOptions::default()
    }
}

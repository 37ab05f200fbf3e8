//! The generated market: one seed, one endless tape of aggregate trades.
//!
//! Used by the exchange, the truth and the stream through [`Market`]. What must stay true: every minute
//! is a pure function of configuration and minute, in whatever order minutes are asked for; ids are dense;
//! nothing but a bounded cache of recent minutes is kept.

mod cache;
mod path;
mod plan;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};

use self::cache::BlockCache;
use self::path::Path;
pub(crate) use self::path::Quotes;
use self::plan::{MinutePlan, Plan};
use crate::book::{Book, BookModel, Wall};
use crate::market::{AlreadyFixed, Block, Market};

/// Rows added to one minute, within one second of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// The minute.
    pub minute: Minute,
    /// How many rows.
    pub rows: u32,
}

/// What a tape looks like. All of it goes into the tape: another value, another tape.
#[derive(Debug, Clone, PartialEq)]
pub struct TapeConfig {
    /// Name of the market.
    pub symbol: Symbol,
    /// Source of everything random.
    pub seed: u64,
    /// The minute the simulation starts in.
    pub start: Minute,
    /// Minutes before `start` the exchange still has.
    pub history_minutes: u32,
    /// Median of the aggregate trades per minute. BTCFDUSD had 467 in October 2025, often below 50 in 2026.
    pub rate: f64,
    /// Share of six-minute stretches in which almost nothing trades.
    pub quiet_share: f64,
    /// Price around which the market wanders, in cents.
    pub base_price_cents: i64,
    /// Aggregate id of the first row of the month the history begins in.
    pub first_id: u64,
    /// Share of the rows that are dead: price and quantity `"0"`, raw ids -1.
    pub dead_row_rate: f64,
    /// Share of the ids the exchange does not have at all.
    pub missing_id_rate: f64,
    /// Share of the taker orders whose trade time is up to a second before that of their predecessor.
    pub step_back_rate: f64,
    /// Share of the minutes whose first taker order has a trade time in the minute before.
    pub boundary_step_back_rate: f64,
    /// Rows added to certain minutes.
    pub bursts: Vec<Burst>,
    /// Walls of the book besides the usual ones.
    pub walls: Vec<Wall>,
}

impl TapeConfig {
    /// The usual BTCFDUSD market without rare events, with two days and two hours of history.
    pub fn new(symbol: Symbol, seed: u64, start: Minute) -> Self {
        Self {
            symbol,
            seed,
            start,
            history_minutes: 3000,
            rate: 467.0,
            quiet_share: 0.004,
            base_price_cents: 11_000_000,
            first_id: 300_000_000,
            dead_row_rate: 0.0,
            missing_id_rate: 0.0,
            step_back_rate: 0.0,
            boundary_step_back_rate: 0.0,
            bursts: Vec::new(),
            walls: Vec::new(),
        }
    }

    /// The same market with every rare event it is known for.
    pub fn with_rare_events(mut self) -> Self {
        self.dead_row_rate = 0.002;
        self.missing_id_rate = 0.001;
        self.step_back_rate = 0.002;
        self.boundary_step_back_rate = 0.3;
        self
    }
}

/// A generated market.
#[derive(Debug)]
pub struct Tape {
    config: TapeConfig,
    books: BookModel,
    plan: Mutex<Plan>,
    cache: Mutex<BlockCache>,
}

impl Tape {
    /// A tape; nothing is generated yet.
    pub fn new(config: TapeConfig) -> Self {
        Self {
            books: BookModel::new(config.seed, config.walls.clone()),
            plan: Mutex::new(Plan::new(&config)),
            cache: Mutex::new(BlockCache::default()),
            config,
        }
    }

    /// What the tape was made from.
    pub fn config(&self) -> &TapeConfig {
        &self.config
    }

    /// Where the book has its walls, dense zones and vacuums.
    pub fn books(&self) -> &BookModel {
        &self.books
    }

    fn plan_of(&self, minute: Minute) -> Option<MinutePlan> {
        lock(&self.plan).at(minute)
    }
}

impl Market for Tape {
    fn symbol(&self) -> &Symbol {
        &self.config.symbol
    }

    fn first_minute(&self) -> Minute {
        self.config.start.offset(-i64::from(self.config.history_minutes))
    }

    fn block(&self, minute: Minute) -> Arc<Block> {
        if let Some(block) = lock(&self.cache).get(minute) {
            return block;
        }
        let visible = minute >= self.first_minute();
        let block = match self.plan_of(minute).filter(|_| visible) {
            Some(plan) => rows::generate(&self.config, minute, &plan),
            None => Block {
                minute,
                first_id: self.config.first_id,
                id_count: 0,
                rows: Vec::new(),
                absent: Vec::new(),
            },
        };
        let block = Arc::new(block);
        lock(&self.cache).put(Arc::clone(&block));
        block
    }

    fn minute_of_id(&self, id: u64, last: Minute) -> Option<Minute> {
        let minute = lock(&self.plan).minute_of_id(id, last)?;
        Some(minute.max(self.first_minute()))
    }

    fn book(&self, at: ExchangeMs) -> Arc<Book> {
        let at = BookModel::shown_at(at);
        let minute = Minute::containing(at).unwrap_or(self.config.start);
        let quotes = match self.plan_of(minute) {
            Some(plan) => Path::new(self.config.seed, minute, &plan).quotes(at),
            None => Quotes {
                bid: self.config.base_price_cents - 150,
                ask: self.config.base_price_cents + 150,
            },
        };
        self.books.book(at, quotes)
    }

    fn add_burst(&self, minute: Minute, rows: u32) -> Result<(), AlreadyFixed> {
        if lock(&self.plan).add_burst(minute, rows) {
            Ok(())
        } else {
            Err(AlreadyFixed(minute))
        }
    }
}

/// A lock whose holder panicked still guards usable data here: every critical section only adds.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

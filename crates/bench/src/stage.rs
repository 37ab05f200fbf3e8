//! A Redis with the windows of a market in it, as a collector writes them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use market_sim::redis::RedisServer;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use strategy_core::config::Environment;
use strategy_core::model::{BucketFlow, DepthLevel, DepthSnapshot, IdRange, MinuteFootprint};
use strategy_core::num::{Price, PriceBucket, Quantity};
use strategy_core::store::{LeaseToken, Store, WindowImage, encode_depth};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;
use tempfile::TempDir;

/// Minutes written at a time.
const BATCH: usize = 240;

/// Levels on each side of a book.
const DEPTH: i64 = 5000;

/// Middle of the market, in cents.
const MIDDLE: i64 = 11_015_000;

/// Redis, and the collector's side of it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) redis: RedisServer,
    pub(crate) directory: TempDir,
    store: Store,
    token: LeaseToken,
    image: WindowImage,
    size: usize,
    levels: i64,
    symbol: Symbol,
    random: ChaCha8Rng,
    update: u64,
}

impl Stage {
    /// A window of `size` minutes up to `newest`, each with so many price levels, and 60 books up to `now`.
    pub(crate) async fn filled(size: usize, levels: i64, newest: Minute, now: DateTime<Utc>) -> Result<Self> {
        let redis = RedisServer::start().await;
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("config.yaml");
        std::fs::write(&path, config_text(redis.port(), size))?;
        let (config, _) = strategy_core::config::Config::load(&path, &Environment::default())?;
        let mut stage = Self {
            store: Store::new(&config.redis.store_options())?,
            token: LeaseToken::new("bench", 1, 1),
            image: WindowImage::default(),
            redis,
            directory,
            size,
            levels,
            symbol: Symbol::new("BTCFDUSD")?,
            random: ChaCha8Rng::seed_from_u64(7),
            update: 0,
        };
        stage.store.acquire_lease(&stage.token).await?;
        stage.store.load_window(&stage.symbol).await?;
        for offset in (0..size).step_by(BATCH) {
            let last = newest.offset(-i64::try_from(size.saturating_sub(offset + BATCH))?);
            let count = i64::try_from(BATCH.min(size - offset))?;
            let batch: Vec<Minute> = (0..count).map(|back| last.offset(-back)).collect();
            stage.put(batch).await?;
        }
        for back in (0..60).rev() {
            stage.push(now - TimeDelta::minutes(back)).await?;
        }
        Ok(stage)
    }

    /// Directory of the programs.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds minutes, or replaces them.
    pub(crate) async fn put(&mut self, minutes: Vec<Minute>) -> Result<()> {
        self.store.acquire_lease(&self.token).await?;
        let mut batch = BTreeMap::new();
        for minute in minutes {
            batch.insert(minute, self.minute(minute)?);
        }
        let plan = self.image.plan(batch, self.size);
        self.store
            .apply_window(
                &self.token,
                &self.symbol,
                &self.image,
                plan.leaving,
                &plan.changes,
            )
            .await?;
        self.image = plan.after;
        Ok(())
    }

    /// Adds a book that arrived then.
    pub(crate) async fn push(&mut self, at: DateTime<Utc>) -> Result<()> {
        self.store.acquire_lease(&self.token).await?;
        let book = self.book(at)?;
        let document = encode_depth(&book)?;
        let id = book.last_update_id();
        self.store
            .push_depth(&self.token, self.symbol.as_str(), id, &document, 60, false)
            .await?;
        Ok(())
    }

    fn book(&mut self, at: DateTime<Utc>) -> Result<DepthSnapshot> {
        self.update += 1;
        let middle = MIDDLE + self.random.random_range(-500..500);
        let mut side = |sign: i64| {
            let mut price = middle;
            let level = |_| {
                price += sign * self.random.random_range(1..16_i64);
                // A wall now and then, dust otherwise.
                let lots = if self.random.random_bool(0.002) {
                    900_000
                } else {
                    self.random.random_range(5..20_000_i64)
                };
                Ok(DepthLevel {
                    price: Price::new(Decimal::new(price, 2))?,
                    quantity: Quantity::new(Decimal::new(lots, 5))?,
                })
            };
            (0..DEPTH).map(level).collect::<Result<Vec<_>>>()
        };
        let (bids, asks) = (side(-1)?, side(1)?);
        let at = DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at);
        Ok(DepthSnapshot::new(
            self.symbol.clone(),
            at,
            self.update,
            bids,
            asks,
        )?)
    }

    fn minute(&mut self, minute: Minute) -> Result<MinuteFootprint> {
        let mut footprint = MinuteFootprint::empty(minute, true);
        let first = u64::try_from(minute.number())? * 1000;
        // The price wanders by some hundred dollars within a day.
        let center = MIDDLE / 100 + (minute.number() % 1440 - 720).abs() - 360;
        for row in 0..self.levels {
            let bucket = PriceBucket::new(Decimal::from(center + row - self.levels / 2))?;
            let mut lots = || Quantity::new(Decimal::new(self.random.random_range(5..90_000_i64), 5));
            let flow = BucketFlow {
                buy_volume: lots()?,
                sell_volume: lots()?,
                trade_count: self.random.random_range(1..12),
            };
            footprint.trade_count += flow.trade_count;
            footprint.levels.insert(bucket, flow);
        }
        footprint.trade_ids = Some(IdRange {
            first,
            last: first + footprint.trade_count - 1,
        });
        Ok(footprint)
    }

    /// Bytes Redis has sent since it began.
    pub(crate) async fn bytes_sent(&self) -> Result<u64> {
        let text: String = redis::cmd("INFO")
            .arg("stats")
            .query_async(&mut self.redis.connection().await)
            .await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        Ok(value.unwrap_or_default().trim().parse()?)
    }
}

fn config_text(port: u16, window: usize) -> String {
    format!(
        "redis: {{ host: \"127.0.0.1\", port: {port} }}\n\
         data_collector: {{ order_flow: {{ window_size_minutes: {window}, backfill_minutes: 0 }} }}\n\
         analyzer:\n  deepseek: {{ enabled: false, timeout: 1 }}\n  \
         analysis: {{ interval_seconds: 2, profile_window_minutes: {window} }}\n"
    )
}

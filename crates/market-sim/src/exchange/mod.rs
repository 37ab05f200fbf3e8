//! The exchange: a REST server and a stream server over one market and one event clock.
//!
//! [`Exchange::start`] binds both to loopback ports; dropping the value ends them. Tests read
//! [`Exchange::stats`], inject through [`Exchange::faults`] and compare with [`Exchange::truth`].

mod answer;
mod commands;
mod connection;
mod cursor;
mod endpoint;
mod error;
mod pages;
mod query;
mod rest;
mod stream;
mod weight;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use strategy_core::num::BucketWidth;
use strategy_core::time::Minute;
use tokio::net::TcpListener;

pub use self::endpoint::Endpoint;
use crate::clock::EventClock;
use crate::faults::Faults;
use crate::market::{AlreadyFixed, Market};
use crate::stats::Stats;
use crate::tasks::Tasks;
use crate::truth::Truth;

/// Limits and ports. The defaults are those of the real exchange, where it has them.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Port of the REST server; 0 takes a free one.
    pub rest_port: u16,
    /// Port of the stream server; 0 takes a free one.
    pub ws_port: u16,
    /// Request weight allowed per minute of wall time.
    pub weight_limit: u64,
    /// Requests answered with 429 before a ban.
    pub patience: u32,
    /// Length of a ban, wall time.
    pub ban: Duration,
    /// How far REST `aggTrades` lag behind the stream, event time; 0 to 3 s in reality.
    pub rest_lag: Duration,
    /// Rows appear in REST one by one, up to this much later than `rest_lag` says, event time: a page may
    /// have a row and not yet the one before it.
    pub rest_ragged: Duration,
    /// Time between pings, wall time.
    pub ping_interval: Duration,
    /// A connection without a pong for so long after a ping is closed, wall time.
    pub pong_timeout: Duration,
    /// Longest life of a connection, wall time.
    pub connection_lifetime: Duration,
    /// Connection attempts allowed within five minutes of wall time.
    pub connects_per_five_minutes: usize,
    /// Messages a client may send per second on one connection.
    pub messages_per_second: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            rest_port: 0,
            ws_port: 0,
            weight_limit: 6000,
            patience: 10,
            ban: Duration::from_secs(120),
            rest_lag: Duration::ZERO,
            rest_ragged: Duration::ZERO,
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(60),
            connection_lifetime: Duration::from_secs(24 * 3600),
            connects_per_five_minutes: 300,
            messages_per_second: 5,
        }
    }
}

/// What both servers share.
#[derive(Debug)]
struct Shared {
    config: ExchangeConfig,
    market: Arc<dyn Market>,
    clock: EventClock,
    faults: Faults,
    stats: Stats,
}

/// A running exchange.
#[derive(Debug)]
pub struct Exchange {
    shared: Arc<Shared>,
    rest: SocketAddr,
    ws: SocketAddr,
    tasks: Tasks,
}

impl Exchange {
    /// Binds both servers and starts them.
    ///
    /// # Errors
    /// When a port cannot be bound.
    pub async fn start(
        market: Arc<dyn Market>,
        clock: EventClock,
        config: ExchangeConfig,
    ) -> io::Result<Self> {
        Self::start_with(market, clock, config, Faults::new(), Stats::default()).await
    }

    /// As [`Exchange::start`], with faults and counters that outlive it, for instance over a restart.
    ///
    /// # Errors
    /// When a port cannot be bound.
    pub async fn start_with(
        market: Arc<dyn Market>,
        clock: EventClock,
        config: ExchangeConfig,
        faults: Faults,
        stats: Stats,
    ) -> io::Result<Self> {
        let rest_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.rest_port)).await?;
        let ws_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.ws_port)).await?;
        let (rest, ws) = (rest_listener.local_addr()?, ws_listener.local_addr()?);
        let shared = Arc::new(Shared {
            config,
            market,
            clock,
            faults,
            stats,
        });
        let tasks = Tasks::new();
        tasks.spawn(rest::run(
            rest_listener,
            Arc::clone(&shared),
            tasks.token().clone(),
        ));
        tasks.spawn(stream::run(
            ws_listener,
            Arc::clone(&shared),
            tasks.token().clone(),
        ));
        Ok(Self {
            shared,
            rest,
            ws,
            tasks,
        })
    }

    /// `http://127.0.0.1:<port>`
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.rest)
    }

    /// `ws://127.0.0.1:<port>`
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.ws)
    }

    /// Address of the REST server, for a proxy in front of it or a restart on the same port.
    pub fn rest_address(&self) -> SocketAddr {
        self.rest
    }

    /// Address of the stream server.
    pub fn ws_address(&self) -> SocketAddr {
        self.ws
    }

    /// The market it trades.
    pub fn market(&self) -> &Arc<dyn Market> {
        &self.shared.market
    }

    /// Its time.
    pub fn clock(&self) -> &EventClock {
        &self.shared.clock
    }

    /// Control over its faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Its counters.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// What must have been recorded of it.
    pub fn truth(&self, width: BucketWidth, max_price_levels: usize) -> Truth {
        Truth::new(Arc::clone(&self.shared.market), width, max_price_levels)
    }

    /// Adds `rows` trades within one second of the next minute that is not fixed yet, and says which.
    ///
    /// # Errors
    /// [`AlreadyFixed`] when the market is recorded, or somebody has looked ten minutes ahead.
    pub fn burst(&self, rows: u32) -> Result<Minute, AlreadyFixed> {
        let now = Minute::containing(self.shared.clock.now_ms()).unwrap_or(self.shared.market.first_minute());
        let mut minute = now.next();
        loop {
            match self.shared.market.add_burst(minute, rows) {
                Ok(()) => return Ok(minute),
                Err(error) if minute.since(now) >= 10 => return Err(error),
                Err(_) => minute = minute.next(),
            }
        }
    }

    /// Ends both servers at once and breaks open connections, as dropping does.
    pub fn stop(&self) {
        self.tasks.token().cancel();
    }
}

//! What can go wrong in a chaos run, as data: one value is one thing done at one moment.

use std::fmt;

use market_sim::exchange::Endpoint;
use market_sim::faults::{RestFault, StreamMode};

/// Which of the running collectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one started first.
    First,
    /// The one started last.
    Last,
}

/// One thing done at one moment. What lasts has an act that begins it and one that ends it.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Resets every stream connection.
    DropStreams,
    /// Closes every stream connection with this code.
    CloseStreams(u16),
    /// Leaves half a frame on every stream connection and ends it.
    HalfFrame,
    /// Announces the end of every stream connection; `true` ends it at once.
    ServerShutdown(bool),
    /// Answers the next upgrades with a status.
    RefuseUpgrades(u16, u32),
    /// Closes the next connections as soon as they are open.
    CloseOnAccept(u32),
    /// What the stream delivers from now on.
    Stream(StreamMode),
    /// The next rows are not sent.
    SkipRows(u64),
    /// The next rows whose trade time steps back into the minute before are not sent.
    SkipLateRows(u64),
    /// The next rows are sent twice.
    DoubleRows(u64),
    /// So many rows change places with their successor.
    SwapRows(u64),
    /// The next rows have fields nobody knows.
    ExtraFields(u64),
    /// A text frame that is no JSON.
    GarbageFrame,
    /// A binary frame.
    BinaryFrame,
    /// A trade of another market.
    ForeignTrade,
    /// An event nobody knows and an error object nobody asked for.
    UnknownEvent,
    /// The exchange's time leaps ahead by so many minutes.
    ExchangeAhead(u64),
    /// The next requests of an endpoint fare like this.
    Rest(Endpoint, RestFault, u32),
    /// Every request fares like this from now on.
    RestOutage(RestFault),
    /// Requests are answered again.
    RestClear,
    /// Nothing passes between the collectors and Redis, and nothing is lost on the way.
    RedisFrozen(bool),
    /// The connections to Redis are reset.
    RedisCut,
    /// New connections to Redis are reset.
    RedisRefused(bool),
    /// Everything to and from Redis takes so many milliseconds longer.
    RedisDelay(u64),
    /// Redis is ended without warning.
    RedisKill,
    /// Redis is stopped in order.
    RedisStop,
    /// Redis is started again.
    RedisStart,
    /// The append-only file is copied.
    RedisRemember,
    /// Redis is ended without warning and the copy is put in place of its file.
    RedisRollback,
    /// The newest elements of the window are removed; `true`: as in a crash, with the connections.
    RedisForget(usize, bool),
    /// The lease on the keys is removed: whoever asks first takes it.
    LeaseForgotten,
    /// A file is in the place of the storage directory.
    StorageBlocked(bool),
    /// Half-written files as a crash leaves them.
    CrashLeftovers,
    /// A collector is started, if fewer than two run.
    StartCollector,
    /// A collector is ended without warning.
    KillCollector(Which),
    /// All collectors sleep, and wake up again.
    SleepCollectors(bool),
    /// A collector is asked to stop.
    StopCollector(Which, &'static str),
}

impl Act {
    /// True if only a restart after a mended configuration ends it.
    pub fn needs_restart(&self) -> bool {
        match self {
            Self::Rest(_, RestFault::Respond { status, .. }, _) | Self::RefuseUpgrades(status, _) => {
                *status == 451
            }
            _ => false,
        }
    }

    /// Name of its kind, for counting; `None` for acts that end what another began.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::DropStreams => "stream reset",
            Self::CloseStreams(_) => "stream closed",
            Self::HalfFrame => "half a frame",
            Self::ServerShutdown(_) => "server shutdown",
            Self::RefuseUpgrades(..) => "upgrade refused",
            Self::CloseOnAccept(_) => "closed on accept",
            Self::Stream(StreamMode::DataSilent) => "stream without data",
            Self::Stream(StreamMode::BlackHole) => "stream stalled",
            Self::SkipRows(_) => "rows skipped",
            Self::SkipLateRows(_) => "late rows skipped",
            Self::DoubleRows(_) => "rows doubled",
            Self::SwapRows(_) => "rows swapped",
            Self::ExtraFields(_) => "unknown fields",
            Self::GarbageFrame => "garbage frame",
            Self::BinaryFrame => "binary frame",
            Self::ForeignTrade => "foreign trade",
            Self::UnknownEvent => "unknown event",
            Self::ExchangeAhead(_) => "exchange leaps ahead",
            Self::Rest(_, fault, _) => rest_kind(fault),
            Self::RestOutage(_) => "rest outage",
            Self::RedisFrozen(true) => "redis frozen",
            Self::RedisCut => "redis cut",
            Self::RedisRefused(true) => "redis refused",
            Self::RedisDelay(1..) => "redis slow",
            Self::RedisKill => "redis killed",
            Self::RedisStop => "redis stopped",
            Self::RedisRollback => "redis set back",
            Self::RedisForget(..) => "redis forgets",
            Self::LeaseForgotten => "lease forgotten",
            Self::StorageBlocked(true) => "storage blocked",
            Self::CrashLeftovers => "crash leftovers",
            Self::KillCollector(_) => "collector killed",
            Self::StopCollector(..) => "collector stopped",
            Self::SleepCollectors(true) => "collectors asleep",
            Self::StartCollector
            | Self::Stream(StreamMode::Normal)
            | Self::RestClear
            | Self::RedisFrozen(false)
            | Self::RedisRefused(false)
            | Self::RedisDelay(0)
            | Self::RedisStart
            | Self::SleepCollectors(false)
            | Self::RedisRemember
            | Self::StorageBlocked(false) => return None,
        })
    }
}

fn rest_kind(fault: &RestFault) -> &'static str {
    match fault {
        RestFault::Respond { status: 429, .. } => "rest 429",
        RestFault::Respond { status: 418, .. } => "rest 418",
        RestFault::Respond { status: 403, .. } => "rest 403",
        RestFault::Respond { status: 451, .. } => "rest 451",
        RestFault::Depth(_) => "bad book",
        RestFault::Respond { status: 200, .. } => "rest garbage body",
        RestFault::Respond { .. } => "rest 5xx",
        RestFault::SlowBody { .. } => "rest slow body",
        RestFault::Truncated(_) => "rest truncated body",
        RestFault::Cut(_) => "rest cut",
        RestFault::Hang => "rest hangs",
        RestFault::EmptyPage => "rest empty page",
        RestFault::ShortPage(_) => "rest short page",
        RestFault::RepeatRows(_) => "rest repeated rows",
        _ => "rest other",
    }
}

impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest(endpoint, fault, times) => {
                write!(formatter, "Rest({endpoint:?}, {}, {times})", brief(fault))
            }
            Self::RestOutage(fault) => write!(formatter, "RestOutage({})", brief(fault)),
            other => write!(formatter, "{other:?}"),
        }
    }
}

/// A REST fault without its body.
fn brief(fault: &RestFault) -> String {
    match fault {
        RestFault::Respond { status, body, .. } => {
            let body: String = body.chars().take(24).collect();
            format!("{status} {body:?}")
        }
        other => format!("{other:?}"),
    }
}

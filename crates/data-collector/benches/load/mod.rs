//! A market of the simulator, as bytes of the exchange.

use std::sync::Arc;

use data_collector::measure::TradePath;
use market_sim::market::Market as _;
use market_sim::tape::{Tape, TapeConfig};
use market_sim::trade::TimeUnit;
use strategy_core::symbol::Symbol;
use strategy_core::time::{ExchangeMs, Minute};

pub(crate) fn symbol() -> Symbol {
    Symbol::new("BTCFDUSD").unwrap()
}

/// Frames of two busy minutes and when they were sent, the first minute and its first id.
pub(crate) struct Frames {
    pub(crate) sent: Vec<(String, ExchangeMs)>,
    pub(crate) first: Minute,
    pub(crate) next_id: u64,
}

pub(crate) fn frames(rate: f64) -> Frames {
    let first = Minute::from_number(29_396_534).unwrap();
    let tape = tape(first, rate);
    let blocks = [tape.block(first), tape.block(first.next())];
    let rows = blocks.iter().flat_map(|block| &block.rows);
    let frame = |row: &market_sim::trade::SimTrade| {
        (
            row.stream_payload("BTCFDUSD", TimeUnit::Millisecond),
            row.event_ms,
        )
    };
    Frames {
        sent: rows.map(frame).collect(),
        next_id: blocks[0].first_id,
        first,
    }
}

fn tape(first: Minute, rate: f64) -> Arc<Tape> {
    let mut config = TapeConfig::new(symbol(), 7, first);
    config.rate = rate;
    config.quiet_share = 0.0;
    Arc::new(Tape::new(config))
}

/// All frames through the id chain into minutes. Returns how many minutes were finished.
pub(crate) fn record(frames: &Frames) -> usize {
    let mut path = TradePath::new(symbol(), frames.first, frames.next_id);
    let mut minutes = 0;
    for (index, (frame, sent_at)) in frames.sent.iter().enumerate() {
        assert!(path.take(frame), "{frame}");
        if index % 100 == 0 {
            minutes += path.tick(*sent_at);
        }
    }
    minutes
}

/// An answer of the exchange with 5000 levels on each side.
pub(crate) fn book() -> String {
    let side = |sign: i64| {
        let level = |step: i64| {
            let cents = 11_000_000 + sign * step * 45;
            let lots = step * 7919 % 99_991 + 1;
            let (whole, part) = (lots / 100_000, lots % 100_000);
            format!(
                "[\"{}.{:02}000000\",\"{whole}.{part:05}000\"]",
                cents / 100,
                cents % 100
            )
        };
        (1..=5000).map(level).collect::<Vec<_>>().join(",")
    };
    format!(
        "{{\"lastUpdateId\":30154000331,\"bids\":[{}],\"asks\":[{}]}}",
        side(-1),
        side(1)
    )
}

//! Where the recording of trades begins, by asking the exchange.

use strategy_core::store::WindowImage;
use strategy_core::time::{ExchangeMs, Minute};

use crate::binance::budget::Urgency;
use crate::binance::error::{ParseError, RestError};
use crate::binance::parse::TradeRow;
use crate::binance::rest::RestClient;
use crate::minutes::KEPT_MINUTES;
use crate::recorder::{Anchor, REBASE_IDS};

/// Ids before a dead newest row in which a trade is looked for.
const LOOK_BACK_IDS: u64 = 100;

/// The point from which the window can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResumePoint {
    /// First minute that is read.
    pub(crate) minute: Minute,
    /// Highest id of the minutes before it, as far as the window knows it.
    pub(crate) known_last: Option<u64>,
}

/// Where to go on after what the window has: at its newest complete minutes. What was published just before a
/// crash may have been amended just after it, and Redis may have forgotten its last second.
pub(crate) fn resume_point(window: &WindowImage) -> Option<ResumePoint> {
    let mut newest = window.newest()?;
    while !window.state(newest)?.complete {
        newest = newest.previous();
    }
    let minute = newest.offset(1 - KEPT_MINUTES);
    // Where nothing is known of the minute before, a trade of it is asked for again with its minute.
    let known_last = window
        .state(minute.previous())
        .filter(|state| state.complete)
        .and_then(|state| state.last_trade_id);
    Some(ResumePoint { minute, known_last })
}

/// Asks the exchange where to begin.
///
/// When not too much is missing since `resume`, the chain goes on there. Otherwise it begins with the first
/// trade of the current minute, and the minutes in between are history to be filled.
///
/// # Errors
/// [`RestError`], also when two answers contradict each other.
pub(crate) async fn find_anchor(rest: &RestClient, resume: Option<ResumePoint>) -> Result<Anchor, RestError> {
    let time = rest.time().await?;
    // The parser admits no time without a minute.
    let current = Minute::containing(time).map_err(|_| RestError::Unusable {
        path: "/api/v3/time",
        source: ParseError::Time(time),
    })?;
    let newest = match rest.newest_trade().await? {
        Some(TradeRow::Trade(trade)) => Some((trade.id, trade.traded_at)),
        Some(TradeRow::Dead { id } | TradeRow::Unreadable { id }) => Some(before_dead_row(rest, id).await?),
        None => None,
    };
    let Some((newest_id, newest_at)) = newest else {
        if let Some(id) = resume.and_then(|resume| resume.known_last) {
            // The window has trades: the answer is a fault, and beginning anew would trust the window's end.
            return Err(RestError::Contradiction { id });
        }
        return Ok(Anchor {
            time,
            first: current,
            next_id: None,
            newest: None,
            known_last: None,
        });
    };
    let resume = resume.filter(|resume| resume.minute <= current);
    let known_last = resume.and_then(|resume| resume.known_last);
    let starts = resume.map(|resume| resume.minute).into_iter().chain([current]);
    let (mut first, mut next_id) = (current, newest_id + 1);
    for start in starts {
        first = start;
        // Asked after `newest`: when there is no trade since then yet, every later one has a higher id.
        match rest.first_trade_since(start.start_ms(), Urgency::Live).await? {
            Some(row) => next_id = row.id(),
            None if newest_at >= start.start_ms() => return Err(RestError::Contradiction { id: newest_id }),
            None => next_id = newest_id + 1,
        }
        if newest_id < next_id.saturating_add(REBASE_IDS) {
            break;
        }
    }
    let known_last = known_last.filter(|_| first < current);
    Ok(Anchor {
        time,
        first,
        next_id: Some(next_id),
        newest,
        known_last,
    })
}

/// The newest id, which is a dead row, with the time of the latest trade before it: without a time nothing
/// could be held against an answer that there is no trade.
async fn before_dead_row(rest: &RestClient, id: u64) -> Result<(u64, ExchangeMs), RestError> {
    let rows = rest
        .trades_from(id.saturating_sub(LOOK_BACK_IDS), Urgency::Live)
        .await?;
    let latest = rows.iter().filter_map(|row| match row {
        TradeRow::Trade(trade) => Some(trade.traded_at),
        TradeRow::Dead { .. } | TradeRow::Unreadable { .. } => None,
    });
    match latest.max() {
        Some(latest) => Ok((id, latest)),
        None => Err(RestError::Contradiction { id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use market_sim::clock::EventClock;
    use market_sim::exchange::{Endpoint, Exchange, ExchangeConfig};
    use market_sim::faults::RestFault;
    use market_sim::tape::{Tape, TapeConfig};
    use strategy_core::model::{IdRange, MinuteFootprint};
    use strategy_core::symbol::Symbol;
    use strategy_core::time::SystemClock;
    use tokio::time::Instant;

    use crate::binance::transport::TransportOptions;

    fn window(minutes: &[(i64, Option<u64>, bool)]) -> WindowImage {
        let mut batch = BTreeMap::new();
        for (number, last, complete) in minutes {
            let minute = Minute::from_number(*number).unwrap();
            let mut footprint = MinuteFootprint::empty(minute, *complete);
            footprint.trade_ids = last.map(|last| IdRange { first: last, last });
            batch.insert(minute, footprint);
        }
        WindowImage::default().plan(batch, 100).after
    }

    /// An exchange that has traded for hours, and a client for it.
    async fn exchange() -> (Exchange, RestClient, Minute) {
        let symbol = Symbol::new("BTCFDUSD").unwrap();
        let now = Minute::from_number(29_396_534).unwrap();
        let clock = EventClock::paused(now.next().start());
        let tape = Tape::new(TapeConfig::new(symbol.clone(), 1, now));
        let exchange = Exchange::start(Arc::new(tape), clock, ExchangeConfig::default())
            .await
            .unwrap();
        let rest = RestClient::new(
            symbol,
            TransportOptions {
                base: exchange.rest_url(),
                weight_per_minute: 6000,
                timeout: Duration::from_secs(5),
                hold_file: std::env::temp_dir().join("no-such-directory/hold"),
                started: Instant::now(),
                clock: Arc::new(SystemClock),
            },
        );
        (exchange, rest.unwrap(), now)
    }

    #[tokio::test]
    async fn an_empty_answer_is_not_believed_while_the_window_has_trades() {
        let (exchange, rest, now) = exchange().await;
        let resume = Some(ResumePoint {
            minute: now.previous(),
            known_last: Some(300_000_000),
        });
        exchange
            .faults()
            .rest(Endpoint::AggTrades, RestFault::EmptyPage, 1);
        let contradicted = find_anchor(&rest, resume).await;
        assert!(
            matches!(contradicted, Err(RestError::Contradiction { .. })),
            "{contradicted:?}"
        );
        assert_eq!(find_anchor(&rest, resume).await.unwrap().first, now.previous());
    }

    #[tokio::test]
    async fn an_empty_answer_is_not_believed_because_the_newest_row_is_dead() {
        let (exchange, rest, now) = exchange().await;
        let id = find_anchor(&rest, None).await.unwrap().newest.unwrap().0;
        let dead = format!(
            r#"[{{"a":{id},"p":"0","q":"0","f":-1,"l":-1,"T":{},"m":true,"M":true}}]"#,
            now.start_ms()
        );
        let faults = exchange.faults();
        faults.rest(Endpoint::AggTrades, RestFault::body(dead.clone()), 1);
        faults.rest(Endpoint::AggTrades, RestFault::EmptyPage, 2);
        let contradicted = find_anchor(&rest, None).await;
        assert!(
            matches!(contradicted, Err(RestError::Contradiction { .. })),
            "{contradicted:?}"
        );
        faults.clear_rest();
        faults.rest(Endpoint::AggTrades, RestFault::body(dead), 1);
        let (newest, at) = find_anchor(&rest, None).await.unwrap().newest.unwrap();
        assert_eq!(newest, id);
        assert!(at >= now.start_ms(), "{at}");
    }

    #[test]
    fn recording_goes_on_with_the_last_three_complete_minutes() {
        let point = |minutes: &[(i64, Option<u64>, bool)]| {
            resume_point(&window(minutes)).map(|point| (point.minute.number(), point.known_last))
        };
        let whole = |number: i64| (number, Some(number.unsigned_abs() * 10), true);
        assert_eq!(point(&[]), None);
        assert_eq!(
            point(&[whole(3), whole(4), whole(5), whole(6)]),
            Some((4, Some(30)))
        );
        assert_eq!(
            point(&[whole(2), whole(3), whole(4), whole(5), (6, Some(60), false)]),
            Some((3, Some(20)))
        );
        assert_eq!(
            point(&[(3, None, true), whole(4), whole(5), whole(6)]),
            Some((4, None))
        );
        assert_eq!(
            point(&[
                (3, Some(30), false),
                (4, None, true),
                (5, None, true),
                (6, None, true)
            ]),
            Some((4, None))
        );
        assert_eq!(point(&[whole(5), whole(6)]), Some((4, None)));
        assert_eq!(point(&[(5, Some(50), false)]), None);
    }
}

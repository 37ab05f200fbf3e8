//! Where the recording of trades begins, by asking the exchange.

use strategy_core::store::WindowImage;
use strategy_core::time::Minute;

use crate::binance::budget::Urgency;
use crate::binance::error::RestError;
use crate::binance::parse::TradeRow;
use crate::binance::rest::RestClient;
use crate::recorder::{Anchor, REBASE_IDS};

/// REST may be this many rows behind what was recorded before a restart.
const REST_LAG_ROWS: u64 = 5_000;

/// The point up to which the window is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResumePoint {
    /// First minute that is not in the window.
    pub(crate) minute: Minute,
    /// First id that is not in the window.
    pub(crate) next_id: u64,
}

/// The point from which the recording can go on without a hole, if the window has one: the newest
/// complete minute, and the highest id of it or of the complete minutes right before it.
pub(crate) fn resume_point(window: &WindowImage) -> Option<ResumePoint> {
    let mut minute = window.newest()?;
    while !window.state(minute)?.complete {
        minute = minute.previous();
    }
    let first_missing = minute.next();
    loop {
        let state = window.state(minute).filter(|state| state.complete)?;
        if let Some(last) = state.last_trade_id {
            return Some(ResumePoint {
                minute: first_missing,
                next_id: last + 1,
            });
        }
        minute = minute.previous();
    }
}

/// Asks the exchange where to begin.
///
/// When not too much is missing since `resume`, the chain goes on there. Otherwise it begins with the first
/// trade of the current minute, and the minutes in between are history to be filled.
pub(crate) async fn find_anchor(rest: &RestClient, resume: Option<ResumePoint>) -> Result<Anchor, RestError> {
    let time = rest.time().await?;
    let newest = rest.newest_trade().await?;
    // `time` has a minute: the parser admits no other.
    let current = Minute::containing(time).map_err(|_| RestError::Unusable {
        path: "/api/v3/time",
        source: crate::binance::error::ParseError::Time(time),
    })?;
    let Some(newest) = newest.as_ref().map(TradeRow::id) else {
        return Ok(Anchor {
            time,
            first: current,
            next_id: None,
        });
    };
    if let Some(resume) = resume
        && resume.minute <= current.next()
        && newest < resume.next_id.saturating_add(REBASE_IDS)
        && newest.saturating_add(REST_LAG_ROWS) >= resume.next_id
    {
        return Ok(Anchor {
            time,
            first: resume.minute,
            next_id: Some(resume.next_id),
        });
    }
    // Asked after `newest`: when there is no trade of this minute yet, every later one has a higher id.
    let first = rest.first_trade_since(current.start_ms(), Urgency::Live).await?;
    let next_id = first.map_or(newest + 1, |row| row.id());
    Ok(Anchor {
        time,
        first: current,
        next_id: Some(next_id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use strategy_core::model::{IdRange, MinuteFootprint};

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

    #[test]
    fn recording_goes_on_after_the_newest_complete_minute() {
        let point = |minutes: &[(i64, Option<u64>, bool)]| {
            resume_point(&window(minutes)).map(|point| (point.minute.number(), point.next_id))
        };
        assert_eq!(point(&[]), None);
        assert_eq!(point(&[(5, Some(50), true), (6, Some(60), true)]), Some((7, 61)));
        assert_eq!(point(&[(5, Some(50), true), (6, Some(60), false)]), Some((6, 51)));
        assert_eq!(point(&[(5, Some(50), true), (6, None, true)]), Some((7, 51)));
        assert_eq!(
            point(&[(4, Some(40), true), (5, Some(50), false), (6, None, true)]),
            None
        );
    }
}

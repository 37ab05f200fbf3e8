//! What goes into the recorder and what comes out of it.

use strategy_core::model::MinuteFootprint;
use strategy_core::time::{ExchangeMs, Minute};

/// Something to be done for the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Store this minute, in place of what is known of it.
    Publish(MinuteFootprint),
    /// A trade was found that belongs to this minute, which is not kept here any more: it must be asked
    /// for again as a whole.
    Invalidate(Minute),
}

/// Something REST is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The trades from this id on.
    Page {
        /// First id.
        from: u64,
        /// REST has those of the ids below this one that exist.
        settled: u64,
    },
    /// The exchange's time and, after that, its newest trade.
    Newest,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RecorderCounts {
    pub(crate) trades: u64,
    pub(crate) dead_rows: u64,
    pub(crate) duplicates: u64,
    pub(crate) gaps: u64,
    /// Gaps that REST has filled.
    pub(crate) gaps_healed: u64,
    /// Gaps that were left to the history.
    pub(crate) gaps_left: u64,
    pub(crate) repaired_trades: u64,
    pub(crate) hole_ids: u64,
    /// Rows of REST that have an id and are no trade.
    pub(crate) unreadable_rows: u64,
    /// Ids behind a gap that REST did not fill in time.
    pub(crate) left_to_history: u64,
    pub(crate) rejected_rows: u64,
    pub(crate) amended_minutes: u64,
    pub(crate) invalidated_minutes: u64,
    pub(crate) minutes_complete: u64,
    pub(crate) minutes_incomplete: u64,
}

impl RecorderCounts {
    /// No gap is open: every one that was found is filled by now, or was left.
    pub(super) fn no_gap(&mut self) {
        self.gaps_healed = self.gaps.saturating_sub(self.gaps_left);
    }

    /// Those that are open will not be filled.
    pub(super) fn leave_gaps(&mut self) {
        self.gaps_left = self.gaps.saturating_sub(self.gaps_healed);
    }
}

/// How far the recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// First minute it still has in hand, or that is not over yet; older ones are the business of the
    /// backfill.
    pub(crate) history_until: Minute,
    /// The highest id that is known to exist and the latest trade time; `None` before the first trade.
    pub(crate) head: Option<(u64, ExchangeMs)>,
    /// Minute of the exchange now; `None` until it has been heard.
    pub(crate) now: Option<Minute>,
}

/// Where a recorder begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The exchange's time.
    pub(crate) time: ExchangeMs,
    /// First minute all of whose trades have this id or a higher one.
    pub(crate) first: Minute,
    /// First id; `None` in a market that has not traded yet.
    pub(crate) next_id: Option<u64>,
    /// The newest trade and its time.
    pub(crate) newest: Option<(u64, ExchangeMs)>,
    /// Trades up to this id whose minute lies before `first` are in the window already.
    pub(crate) known_last: Option<u64>,
}

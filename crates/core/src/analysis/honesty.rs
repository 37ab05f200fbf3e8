//! What a report rests on, and what was not known.

use chrono::{DateTime, Utc};

use crate::analysis::Params;
use crate::analysis::book::BucketedBook;
use crate::analysis::units::round;
use crate::analysis::window::Window;
use crate::model::report::{BookSide, DataHonesty, Note};

/// Data older than this many intervals are stale.
const STALE_INTERVALS: f64 = 3.0;
/// More damaged minutes than this part of the window are worth a word: one in twenty.
const DAMAGE_DIVISOR: u32 = 20;

/// What the detectors could not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gaps {
    /// Snapshots of another market among those given.
    pub(crate) foreign_snapshots: usize,
    /// Bars left out of the imbalances.
    pub(crate) bars_left_out: u32,
    /// Rows of the profile were left out.
    pub(crate) profile_cut: bool,
}

/// Describes the data. `books` are those of this market, newest first.
pub(crate) fn describe(
    now: DateTime<Utc>,
    books: &[&BucketedBook],
    window: &Window,
    params: &Params,
    gaps: Gaps,
) -> DataHonesty {
    let mut found = DataHonesty {
        snapshots_used: u32::try_from(books.len()).unwrap_or(u32::MAX),
        flow_window_minutes: params.flow_window_minutes.max(1),
        ..DataHonesty::default()
    };
    book_facts(&mut found, now, books.first().copied(), params);
    minute_facts(&mut found, now, window, params);
    if books.len() > 1 && books.len() < params.depth_window {
        found.notes.push(Note::FewSnapshots {
            used: books.len(),
            of: params.depth_window,
        });
    } else if books.len() == 1 {
        found.notes.push(Note::SingleSnapshot);
    }
    if gaps.foreign_snapshots > 0 {
        found.notes.push(Note::ForeignSnapshots {
            snapshots: gaps.foreign_snapshots,
        });
    }
    if gaps.bars_left_out > 0 {
        found.notes.push(Note::BarsLeftOut {
            bars: gaps.bars_left_out,
        });
    }
    if gaps.profile_cut {
        found.notes.push(Note::ProfileCut);
    }
    found
}

fn book_facts(found: &mut DataHonesty, now: DateTime<Utc>, book: Option<&BucketedBook>, params: &Params) {
    let Some(book) = book else {
        found.book_missing = true;
        found.notes.push(Note::NoSnapshot);
        return;
    };
    let age = (now - book.received_at).num_milliseconds() as f64 / 1000.0;
    found.snapshot_age_seconds = Some(round(age, 3));
    let limit = STALE_INTERVALS * f64::from(params.depth_interval_seconds.max(1));
    if age > limit {
        found.stale = true;
        found.notes.push(Note::SnapshotOld {
            age_seconds: age,
            limit_seconds: limit,
        });
    } else if age < -limit {
        found.stale = true;
        found.notes.push(Note::SnapshotAhead { seconds: -age });
    }
    let truncated = |levels: usize| levels >= params.depth_limit.max(1);
    found.book_truncated = truncated(book.bids.levels) || truncated(book.asks.levels);
    for (half, side) in [(&book.bids, BookSide::Bid), (&book.asks, BookSide::Ask)] {
        if half.levels == 0 {
            found.book_one_sided = true;
            found.notes.push(Note::SideEmpty { side });
        } else if half.buckets.len() < 20 {
            found.notes.push(Note::SideShort {
                side,
                buckets: half.buckets.len(),
            });
        }
    }
}

fn minute_facts(found: &mut DataHonesty, now: DateTime<Utc>, window: &Window, params: &Params) {
    let (first, last) = window.bounds();
    let length = u32::try_from(last - first + 1).unwrap_or(0);
    let oldest = window.minutes().next().map(|(minute, _)| minute);
    let newest = window.minutes().next_back().map(|(minute, _)| minute);
    found.minutes_used = window.count();
    found.incomplete_minutes = window.incomplete();
    found.missing_minutes = length.saturating_sub(found.minutes_used);
    found.unrecorded_minutes =
        oldest.map_or(length, |oldest| u32::try_from(oldest - first).unwrap_or(length));
    let flow_first = (last - i64::from(found.flow_window_minutes) + 1).max(first);
    let flow_complete = window
        .range(flow_first, last)
        .filter(|(_, minute)| minute.complete)
        .count();
    found.flow_complete_minutes = u32::try_from(flow_complete).unwrap_or(u32::MAX);
    let flow_recorded = oldest.map_or(0, |oldest| last - oldest.max(flow_first) + 1);
    found.flow_damaged_minutes = u32::try_from(flow_recorded)
        .unwrap_or(0)
        .saturating_sub(found.flow_complete_minutes);
    match newest {
        None => {
            found.notes.push(Note::NoMinute);
        }
        Some(newest) => {
            let age = now.timestamp() - (newest + 1) * 60;
            if age > 180 {
                found.stale = true;
                found.notes.push(Note::MinuteOld { age_seconds: age });
            }
        }
    }
    if window.future_minutes() > 0 {
        found.notes.push(Note::FutureMinutes {
            minutes: window.future_minutes(),
        });
    }
    let holes = found.missing_minutes.saturating_sub(found.unrecorded_minutes);
    let damaged = holes + found.incomplete_minutes;
    if damaged * DAMAGE_DIVISOR > length {
        found.notes.push(Note::ProfileDamaged { damaged, length });
    } else if damaged > 0 {
        found.notes.push(Note::ProfileHoles { damaged });
    }
    if found.unrecorded_minutes > 0 && found.minutes_used > 0 {
        found.notes.push(Note::RecordShort {
            unrecorded: found.unrecorded_minutes,
            length,
        });
    }
    if found.flow_damaged_minutes * DAMAGE_DIVISOR > found.flow_window_minutes {
        found.notes.push(Note::FlowDamaged {
            damaged: found.flow_damaged_minutes,
            length: params.flow_window_minutes,
        });
    }
}

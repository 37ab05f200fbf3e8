//! The analysis, kept up to date from cycle to cycle.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::analysis::book::BucketedBook;
use crate::analysis::evidence::{self, Findings};
use crate::analysis::honesty::{self, Gaps};
use crate::analysis::nodes::{self, KERNEL_WEIGHT, LEAST_PROMINENCE, Node};
use crate::analysis::profile::{self, Profile};
use crate::analysis::rows::MinuteFlow;
use crate::analysis::tape::Tape;
use crate::analysis::units::{Grid, number, round};
use crate::analysis::window::Window;
use crate::analysis::{Params, context, density, imbalance, levels, resonance, vacuum};
use crate::model::report::{
    BookSide, Confirmation, Evidence, MarketReport, Number, PriceZone, ValueArea, VolumeNode,
};
use crate::model::{DepthSnapshot, MinuteFootprint, MinuteRows};
use crate::symbol::Symbol;
use crate::time::Minute;

/// Most prices in `poc_levels`.
const MOST_POC_LEVELS: usize = 10;

/// Takes snapshots and minutes as they come and reports on the newest of them.
///
/// A report equals, byte for byte, the one a fresh engine gives that was fed the same data in any order: all
/// that is carried over are bucketed snapshots, minutes and exact sums of integers. `now` must not step back
/// by more than the caller can feed again, since what has left a window is dropped.
///
/// Memory: about 40 KB a side and snapshot, 8 to 12 bytes a row and 150 a minute, 32 a bucket of the profile.
#[derive(Debug, Clone)]
pub struct Engine {
    symbol: Symbol,
    params: Params,
    grid: Grid,
    /// By time of arrival and update id; none for a snapshot of another market.
    books: BTreeMap<(DateTime<Utc>, u64), Option<BucketedBook>>,
    window: Window,
}

/// The traded side of the analysis.
struct Traded {
    area: Option<ValueArea>,
    poc: Option<(Number, Confirmation)>,
    high_nodes: Vec<VolumeNode>,
    low_nodes: Vec<VolumeNode>,
    poc_levels: Vec<Number>,
    cut: bool,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(symbol: Symbol, params: Params) -> Self {
        let grid = Grid::new(params.bucket_width);
        Self {
            symbol,
            grid,
            books: BTreeMap::new(),
            window: Window::new(params.profile_window_minutes),
            params,
        }
    }

    /// The settings it was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Arrival time and update id of the newest snapshot taken, so that a caller can skip what is known.
    pub fn newest_snapshot(&self) -> Option<(DateTime<Utc>, u64)> {
        self.books.last_key_value().map(|(key, _)| *key)
    }

    /// True if a snapshot with this arrival time and update id has been taken and is still inside the window.
    pub fn has_snapshot(&self, received_at: DateTime<Utc>, last_update_id: u64) -> bool {
        self.books.contains_key(&(received_at, last_update_id))
    }

    /// Takes one snapshot; one already taken changes nothing, and one older than the whole window is dropped.
    pub fn push_snapshot(&mut self, snapshot: &DepthSnapshot) {
        let key = (snapshot.received_at(), snapshot.last_update_id());
        let window = self.params.depth_window.max(1);
        let too_old = self.books.len() >= window
            && self
                .books
                .first_key_value()
                .is_some_and(|(oldest, _)| key < *oldest);
        if too_old || self.books.contains_key(&key) {
            return;
        }
        let own = (snapshot.symbol() == &self.symbol).then(|| BucketedBook::new(snapshot, self.grid));
        self.books.insert(key, own);
        while self.books.len() > window {
            self.books.pop_first();
        }
    }

    /// Number of snapshots taken that are still inside the window.
    pub fn snapshots(&self) -> usize {
        self.books.len()
    }

    /// Forgets every snapshot whose arrival time and update id the caller does not want to keep.
    pub fn keep_snapshots(&mut self, keep: impl Fn(&(DateTime<Utc>, u64)) -> bool) {
        self.books.retain(|key, _| keep(key));
    }

    /// Forgets every minute before the first or after the last.
    pub fn keep_minutes(&mut self, first: Minute, last: Minute) {
        self.window.keep(first.number(), last.number());
    }

    /// Whether a minute that has been taken and is not before the window was complete; none when it is not known.
    ///
    /// A caller that reads only new and incomplete minutes needs nothing else to stay up to date.
    pub fn minute_complete(&self, minute: Minute) -> Option<bool> {
        self.window.minute(minute.number()).map(|flow| flow.complete)
    }

    /// Takes one minute, or takes it again in place of the earlier version.
    pub fn put_minute(&mut self, minute: &MinuteFootprint) {
        let flow = MinuteFlow::new(
            minute.levels.iter(),
            minute.complete,
            minute.dropped_levels,
            self.grid,
        );
        self.window.put(minute.minute.number(), flow);
    }

    /// Takes one minute as [`Engine::put_minute`] does.
    pub fn put_rows(&mut self, minute: &MinuteRows) {
        let levels = minute.levels.iter().map(|(level, flow)| (level, flow));
        let flow = MinuteFlow::new(levels, minute.complete, minute.dropped_levels, self.grid);
        self.window.put(minute.minute.number(), flow);
    }

    /// Drops what is outside the windows at `now` and reports on the rest.
    pub fn report(&mut self, now: DateTime<Utc>) -> MarketReport {
        self.window.advance(now);
        let (grid, params) = (self.grid, &self.params);
        let imbalances = imbalance::find(&mut self.window, grid, params);
        let tape = Tape::new(&mut self.window, grid);
        let window = tape.window;
        let books: Vec<&BucketedBook> = self.books.values().rev().flatten().collect();
        let newest = books.first().copied();

        let mut support = levels::find(BookSide::Bid, &books, &tape, params);
        let mut resistance = levels::find(BookSide::Ask, &books, &tape, params);
        let mut density = both_sides(newest, |half| density::find(half, grid, params));
        let mut vacuums = both_sides(newest, |half| vacuum::find(half, grid, params));
        let traded = traded(&tape, params);

        let pieces = evidence::list(&Findings {
            levels: [&support, &resistance],
            density: &density,
            area: traded.area.as_ref(),
            poc: traded.poc.as_ref().map(|(volume, tests)| (*volume, tests)),
            nodes: &traded.high_nodes,
            stacks: &imbalances.stacks,
        });
        for level in support.iter_mut().chain(&mut resistance) {
            level.evidence = evidence::around(level, &pieces);
        }
        for zone in &mut density {
            zone.evidence.extend(evidence::within(zone, &pieces));
        }
        for zone in &mut vacuums {
            zone.evidence
                .extend(evidence::hardly_traded(zone, &traded.low_nodes));
        }
        let resonance = resonance::join(pieces);
        let gaps = Gaps {
            foreign_snapshots: self.books.len() - books.len(),
            bars_left_out: imbalances.bars_left_out,
            profile_cut: traded.cut,
        };
        MarketReport {
            timestamp: now,
            symbol: self.symbol.clone(),
            support_levels: support,
            resistance_levels: resistance,
            poc_levels: traded.poc_levels,
            liquidity_vacuum_zones: vacuums.iter().map(PriceZone::center).collect(),
            resonance_zones: resonance.iter().map(|zone| zone.center).collect(),
            resonance,
            density_zones: density,
            vacuum_ranges: vacuums,
            value_area: traded.area,
            high_volume_nodes: traded.high_nodes,
            low_volume_nodes: traded.low_nodes,
            flow_deltas: context::deltas(window),
            stacked_imbalances: imbalances.stacks,
            poc_confirmation: traded.poc.map(|(_, tests)| tests),
            context: context::of(newest, window, grid),
            data_honesty: honesty::describe(now, &books, window, params, gaps),
        }
    }
}

/// Zones of both sides in one list, strongest first; of equals those of the bids first.
fn both_sides(
    book: Option<&BucketedBook>,
    find: impl Fn(&crate::analysis::book::HalfBook) -> Vec<PriceZone>,
) -> Vec<PriceZone> {
    let Some(book) = book else {
        return Vec::new();
    };
    let mut zones = find(&book.bids);
    zones.extend(find(&book.asks));
    zones.sort_by(|one, other| other.strength.total_cmp(&one.strength));
    zones
}

fn traded(tape: &Tape<'_>, params: &Params) -> Traded {
    let (window, grid) = (tape.window, tape.grid);
    let Some(profile) = Profile::new(window.profile()) else {
        return Traded {
            area: None,
            poc: None,
            high_nodes: Vec::new(),
            low_nodes: Vec::new(),
            poc_levels: Vec::new(),
            cut: false,
        };
    };
    let rule = params.value_area_rule;
    let area = profile.value_area(rule);
    let price = |row: usize| grid.low(profile.bucket(row));
    let found = nodes::find(&profile.rows, profile.poc);
    let smoothed = |volume| Number::new(number(volume).get() / Decimal::from(KERNEL_WEIGHT));
    let node = |node: &Node| {
        let flow = window.profile().get(profile.bucket(node.row));
        VolumeNode {
            price: price(node.row),
            volume: number(profile.rows[node.row]),
            prominence: round(node.prominence, 4),
            delta: number(flow.copied().unwrap_or_default().delta()),
            evidence: vec![Evidence::Prominence {
                smoothed_volume: smoothed(node.smoothed),
                saddle_volume: smoothed(node.saddle),
                highest_volume: smoothed(found.highest),
                threshold: LEAST_PROMINENCE,
            }],
        }
    };
    let poc = price(profile.poc);
    let mut poc_levels = vec![poc];
    poc_levels.extend(found.hills.iter().map(|hill| price(hill.row)));
    poc_levels.truncate(MOST_POC_LEVELS);
    Traded {
        area: Some(ValueArea {
            poc,
            low: price(area.low),
            high: price(area.high),
            rule,
            volume: number(area.volume),
            total_volume: number(profile.total()),
            evidence: vec![
                Evidence::PointOfControl {
                    price: poc,
                    volume: number(profile.rows[profile.poc]),
                },
                Evidence::ValueAreaGrowth {
                    rows: u32::try_from(area.high - area.low + 1).unwrap_or(u32::MAX),
                    target_volume: number(profile::target(profile.total())),
                    volume_before: number(area.last_step.map_or(0, |step| step.before)),
                    last_above: area.last_step.map(|step| number(step.above)),
                    last_below: area.last_step.map(|step| number(step.below)),
                },
            ],
        }),
        poc: Some((number(profile.rows[profile.poc]), tape.tests_of(poc.get()))),
        high_nodes: found.hills.iter().map(node).collect(),
        low_nodes: found.valleys.iter().map(node).collect(),
        poc_levels,
        cut: profile.cut,
    }
}

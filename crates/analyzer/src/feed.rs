//! Keeps the analysis fed with what Redis holds, reading as little as possible each time.
//!
//! `cycle` calls [`Feed::refresh`] at the start of every cycle. What must stay true: after a refresh the
//! engine has every snapshot and minute of the windows that Redis has; a minute that was replaced in Redis
//! is read again within a few cycles; when Redis lost data, what was fed before is forgotten.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use strategy_core::analysis::{Engine, Params};
use strategy_core::model::DepthSnapshot;
use strategy_core::model::report::MarketReport;
use strategy_core::num::BucketWidth;
use strategy_core::store::{RecordError, Store, StoreError};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

use crate::tick::tick_of;

/// Minutes read from Redis at a time.
const SLICE: usize = 60;

/// Slices read again per cycle although they are known, in turn: a window of 2880 minutes is read
/// anew every eight cycles, so that minutes completed late get into the analysis.
const REREAD_SLICES: usize = 6;

/// Snapshots read from Redis at a time, newest first, until one is known already.
const HEAD: usize = 3;

/// What a refresh found that it could not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejected {
    /// Documents that are not what the layout says.
    pub unreadable: u64,
    /// Minutes of another market.
    pub foreign: u64,
}

/// The engine and what it has been fed.
#[derive(Debug)]
pub struct Feed {
    symbol: Symbol,
    params: Params,
    /// None while it is at work on another thread, or when that thread panicked.
    engine: Option<Engine>,
    /// Arrival, update id and price step of the newest snapshot of this market.
    tick: Option<(DateTime<Utc>, u64, BucketWidth)>,
    minutes: BTreeSet<Minute>,
    /// The last reading of snapshots came to its end, so that one known snapshot means all older ones are.
    books_joined: bool,
    next_reread: usize,
    rejected: Rejected,
}

impl Feed {
    /// A feed that has read nothing.
    pub fn new(symbol: Symbol, params: Params) -> Self {
        Self {
            engine: Some(Engine::new(symbol.clone(), params.clone())),
            symbol,
            params,
            tick: None,
            minutes: BTreeSet::new(),
            books_joined: false,
            next_reread: 0,
            rejected: Rejected::default(),
        }
    }

    /// Reads what is new. Answers what could not be used of what was read this time.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer, refuses, or has a key of another type; what was read until
    /// then is kept.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn refresh(&mut self, store: &mut Store) -> Result<Rejected, StoreError> {
        self.rejected = Rejected::default();
        if self.engine.is_none() {
            self.forget();
        }
        self.refresh_depth(store).await?;
        self.refresh_minutes(store).await?;
        Ok(self.rejected)
    }

    /// The price step of the newest snapshot; the usual one without a snapshot.
    pub fn tick(&self) -> BucketWidth {
        self.tick.map_or_else(|| tick_of(None), |(_, _, tick)| tick)
    }

    /// Analyses what was fed, on a thread for work that takes long.
    ///
    /// # Errors
    /// When the analysis panicked; the next refresh starts anew.
    pub async fn report(&mut self, now: DateTime<Utc>) -> Result<MarketReport, tokio::task::JoinError> {
        let mut engine = self
            .engine
            .take()
            .unwrap_or_else(|| Engine::new(self.symbol.clone(), self.params.clone()));
        let work = tokio::task::spawn_blocking(move || {
            let report = engine.report(now);
            (engine, report)
        });
        let (engine, report) = work.await?;
        self.engine = Some(engine);
        Ok(report)
    }

    fn forget(&mut self) {
        self.engine = Some(Engine::new(self.symbol.clone(), self.params.clone()));
        self.tick = None;
        self.minutes.clear();
        self.books_joined = false;
        self.next_reread = 0;
    }

    async fn refresh_depth(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let window = self.params.depth_window;
        let books = store.recent_depth(0, HEAD.min(window)).await?;
        let newest_here = books.iter().flatten().next().map(DepthSnapshot::received_at);
        let newest_known = self.engine.as_ref().and_then(Engine::newest_snapshot);
        if newest_known.is_some_and(|(known, _)| newest_here.is_none_or(|here| here < known)) {
            tracing::warn!("redis lost data; reading everything again");
            self.forget();
        }
        let joined_before = std::mem::take(&mut self.books_joined);
        let (mut joins, mut more) = self.take_books(books, HEAD);
        let mut offset = HEAD;
        while more && !(joins && joined_before) && offset < window {
            let books = store.recent_depth(offset, HEAD).await?;
            (joins, more) = self.take_books(books, HEAD);
            offset += HEAD;
        }
        self.books_joined = true;
        Ok(())
    }

    /// Feeds books; answers whether one of them was known already, and whether there may be more.
    fn take_books(&mut self, books: Vec<Result<DepthSnapshot, RecordError>>, asked: usize) -> (bool, bool) {
        let more = books.len() == asked;
        let Some(engine) = &mut self.engine else {
            return (false, more);
        };
        let mut joins = false;
        for book in books {
            match book {
                Ok(book) => {
                    joins |= engine.has_snapshot(book.received_at(), book.last_update_id());
                    engine.push_snapshot(&book);
                    let newer = self
                        .tick
                        .is_none_or(|(at, id, _)| (book.received_at(), book.last_update_id()) > (at, id));
                    if newer && *book.symbol() == self.symbol {
                        self.tick = Some((book.received_at(), book.last_update_id(), tick_of(Some(&book))));
                    }
                }
                Err(error) => self.rejected.note("snapshot", &error),
            }
        }
        (joins, more)
    }

    async fn refresh_minutes(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let window = self.params.profile_window_minutes as usize;
        let mut first = self.read_slice(store, 0).await?;
        if let Some(known) = self.minutes.last().copied()
            && first.newest.is_none_or(|newest| newest < known)
        {
            tracing::warn!("redis lost data; reading everything again");
            self.forget();
            self.refresh_depth(store).await?;
            first = self.read_slice(store, 0).await?;
        }
        let Some(newest) = first.newest else {
            return Ok(());
        };
        let reread = self.next_reread * SLICE..(self.next_reread + REREAD_SLICES) * SLICE;
        let mut offset = SLICE;
        let mut more = first.length == SLICE;
        while more && offset < window {
            if reread.contains(&offset) || !self.knows_all(newest, offset) {
                more = self.read_slice(store, offset).await?.length == SLICE;
            }
            offset += SLICE;
        }
        let slices = window.div_ceil(SLICE).max(1);
        self.next_reread = (self.next_reread + REREAD_SLICES) % slices.next_multiple_of(REREAD_SLICES);
        self.minutes = self.minutes.split_off(&back(newest, window));
        Ok(())
    }

    /// True if every minute that belongs at these places of a window without holes is known.
    fn knows_all(&self, newest: Minute, offset: usize) -> bool {
        (offset..offset + SLICE).all(|place| self.minutes.contains(&back(newest, place)))
    }

    async fn read_slice(&mut self, store: &mut Store, offset: usize) -> Result<Slice, StoreError> {
        let slice = store.recent_minutes(offset, SLICE).await?;
        let mut newest = None;
        let length = slice.len();
        for element in slice {
            match element {
                Ok((Some(symbol), _)) if symbol != self.symbol => self.rejected.foreign += 1,
                Ok((_, minute)) => {
                    newest = newest.max(Some(minute.minute));
                    self.minutes.insert(minute.minute);
                    if let Some(engine) = &mut self.engine {
                        engine.put_minute(&minute);
                    }
                }
                Err(error) => self.rejected.note("minute", &error),
            }
        }
        Ok(Slice { length, newest })
    }
}

/// The minute so many minutes earlier.
fn back(minute: Minute, minutes: usize) -> Minute {
    minute.offset(-i64::try_from(minutes).unwrap_or(i64::MAX))
}

/// What one read of the window gave.
struct Slice {
    length: usize,
    newest: Option<Minute>,
}

impl Rejected {
    fn note(&mut self, what: &str, error: &RecordError) {
        self.unreadable += 1;
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "a {what} in redis cannot be read"
        );
    }
}

//! Keeps the analysis fed with what Redis holds, reading what is new and nothing else.
//!
//! `cycle` calls [`Feed::refresh`] at the start of every cycle. What must stay true: after a refresh the
//! engine has exactly the snapshots and minutes of the windows that Redis has, so that its report is the one
//! a fresh start gives; what a cycle reads does not depend on how long the windows are.
//!
//! Snapshots are told apart by the beginnings of their elements. Minutes are found by the changes the
//! collector notes ([`Store::changed_minutes`]), however deep in the window they were healed. Where nobody notes
//! changes, the window is read anew in turn, a part per cycle, and a healed minute is seen within a few cycles.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use strategy_core::analysis::{Engine, Params};
use strategy_core::model::report::{MarketReport, Note};
use strategy_core::num::BucketWidth;
use strategy_core::store::{DepthHeads, RecordError, Revision, Store, StoreError, WindowHead};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

use crate::tick::tick_of;

/// Minutes read from Redis at a time.
const SLICE: usize = 60;

/// Slices read again per cycle although they are known, in turn, where nobody notes changes: a window of 2880
/// minutes is read anew every eight cycles.
const REREAD_SLICES: usize = 6;

/// Snapshots looked at in an ordinary cycle: one is new, the next is known.
const HEADS: usize = 4;

/// Snapshots read from Redis at a time.
const BOOKS: usize = 3;

/// Times a reading is begun again because Redis changed under it.
const TRIES: usize = 3;

/// What a refresh found that it could not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejected {
    /// Documents that are not what the layout says, every reading of one counted.
    pub unreadable: u64,
    /// Books of the window that are not.
    pub books: usize,
    /// Minutes of the window that are not.
    pub minutes: usize,
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
    /// Minutes of the window that were read.
    minutes: BTreeSet<Minute>,
    /// The change up to which all minutes were read; none before that or where nobody notes changes.
    revision: Option<Revision>,
    /// The connection on which everything was read; another one may lead to a server that lost its last second.
    connections: u64,
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
            revision: None,
            connections: 0,
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

    /// Arrival of the newest snapshot of this market.
    pub fn newest_book(&self) -> Option<DateTime<Utc>> {
        self.tick.map(|(at, _, _)| at)
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
        let unknown = self.rejected.unknown();
        let work = tokio::task::spawn_blocking(move || {
            let mut report = engine.report(now);
            // First: it is why the rest is missing.
            let notes = &mut report.data_honesty.notes;
            notes.splice(0..0, unknown);
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
        self.revision = None;
        self.books_joined = false;
        self.next_reread = 0;
    }

    async fn refresh_depth(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let window = self.params.depth_window.max(1);
        let joined = std::mem::take(&mut self.books_joined);
        let heads = store.depth_heads(0, HEADS.min(window)).await?;
        // A new connection: nothing is taken for granted.
        let ordinary = joined && self.connections == store.connections() && self.joins(&heads);
        if ordinary {
            self.read_books(store, &heads).await?;
        }
        for _ in 0..TRIES {
            if self.has_books(&store.depth_heads(0, 1).await?) {
                break;
            }
            let heads = store.depth_heads(0, window).await?;
            if let Some(engine) = &mut self.engine {
                engine.keep_snapshots(|key| heads.keys.contains(&Some(*key)));
            }
            self.read_books(store, &heads).await?;
        }
        self.books_joined = true;
        Ok(())
    }

    /// True if one of these books is known: then all older ones are.
    fn joins(&self, heads: &DepthHeads) -> bool {
        heads.keys.iter().flatten().any(|key| self.has_book(*key))
    }

    fn has_book(&self, (received_at, id): (DateTime<Utc>, u64)) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.has_snapshot(received_at, id))
    }

    /// True if the engine has as many books as Redis, and the newest of it as its newest.
    fn has_books(&self, heads: &DepthHeads) -> bool {
        let Some(engine) = &self.engine else {
            return false;
        };
        engine.snapshots() == heads.length.min(self.params.depth_window.max(1))
            && engine.newest_snapshot() == heads.keys.first().copied().flatten()
    }

    /// Reads those of the books that are not known.
    async fn read_books(&mut self, store: &mut Store, heads: &DepthHeads) -> Result<(), StoreError> {
        let new = (0..heads.keys.len())
            .filter(|place| heads.keys[*place].is_none_or(|key| !self.has_book(key)))
            .collect();
        // Of the books that could not be read only those of the last reading count, which is the widest.
        self.rejected.books = 0;
        for (place, count) in together(new, BOOKS) {
            for book in store.recent_depth(place, count).await? {
                match (book, &mut self.engine) {
                    (Ok(book), Some(engine)) => {
                        let key = (book.received_at(), book.last_update_id());
                        let newer = self.tick.is_none_or(|(at, id, _)| key > (at, id));
                        if newer && *book.symbol() == self.symbol {
                            self.tick = Some((key.0, key.1, tick_of(Some(&book))));
                        }
                        engine.push_snapshot(&book);
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => {
                        self.rejected.books += 1;
                        self.rejected.note("snapshot", &error);
                    }
                }
            }
        }
        Ok(())
    }

    async fn refresh_minutes(&mut self, store: &mut Store) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            self.rejected.minutes = 0;
            let head = store.window_head().await?;
            let same_server =
                std::mem::replace(&mut self.connections, store.connections()) == store.connections();
            let known = self.revision.take().filter(|_| same_server);
            let Some(revision) = head.revision.clone() else {
                return self.reread_in_turn(store, &head).await;
            };
            let changed = match known {
                Some(known) => store.changed_minutes(&known, &revision).await?,
                None => None,
            };
            match (changed, head.span) {
                (Some(changed), Some(span)) => self.read_changed(store, changed, span).await?,
                _ => self.read_all(store).await?,
            }
            self.keep_span(&head);
            if self.has_all(&head) {
                self.revision = Some(revision);
                return Ok(());
            }
            // Somebody wrote meanwhile, or without noting it: everything is read in the next round.
        }
        Ok(())
    }

    /// First and last minute of the window of Redis that the analysis looks at.
    fn wanted(&self, (first, last): (Minute, Minute)) -> (Minute, Minute) {
        let window = self.params.profile_window_minutes.max(1) as usize;
        (first.max(back(last, window - 1)), last)
    }

    /// True if every minute of the window is known.
    fn has_all(&self, head: &WindowHead) -> bool {
        head.span.is_some_and(|span| {
            let (first, last) = self.wanted(span);
            let ends = (self.minutes.first().copied(), self.minutes.last().copied());
            // Nothing but the window is known in an ordinary cycle, and then need not be counted.
            let known = if ends == (Some(first), Some(last)) {
                self.minutes.len()
            } else {
                self.minutes.range(first..=last).count()
            };
            usize::try_from(last.since(first) + 1) == Ok(known)
        })
    }

    /// Forgets what the window of Redis does not hold.
    fn keep_span(&mut self, head: &WindowHead) {
        let Some(span) = head.span else {
            return;
        };
        let (first, last) = self.wanted(span);
        // What is kept is not looked at: it is the whole window.
        while self.minutes.first().is_some_and(|oldest| *oldest < first) {
            self.minutes.pop_first();
        }
        while self.minutes.last().is_some_and(|newest| *newest > last) {
            self.minutes.pop_last();
        }
        if let Some(engine) = &mut self.engine {
            engine.keep_minutes(first, last);
        }
    }

    /// Reads the minutes that were noted as changed, where they stand as long as nobody writes.
    async fn read_changed(
        &mut self,
        store: &mut Store,
        changed: Vec<Minute>,
        span: (Minute, Minute),
    ) -> Result<(), StoreError> {
        let (first, last) = self.wanted(span);
        let wanted: BTreeSet<Minute> = changed
            .into_iter()
            .filter(|minute| (first..=last).contains(minute))
            .collect();
        for minute in &wanted {
            // Known again when it is read.
            self.minutes.remove(minute);
        }
        let places = wanted.iter().rev();
        let places = places.filter_map(|minute| usize::try_from(last.since(*minute)).ok());
        for (place, count) in together(places.collect(), SLICE) {
            self.read_slice(store, place, count).await?;
        }
        Ok(())
    }

    async fn read_all(&mut self, store: &mut Store) -> Result<(), StoreError> {
        self.minutes.clear();
        let window = self.params.profile_window_minutes as usize;
        for offset in (0..window).step_by(SLICE) {
            if self.read_slice(store, offset, SLICE).await?.length < SLICE {
                break;
            }
        }
        Ok(())
    }

    /// Reads the newest minutes, those that are not known, and a part of the others.
    async fn reread_in_turn(&mut self, store: &mut Store, head: &WindowHead) -> Result<(), StoreError> {
        let window = self.params.profile_window_minutes as usize;
        let mut first = self.read_slice(store, 0, SLICE).await?;
        if let Some(known) = self.minutes.last().copied()
            && first.newest.is_none_or(|newest| newest < known)
        {
            tracing::warn!("redis lost data; reading everything again");
            self.forget();
            self.refresh_depth(store).await?;
            self.rejected.minutes = 0;
            first = self.read_slice(store, 0, SLICE).await?;
        }
        let Some(newest) = first.newest else {
            return Ok(());
        };
        let reread = self.next_reread * SLICE..(self.next_reread + REREAD_SLICES) * SLICE;
        let mut offset = SLICE;
        let mut more = first.length == SLICE;
        while more && offset < window {
            if reread.contains(&offset) || !self.knows_all(newest, offset) {
                more = self.read_slice(store, offset, SLICE).await?.length == SLICE;
            }
            offset += SLICE;
        }
        let slices = window.div_ceil(SLICE).max(1);
        self.next_reread = (self.next_reread + REREAD_SLICES) % slices.next_multiple_of(REREAD_SLICES);
        self.minutes = self.minutes.split_off(&back(newest, window));
        if self.has_all(head) {
            self.keep_span(head);
        }
        Ok(())
    }

    /// True if every minute that belongs at these places of a window without holes is known.
    fn knows_all(&self, newest: Minute, offset: usize) -> bool {
        (offset..offset + SLICE).all(|place| self.minutes.contains(&back(newest, place)))
    }

    async fn read_slice(
        &mut self,
        store: &mut Store,
        offset: usize,
        count: usize,
    ) -> Result<Slice, StoreError> {
        let slice = store.recent_rows(offset, count).await?;
        let mut newest = None;
        let length = slice.len();
        for element in slice {
            match element {
                Ok((Some(symbol), _)) if symbol != self.symbol => self.rejected.foreign += 1,
                Ok((_, minute)) => {
                    newest = newest.max(Some(minute.minute));
                    self.minutes.insert(minute.minute);
                    if let Some(engine) = &mut self.engine {
                        engine.put_rows(&minute);
                    }
                }
                Err(error) => {
                    self.rejected.minutes += 1;
                    self.rejected.note("minute", &error);
                }
            }
        }
        Ok(Slice { length, newest })
    }
}

/// The minute so many minutes earlier.
fn back(minute: Minute, minutes: usize) -> Minute {
    minute.offset(-i64::try_from(minutes).unwrap_or(i64::MAX))
}

/// Rising places as (first, count) of those that follow each other, at most `most` together.
fn together(places: Vec<usize>, most: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == place && *count < most => *count += 1,
            _ => runs.push((place, 1)),
        }
    }
    runs
}

/// What one read of the window gave.
struct Slice {
    length: usize,
    newest: Option<Minute>,
}

impl Rejected {
    /// What the report says of it; none where everything could be read.
    pub fn unknown(self) -> Option<Note> {
        let (books, minutes) = (self.books, self.minutes);
        (books + minutes > 0).then_some(Note::Unreadable { books, minutes })
    }

    fn note(&mut self, what: &str, error: &RecordError) {
        self.unreadable += 1;
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "a {what} in redis cannot be read"
        );
    }
}

//! What a reader of the window sees during a chaos run, sample by sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use market_sim::redis::connect;
use strategy_core::model::MinuteFootprint;
use strategy_core::store::decode_minute;
use strategy_core::time::Minute;
use tokio_util::sync::CancellationToken;

use crate::Difference;
use crate::chaos::judge::{Judge, Judgement};

/// Pause between two looks at the window.
const PAUSE: Duration = Duration::from_millis(60);

/// Most differences worth telling.
const TOLD: usize = 20;

/// What the director tells the reader.
#[derive(Debug, Default)]
pub(crate) struct Circumstances {
    /// How often Redis has lost data so far.
    pub(crate) losses: AtomicU64,
    /// Storage was blocked at least once: the window may be longer than it should.
    pub(crate) storage_was_blocked: AtomicBool,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Looks at the window.
    pub(crate) looks: u64,
    /// Versions of complete minutes that were compared with the truth.
    pub(crate) compared: u64,
    /// Versions that lacked trades whose time steps back, to be amended.
    pub(crate) early: u64,
    /// What must not be.
    pub(crate) differences: Vec<Difference>,
    /// Minutes seen in the window since Redis last lost data.
    pub(crate) minutes: BTreeSet<Minute>,
}

/// Looks at the window again and again.
#[derive(Debug)]
pub(crate) struct Reader {
    url: String,
    judge: Judge,
    window: usize,
    circumstances: Arc<Circumstances>,
    started: Instant,
    losses: u64,
    /// The text of every minute at the last look, so that only what changed is judged.
    known: BTreeMap<Minute, String>,
    seen: Seen,
}

impl Reader {
    /// A reader of the Redis at `url`, whose window should have `window` minutes.
    pub(crate) fn new(url: String, judge: Judge, window: usize, circumstances: Arc<Circumstances>) -> Self {
        Self {
            url,
            judge,
            window,
            circumstances,
            started: Instant::now(),
            losses: 0,
            known: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Looks until the token is cancelled.
    pub(crate) async fn run(mut self, done: CancellationToken) -> Seen {
        let mut connection = None;
        while !done.is_cancelled() {
            if connection.is_none() {
                connection = connect(&self.url).await.ok();
            }
            if let Some(open) = &mut connection {
                let losses = self.circumstances.losses.load(Ordering::SeqCst);
                let looked: redis::RedisResult<Vec<String>> = redis::cmd("LRANGE")
                    .arg("trades_window")
                    .arg(0)
                    .arg(-1)
                    .query_async(open)
                    .await;
                match looked {
                    // What Redis lost while it was being read proves nothing.
                    Ok(_) if losses != self.circumstances.losses.load(Ordering::SeqCst) => {}
                    Ok(elements) => self.look(elements, losses),
                    Err(_) => connection = None,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.seen
    }

    fn look(&mut self, elements: Vec<String>, losses: u64) {
        self.seen.looks += 1;
        if losses != self.losses {
            self.losses = losses;
            self.seen.minutes.clear();
        }
        let long = elements.len() > self.window;
        if long && !self.circumstances.storage_was_blocked.load(Ordering::SeqCst) {
            self.tell(&format!(
                "the window has {} elements of {}",
                elements.len(),
                self.window
            ));
        }
        let mut previous: Option<Minute> = None;
        let mut texts = BTreeMap::new();
        for element in elements {
            let Some(minute) = self.minute_of(&element) else {
                continue;
            };
            if let Some(previous) = previous.filter(|previous| previous.previous() != minute) {
                self.tell(&format!("the window has {minute} behind {previous}"));
            }
            previous = Some(minute);
            self.seen.minutes.insert(minute);
            texts.insert(minute, element);
        }
        self.known = texts;
    }

    /// The minute of an element, judged if it is new.
    fn minute_of(&mut self, element: &str) -> Option<Minute> {
        let known = self.known.iter().find(|(_, text)| *text == element);
        if let Some((minute, _)) = known {
            return Some(*minute);
        }
        match decode_minute(element) {
            Ok((_, footprint)) => {
                self.judge(&footprint);
                Some(footprint.minute)
            }
            Err(error) => {
                self.tell(&format!("an element of the window cannot be read: {error}"));
                None
            }
        }
    }

    fn judge(&mut self, footprint: &MinuteFootprint) {
        if !footprint.complete {
            return;
        }
        self.seen.compared += 1;
        match self.judge.judge(footprint) {
            Judgement::Right => {}
            Judgement::Early => self.seen.early += 1,
            Judgement::Wrong(what) => self.tell(&format!("in the window: {what}")),
        }
    }

    fn tell(&mut self, what: &str) {
        let at = self.started.elapsed().as_secs_f64();
        if self.seen.differences.len() < TOLD {
            self.seen
                .differences
                .push(Difference(format!("{at:.3} s: {what}")));
        }
    }
}

//! Minutes from the outbox into the window, and from the window into files.
//!
//! What cannot be stored goes back and is tried again. When the program stops while Redis is away, the
//! waiting minutes are written to `storage/unsaved/` and stored at the next start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::archive::Archive;
use strategy_core::backoff::Backoff;
use strategy_core::lifecycle;
use strategy_core::model::MinuteFootprint;
use strategy_core::store::{
    Store, StoreError, WindowChange, WindowContent, WindowImage, WindowPlan, decode_minute,
};
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;
use tokio::time::timeout;

use crate::error::CollectorError;
use crate::health::Reading;
use crate::outbox::Waiting;
use crate::recent::Recent;
use crate::shared::Shared;
use crate::signs::Task;
use crate::tasks::filing::{Filing, STORAGE_RETRY};
use crate::tasks::unsaved::Unsaved;

/// Most minutes that leave the window at a time. After a long absence the whole window leaves: slice by slice,
/// so that an interruption loses nothing.
const LEAVING_SLICE: usize = 60;

/// How many minutes the window may be ahead of the exchange's clock.
const FUTURE_TOLERANCE: i64 = 2;

/// First and longest wait before a failed write is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Longest time for storing what is waiting when the program stops.
const LAST_FLUSH_LIMIT: Duration = Duration::from_millis(1500);

/// Longest time the trade task may take to hand over its unfinished minutes.
const INTAKE_LIMIT: Duration = Duration::from_millis(500);

/// While storage cannot be written the window may grow to this many times its size.
const OVERFULL: usize = 4;

/// Runs until the program stops and everything is saved.
///
/// # Errors
/// [`CollectorError::OtherSymbol`] when the keys belong to another market.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    let _saved = shared.saved.clone().drop_guard();
    let settings = &shared.settings;
    let archive = Archive::new(&settings.storage_dir, settings.symbol.clone());
    let mut task = PersistTask {
        store: Store::new(&settings.store).map_err(CollectorError::Store)?,
        unsaved: Unsaved::new(archive.clone(), &settings.storage_dir, settings.symbol.clone()),
        filing: Filing::new(Arc::clone(&shared), archive),
        image: None,
        recent: Recent::default(),
        connections: 0,
        compared: false,
        shared: Arc::clone(&shared),
    };
    if !shared.owned().await {
        return Ok(());
    }
    task.unsaved.recall(&shared).await?;
    shared.signs.sign(Task::Persist, Duration::ZERO);
    task.work().await?;
    task.last_flush().await
}

/// Why a flush did not come to its end.
#[derive(Debug)]
enum Interruption {
    /// It may be tried again.
    Store(StoreError),
    /// Neither storage nor the window takes more; what is waiting waits on, within its bound.
    NoRoom,
    /// The program cannot go on.
    Fatal(CollectorError),
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct PersistTask {
    shared: Arc<Shared>,
    store: Store,
    filing: Filing,
    unsaved: Unsaved,
    image: Option<WindowImage>,
    recent: Recent,
    /// Connections of the store when the image was last loaded.
    connections: u64,
    /// The window was compared with the exchange's clock.
    compared: bool,
}

impl PersistTask {
    async fn work(&mut self) -> Result<(), CollectorError> {
        let shared = Arc::clone(&self.shared);
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        while !shared.stop.is_cancelled() {
            let mut changed = false;
            // Not raced against the stop: a write that has begun is brought to its end, within its timeout.
            let wait = match self.flush().await {
                Ok(()) => {
                    backoff.reset();
                    self.unsaved.forget(self.image.as_ref()).await;
                    self.next_look()
                }
                Err(Interruption::Fatal(error)) => return Err(error),
                // The status and the log say already that storage cannot be written.
                Err(Interruption::NoRoom) => backoff.next_delay(rand::random()),
                Err(Interruption::Store(StoreError::WindowChanged)) => {
                    tracing::warn!("the window in redis is not what was written last: loading it again");
                    self.image = None;
                    changed = true;
                    backoff.next_delay(rand::random())
                }
                Err(Interruption::Store(error)) => {
                    self.shared.redis_failed(&error);
                    // What was on its way may have been done or not.
                    self.image = None;
                    backoff.next_delay(rand::random())
                }
            };
            let failed = backoff.attempts() > 0;
            // Written, or away for a reason: a window that changes under us again and again is none.
            if !changed {
                shared.signs.sign(Task::Persist, wait);
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => {}
                // After a failure only time helps, whatever else comes in.
                () = shared.outbox.filled(), if !failed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    fn next_look(&self) -> Duration {
        if self.filing.is_failing() {
            STORAGE_RETRY
        } else {
            Duration::from_secs(30)
        }
    }

    /// Stores what is waiting. On an error it waits again.
    async fn flush(&mut self) -> Result<(), Interruption> {
        if self.image.is_none() || self.store.connections() != self.connections {
            self.load().await?;
        }
        self.set_aside_future().await?;
        if self.filing.is_look_due() {
            let newest = self.image.as_ref().and_then(WindowImage::newest);
            self.filing.look_for_incomplete(newest).await;
        }
        let waiting = self.shared.outbox.take();
        if waiting.is_empty() && !self.filing.is_due() {
            return Ok(());
        }
        if self.filing.is_due() {
            self.filing.mark_owed().await;
        }
        let outcome = self.store_waiting(&waiting).await;
        match outcome {
            Ok(()) => self.shared.outbox.stored(),
            Err(_) => self.shared.outbox.put_back(waiting),
        }
        outcome
    }

    /// Takes minutes out of the window that lie in the exchange's future: some other market left them, and
    /// the present ones would find no place. Looked at once, when the exchange has first been heard.
    async fn set_aside_future(&mut self) -> Result<(), StoreError> {
        let now = self.shared.reach().and_then(|reach| reach.now);
        let (false, Some(now), Some(image)) = (self.compared, now, &self.image) else {
            return Ok(());
        };
        let ahead = image.newest().map_or(0, |newest| newest.since(now));
        if ahead > FUTURE_TOLERANCE {
            let count = usize::try_from(ahead).unwrap_or(usize::MAX).min(image.len());
            self.store.set_aside_newest(&self.shared.token, count).await?;
            tracing::warn!(redis.items = count, %now, "minutes of the exchange's future were taken out of the window");
            return Err(StoreError::WindowChanged);
        }
        self.compared = true;
        Ok(())
    }

    /// A window that is not what it was is loaded again; there is no time for more than one repetition.
    async fn flush_twice(&mut self) -> Result<(), Interruption> {
        match self.flush().await {
            Err(Interruption::Store(StoreError::WindowChanged)) => {
                self.image = None;
                self.flush().await
            }
            outcome => outcome,
        }
    }

    /// Reads the window. Minutes that were stored and are not there any more are put into the outbox.
    async fn load(&mut self) -> Result<(), Interruption> {
        let settings = &self.shared.settings;
        self.reads(Reading::Redis);
        let content = self.store.load_window(&settings.symbol).await?;
        let image = match content {
            WindowContent::Whole(image) => image,
            WindowContent::OtherSymbol(found) => return Err(self.other_symbol(found)),
            WindowContent::Irregular => {
                let aside = self
                    .store
                    .repair_window(&self.shared.token, &settings.symbol, settings.window_minutes)
                    .await?;
                tracing::warn!(
                    redis.items = aside,
                    "the window held something else than whole minutes: rebuilt"
                );
                return Err(StoreError::WindowChanged.into());
            }
        };
        if self.shared.window.borrow().is_none() {
            self.check_layout(&image).await?;
        }
        let forgotten = self.recent.forgotten_in(&image);
        if !forgotten.minutes.is_empty() {
            tracing::warn!(
                minutes = forgotten.minutes.len(),
                "redis has forgotten minutes: storing them again"
            );
        }
        for footprint in forgotten.minutes {
            let _let_go = self.shared.outbox.put(footprint);
        }
        for minute in forgotten.invalid {
            tracing::warn!(%minute, "redis has forgotten that a minute is not complete");
            self.shared.outbox.invalidate(minute);
        }
        for footprint in self.unsaved.take_recalled() {
            // A whole minute in the window was stored later, perhaps with a trade that came later.
            if image.state(footprint.minute).is_none_or(|state| !state.complete) {
                let _let_go = self.shared.outbox.put(footprint);
            }
        }
        self.connections = self.store.connections();
        self.shared.signs.sign(Task::Persist, Duration::ZERO);
        self.reads(Reading::Storage);
        self.filing.look_for_incomplete(image.newest()).await;
        self.adopt(image);
        Ok(())
    }

    /// Says what the loading of the window waits for.
    fn reads(&self, reading: Reading) {
        self.shared.health.update(|state| state.reading = reading);
    }

    fn other_symbol(&self, found: Symbol) -> Interruption {
        let wanted = self.shared.settings.symbol.clone();
        Interruption::Fatal(CollectorError::OtherSymbol { found, wanted })
    }

    /// Looks, before anything is written, whether the books are this market's and the minutes have the
    /// configured bucket width. Minutes of another width are set aside: on two grids at once there are levels
    /// that nobody traded at.
    async fn check_layout(&mut self, image: &WindowImage) -> Result<(), Interruption> {
        let settings = &self.shared.settings;
        if let Some(found) = self.store.depth_symbol().await?
            && found != settings.symbol
        {
            return Err(self.other_symbol(found));
        }
        let width = settings.bucket_width.to_string();
        let noted = self.store.window_width().await?;
        if noted.as_ref() == Some(&width) {
            return Ok(());
        }
        let token = &self.shared.token;
        let foreign = noted.filter(|_| !image.is_empty());
        if let Some(found) = &foreign {
            self.store.set_aside_newest(token, image.len()).await?;
            drop(self.unsaved.take_recalled());
            tracing::warn!(
                minutes = image.len(),
                found,
                wanted = width,
                "the window's minutes have another price_precision: set aside, the window is filled anew"
            );
        }
        self.store.note_window_width(token, &width).await?;
        match foreign {
            Some(_) => Err(StoreError::WindowChanged.into()),
            None => Ok(()),
        }
    }

    fn adopt(&mut self, image: WindowImage) {
        self.shared.health.update(|state| {
            state.window_count = image.len() as u64;
            state.incomplete_minutes = image.incomplete().count() as u64;
        });
        let first = self.image.is_none() && self.shared.window.borrow().is_none();
        self.shared.window.send_replace(Some(Arc::new(image.clone())));
        self.image = Some(image);
        if first {
            self.shared.signs.begin_recording();
            lifecycle::notify_ready();
        }
    }

    async fn store_waiting(&mut self, waiting: &Waiting) -> Result<(), Interruption> {
        let size = self.shared.settings.window_minutes;
        let mut batch = waiting.minutes.clone();
        let image = self.make_room(&batch).await?;
        let mut spoiled = Vec::new();
        for minute in waiting
            .invalid
            .iter()
            .filter(|minute| !waiting.minutes.contains_key(minute))
        {
            match (image.state(*minute), image.newest(), image.oldest()) {
                (Some(state), Some(newest), _) if state.complete => {
                    spoiled.push(usize::try_from(newest.since(*minute)).unwrap_or(usize::MAX));
                }
                (None, _, Some(oldest)) if *minute < oldest => self.filing.lacks_trade(*minute).await,
                (None, ..) => drop(batch.insert(*minute, MinuteFootprint::empty(*minute, false))),
                (Some(_), ..) => {}
            }
        }
        let mut plan = image.plan(batch.clone(), size);
        self.mark_incomplete(&mut plan, &spoiled).await?;
        if !self.archive_leaving(&image, &plan).await? {
            // What is older than the window is asked for again once storage can be written.
            for gone in &plan.too_old {
                batch.remove(&gone.minute);
            }
            plan = image.plan(batch, size * OVERFULL);
            self.mark_incomplete(&mut plan, &spoiled).await?;
            if plan.leaving > 0 {
                return Err(Interruption::NoRoom);
            }
        }
        if !plan.is_empty() {
            self.apply(&image, plan).await?;
        }
        Ok(())
    }

    /// Lets the minutes go that a batch pushes out of the window, but for the last few of them.
    async fn make_room(
        &mut self,
        batch: &BTreeMap<Minute, MinuteFootprint>,
    ) -> Result<WindowImage, StoreError> {
        let size = self.shared.settings.window_minutes;
        loop {
            let image = self.image.clone().unwrap_or_default();
            if image.plan(batch.clone(), size).leaving <= LEAVING_SLICE {
                return Ok(image);
            }
            let step = image.plan(BTreeMap::new(), image.len().saturating_sub(LEAVING_SLICE));
            if !self.archive_leaving(&image, &step).await? {
                return Ok(image);
            }
            self.apply(&image, step).await?;
        }
    }

    async fn apply(&mut self, image: &WindowImage, plan: WindowPlan) -> Result<(), StoreError> {
        let (symbol, token) = (&self.shared.settings.symbol, &self.shared.token);
        self.store
            .apply_window(token, symbol, image, plan.leaving, &plan.changes)
            .await?;
        self.shared.signs.sign(Task::Persist, Duration::ZERO);
        self.recent.note(plan.changes, &plan.after);
        self.adopt(plan.after);
        Ok(())
    }

    /// Adds to a plan that these elements (by index) turn out to lack trades.
    async fn mark_incomplete(&mut self, plan: &mut WindowPlan, indices: &[usize]) -> Result<(), StoreError> {
        for index in indices {
            let element = self.store.recent_minutes(*index, 1).await?.pop();
            if let Some(Ok((_, mut footprint))) = element {
                footprint.complete = false;
                plan.spoil(*index, footprint);
            }
        }
        Ok(())
    }

    /// Files the minutes that leave the window with `plan`. False if storage cannot be written.
    async fn archive_leaving(&mut self, image: &WindowImage, plan: &WindowPlan) -> Result<bool, StoreError> {
        // A minute may both leave and come again as whole; then this is the newer version.
        let newer: BTreeMap<Minute, &MinuteFootprint> = plan
            .changes
            .iter()
            .filter_map(|change| match change {
                WindowChange::Replace(_, footprint) => Some(footprint),
                WindowChange::Prepend(_) | WindowChange::Append(_) => None,
            })
            .chain(plan.too_old.iter().filter(|footprint| footprint.complete))
            .map(|footprint| (footprint.minute, footprint))
            .collect();
        let too_old = plan.too_old.iter().filter(|footprint| footprint.complete);
        if !self.filing.file(too_old.cloned().collect()).await {
            return Ok(false);
        }
        let mut read = 0;
        while read < plan.leaving {
            let count = (plan.leaving - read).min(LEAVING_SLICE);
            let mut leaving = Vec::with_capacity(count);
            for document in self.store.oldest_minutes(read, count).await? {
                let (_, footprint) = decode_minute(&document).map_err(|_| StoreError::WindowChanged)?;
                if image.state(footprint.minute).is_none() {
                    return Err(StoreError::WindowChanged);
                }
                let replaced = newer.get(&footprint.minute);
                leaving.push(replaced.map_or(footprint, |newer| (*newer).clone()));
            }
            if !self.filing.file(leaving).await {
                return Ok(false);
            }
            self.shared.signs.sign(Task::Persist, Duration::ZERO);
            read += count;
        }
        Ok(true)
    }

    /// Stores what is waiting when the program stops, in Redis or else in files.
    async fn last_flush(&mut self) -> Result<(), CollectorError> {
        let shared = Arc::clone(&self.shared);
        if timeout(INTAKE_LIMIT, shared.intake_done.cancelled())
            .await
            .is_err()
        {
            tracing::warn!("the trade stream did not hand over in time");
        }
        // What is being stored when the limit comes is not in the outbox: it is kept here for the files.
        let pending = shared.outbox.take();
        shared.outbox.put_back(pending.clone());
        match timeout(LAST_FLUSH_LIMIT, self.flush_twice()).await {
            Ok(Ok(())) => {
                self.unsaved.forget(self.image.as_ref()).await;
                return Ok(());
            }
            Ok(Err(Interruption::Fatal(error))) => return Err(error),
            Ok(Err(Interruption::Store(error))) => self.shared.redis_failed(&error),
            Ok(Err(Interruption::NoRoom)) => {}
            Err(_) => tracing::warn!("redis does not take the last minutes in time"),
        }
        self.unsaved.keep(pending.minutes.into_values().collect()).await;
        Ok(())
    }
}

//! `trades_window`: one element per clock minute, newest first, without gaps and without doubles.
//!
//! [`WindowImage`] mirrors what the list holds and plans every change as a pure function; here the change is
//! made by one script that first compares the list with the image. If Redis has forgotten its last
//! second or somebody else wrote, nothing is changed and the caller loads the window again.
//!
//! Every change also sets a mark beside the list and is made only where the mark is the one that was there
//! when the window was loaded or changed last. A change that was given up after a timeout and reaches Redis
//! behind its own repetition therefore does nothing, and a forgotten change is noticed even where length,
//! newest and oldest minute are the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{MinuteFootprint, MinuteRows};
use crate::store::changes::CHANGES_LIMIT;
use crate::store::scripts::{APPLY, NOTE_WIDTH, RENAME, SET_ASIDE, SWAP};
use crate::store::text::Text;
use crate::store::{
    LeaseToken, RecordError, Store, StoreError, WindowChange, WindowImage, decode_minute, decode_rows,
};
use crate::symbol::Symbol;
use crate::time::Minute;

/// Elements read from Redis at a time, so that a whole window is never in memory at once.
pub(crate) const WINDOW_SLICE: usize = 60;

/// Most elements kept that were found in the window and are no minutes of ours.
const SET_ASIDE_LIMIT: usize = 2880;

/// Most keys of another type that are kept aside; beyond it the last one is replaced.
const OTHER_TYPES: usize = 9;

/// A repaired window may have this many times its size: what is too much leaves it for storage in the ordinary
/// way. Minutes even older are set aside.
const REPAIRED_SIZES: usize = 4;

/// A mark that nobody has used before: the owner's token differs from life to life.
fn new_mark(owner: &LeaseToken) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{}:{}", owner.as_str(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// What a script that changes the window has answered.
fn judge((Text(code), Text(detail)): (Text, Text)) -> Result<(), StoreError> {
    match code.as_str() {
        "done" => Ok(()),
        "changed" => Err(StoreError::WindowChanged),
        _ => Err(StoreError::NotOwner { holder: detail }),
    }
}

/// What was found in the list when it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowContent {
    /// Minutes of this symbol, one after the other, exactly as this program writes them.
    Whole(WindowImage),
    /// Something else: elements of older programs, gaps, doubles.
    Irregular,
    /// Minutes of another symbol.
    OtherSymbol(Symbol),
}

impl Store {
    /// Reads the times and completeness of the whole window, slice by slice.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn load_window(&mut self, symbol: &Symbol) -> Result<WindowContent, StoreError> {
        if !self.window_is_list().await? {
            return Ok(WindowContent::Irregular);
        }
        let mut image = WindowImage::default();
        let mut start = 0;
        // Read before the list: a change in between makes the next one fail, and the window is loaded again.
        self.mark = self.read_mark().await?;
        loop {
            let slice = self.window_slice(start, WINDOW_SLICE).await?;
            for document in &slice {
                let Ok((named, footprint)) = decode_minute(document) else {
                    return Ok(WindowContent::Irregular);
                };
                match named {
                    Some(other) if other != *symbol => return Ok(WindowContent::OtherSymbol(other)),
                    None => return Ok(WindowContent::Irregular),
                    Some(_) => {}
                }
                let expected = image.oldest().map(Minute::previous);
                if expected.is_some_and(|expected| expected != footprint.minute) {
                    return Ok(WindowContent::Irregular);
                }
                image.push_older(&footprint);
            }
            if slice.len() < WINDOW_SLICE {
                return Ok(WindowContent::Whole(image));
            }
            start += slice.len();
        }
    }

    /// Rewrites an irregular window: readable minutes once each, in order and without gaps; everything
    /// else is kept in `trades_window_set_aside`. Returns how many elements were set aside.
    ///
    /// # Errors
    /// Any [`StoreError`]; the window is unchanged then.
    pub async fn repair_window(
        &mut self,
        owner: &LeaseToken,
        symbol: &Symbol,
        size: usize,
    ) -> Result<usize, StoreError> {
        let (window, aside) = (self.keys.window(), self.keys.window_set_aside());
        let mark = self.read_mark().await?;
        if !self.window_is_list().await? {
            let mut invocation = RENAME.prepare_invoke();
            invocation
                .key(&window)
                .key(self.keys.lease())
                .key(self.keys.window_mark())
                .key(self.keys.window_changes())
                .arg(owner.as_str())
                .arg(mark)
                .arg(new_mark(owner))
                .arg(format!("{window}_other_type"))
                .arg(OTHER_TYPES);
            let answer: (Text, Text) = self.script("set a foreign key aside", &invocation).await?;
            return judge(answer).map(|()| 1);
        }
        let mut minutes: BTreeMap<Minute, MinuteFootprint> = BTreeMap::new();
        let mut foreign = Vec::new();
        let mut start = 0;
        loop {
            let slice = self.window_slice(start, WINDOW_SLICE).await?;
            start += slice.len();
            let last = slice.len() < WINDOW_SLICE;
            for document in slice {
                match decode_minute(&document) {
                    Ok((named, footprint)) if named.as_ref().is_none_or(|named| named == symbol) => {
                        let better = minutes.get(&footprint.minute).is_none_or(|known| {
                            (footprint.complete, footprint.trade_count) > (known.complete, known.trade_count)
                        });
                        if better {
                            minutes.insert(footprint.minute, footprint);
                        }
                    }
                    _ => foreign.push(document),
                }
            }
            if last {
                break;
            }
        }
        let rebuilt = WindowImage::default().plan(minutes, size.saturating_mul(REPAIRED_SIZES));
        for footprint in &rebuilt.too_old {
            let document = super::encode_minute(symbol, footprint).map_err(StoreError::Encode)?;
            foreign.push(document.into_bytes());
        }
        let temporary = format!("{window}_rebuilt");
        let mut pipeline = redis::pipe();
        pipeline.atomic().del(&temporary).ignore();
        for document in &foreign {
            pipeline.lpush(&aside, document).ignore();
        }
        pipeline
            .ltrim(
                &aside,
                0,
                isize::try_from(SET_ASIDE_LIMIT).unwrap_or(isize::MAX) - 1,
            )
            .ignore();
        for change in &rebuilt.changes {
            if let WindowChange::Prepend(footprint) = change {
                let document = super::encode_minute(symbol, footprint).map_err(StoreError::Encode)?;
                pipeline.lpush(&temporary, document).ignore();
            }
        }
        self.pipeline::<()>("rebuild the window", &pipeline).await?;
        let mut invocation = SWAP.prepare_invoke();
        invocation
            .key(window)
            .key(temporary)
            .key(self.keys.lease())
            .key(self.keys.window_mark())
            .key(self.keys.window_changes())
            .arg(owner.as_str())
            .arg(mark)
            .arg(new_mark(owner))
            .arg(rebuilt.changes.len());
        let answer: (Text, Text) = self.script("rebuild the window", &invocation).await?;
        judge(answer).map(|()| foreign.len())
    }

    /// The bucket width the window's minutes were summed with, as text; `None` where nobody has noted it.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn window_width(&mut self) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.window_width());
        let width: Option<Text> = self.query("read the bucket width", &command).await?;
        Ok(width.map(|width| width.0))
    }

    /// Notes the bucket width of the window's minutes.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn note_window_width(&mut self, owner: &LeaseToken, width: &str) -> Result<(), StoreError> {
        let mut invocation = NOTE_WIDTH.prepare_invoke();
        invocation
            .key(self.keys.window_width())
            .key(self.keys.lease())
            .arg(owner.as_str())
            .arg(width);
        let answer: (Text, Text) = self.script("note the bucket width", &invocation).await?;
        judge(answer)
    }

    /// Moves the newest `count` elements to `trades_window_set_aside`. Load the window afterwards.
    ///
    /// # Errors
    /// [`StoreError::WindowChanged`] when the window is not what was loaded last; otherwise any [`StoreError`].
    pub async fn set_aside_newest(&mut self, owner: &LeaseToken, count: usize) -> Result<(), StoreError> {
        let mut invocation = SET_ASIDE.prepare_invoke();
        invocation
            .key(self.keys.window())
            .key(self.keys.window_set_aside())
            .key(self.keys.lease())
            .key(self.keys.window_mark())
            .key(self.keys.window_changes())
            .arg(owner.as_str())
            .arg(&self.mark)
            .arg(new_mark(owner))
            .arg(count)
            .arg(SET_ASIDE_LIMIT);
        let answer: (Text, Text) = self.script("set minutes aside", &invocation).await?;
        judge(answer)
    }

    /// Carries out a plan, if the window still is what `before` says.
    ///
    /// # Errors
    /// [`StoreError::WindowChanged`] when it is not: nothing was changed, load it again. Otherwise any
    /// [`StoreError`]; where the change may have been made nevertheless, the window must be loaded again too.
    pub async fn apply_window(
        &mut self,
        owner: &LeaseToken,
        symbol: &Symbol,
        before: &WindowImage,
        leaving: usize,
        changes: &[WindowChange],
    ) -> Result<(), StoreError> {
        let mut invocation = APPLY.prepare_invoke();
        let text = |minute: Option<Minute>| minute.map(|minute| minute.to_string()).unwrap_or_default();
        let mark = new_mark(owner);
        invocation
            .key(self.keys.window())
            .key(self.keys.lease())
            .key(self.keys.window_mark())
            .key(self.keys.window_changes());
        invocation
            .arg(owner.as_str())
            .arg(before.len())
            .arg(text(before.newest()))
            .arg(text(before.oldest()))
            .arg(&self.mark)
            .arg(&mark);
        invocation.arg(leaving).arg(CHANGES_LIMIT);
        for change in changes {
            let encode = |footprint| super::encode_minute(symbol, footprint).map_err(StoreError::Encode);
            match change {
                WindowChange::Prepend(footprint) => invocation.arg("L").arg(encode(footprint)?).arg(""),
                WindowChange::Append(footprint) => invocation.arg("R").arg(encode(footprint)?).arg(""),
                WindowChange::Replace(index, footprint) => {
                    invocation.arg("S").arg(*index).arg(encode(footprint)?)
                }
            };
        }
        let answer: (Text, Text) = match self.script("change the window", &invocation).await {
            Err(error) => return Err(self.named(error, &self.window_keys()).await),
            Ok(answer) => answer,
        };
        judge(answer)?;
        self.mark = mark.into_bytes();
        Ok(())
    }

    async fn read_mark(&mut self) -> Result<Vec<u8>, StoreError> {
        let key = self.keys.window_mark();
        let read = self
            .query::<Option<Vec<u8>>>("read the mark of the window", redis::cmd("GET").arg(key))
            .await;
        match read {
            Err(error) => Err(self.named(error, &self.window_keys()).await),
            Ok(mark) => Ok(mark.unwrap_or_default()),
        }
    }

    /// The `count` oldest elements, oldest last, as they stand.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn oldest_minutes(&mut self, skip: usize, count: usize) -> Result<Vec<String>, StoreError> {
        let index = |from_end: usize| -isize::try_from(from_end).unwrap_or(isize::MAX);
        let mut command = redis::cmd("LRANGE");
        command
            .arg(self.keys.window())
            .arg(index(skip + count))
            .arg(index(skip + 1));
        let documents: Vec<Text> = self.query("read the oldest minutes", &command).await?;
        Ok(documents.into_iter().map(|Text(document)| document).collect())
    }

    /// Reads up to `count` minutes, newest first, starting `skip` elements behind the newest.
    ///
    /// The outer result is about Redis, the inner ones about single documents.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`] or [`StoreError::WrongType`].
    pub async fn recent_minutes(
        &mut self,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Result<(Option<Symbol>, MinuteFootprint), RecordError>>, StoreError> {
        let slice = self.window_slice(skip, count).await?;
        Ok(slice.iter().map(decode_minute).collect())
    }

    /// Reads what the analysis needs of the minutes that [`Store::recent_minutes`] reads.
    ///
    /// # Errors
    /// As [`Store::recent_minutes`].
    pub async fn recent_rows(
        &mut self,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Result<(Option<Symbol>, MinuteRows), RecordError>>, StoreError> {
        let slice = self.window_slice(skip, count).await?;
        Ok(slice.iter().map(decode_rows).collect())
    }

    async fn window_slice(&mut self, start: usize, count: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command.arg(self.keys.window()).arg(start).arg(start + count - 1);
        match self.query("read the window", &command).await {
            Err(error) => Err(self.named(error, &self.window_keys()).await),
            answer => answer,
        }
    }

    /// The keys of the window and their types.
    pub(super) fn window_keys(&self) -> [(String, &'static str); 4] {
        [
            (self.keys.window(), "list"),
            (self.keys.window_changes(), "list"),
            (self.keys.window_mark(), "string"),
            (self.keys.lease(), "string"),
        ]
    }

    async fn window_is_list(&mut self) -> Result<bool, StoreError> {
        let key = self.keys.window();
        let kind = self.kind_of(&key).await?;
        Ok(kind == "list" || kind == "none")
    }
}

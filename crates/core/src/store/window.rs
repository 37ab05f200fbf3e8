//! `trades_window`: one element per clock minute, newest first, without gaps and without doubles.
//!
//! [`WindowImage`] mirrors what the list holds and plans every change as a pure function; the change is
//! then made by one script that first compares the list with the image. If Redis has forgotten its last
//! second or somebody else wrote, nothing is changed and the caller loads the window again.
//!
//! Every change also sets a mark beside the list and is made only where the mark is the one that was there
//! when the window was loaded or changed last. A change that was given up after a timeout and reaches Redis
//! behind its own repetition therefore does nothing, and a forgotten change is noticed even where length,
//! newest and oldest minute are the same.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::Script;

use crate::model::MinuteFootprint;
use crate::store::{LeaseToken, RecordError, Store, StoreError, decode_minute};
use crate::symbol::Symbol;
use crate::time::Minute;

/// Elements read from Redis at a time, so that a whole window is never in memory at once.
pub(crate) const WINDOW_SLICE: usize = 60;

/// Most elements kept that were found in the window and are no minutes of ours.
const SET_ASIDE_LIMIT: usize = 2880;

/// Compares the list with the image and changes it in one step.
///
/// `KEYS`: window, lease, mark. `ARGV`: token, expected length, expected newest and oldest time, expected
/// and new mark, elements to pop from the old end, then triples `L json -`, `R json -`, `S index json`.
static APPLY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[3]) or '') ~= ARGV[5] then return {'changed', ''} end
local length = redis.call('LLEN', KEYS[1])
if length ~= tonumber(ARGV[2]) then return {'changed', ''} end
if length > 0 then
  local function at(index) return string.sub(redis.call('LINDEX', KEYS[1], index), 1, 60) end
  if not string.find(at(0), ARGV[3], 1, true) then return {'changed', ''} end
  if not string.find(at(-1), ARGV[4], 1, true) then return {'changed', ''} end
end
for i = 8, #ARGV, 3 do
  if ARGV[i] == 'S' then redis.call('LSET', KEYS[1], ARGV[i + 1], ARGV[i + 2]) end
end
local pop = tonumber(ARGV[7])
if pop > 0 then redis.call('RPOP', KEYS[1], pop) end
for i = 8, #ARGV, 3 do
  if ARGV[i] == 'L' then redis.call('LPUSH', KEYS[1], ARGV[i + 1]) end
  if ARGV[i] == 'R' then redis.call('RPUSH', KEYS[1], ARGV[i + 1]) end
end
redis.call('SET', KEYS[3], ARGV[6])
return {'done', ''}
",
    )
});

/// Puts a rebuilt list in place of the old one in one step, if the mark is the one it was rebuilt at.
///
/// `KEYS`: window, rebuilt list, lease, mark. `ARGV`: token, expected and new mark, length of the rebuilt list.
static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('GET', KEYS[3])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
if (redis.call('GET', KEYS[4]) or '') ~= ARGV[2] then return {'changed', ''} end
if redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[4]) then return {'changed', ''} end
if ARGV[4] == '0' then redis.call('DEL', KEYS[1]) else redis.call('RENAME', KEYS[2], KEYS[1]) end
redis.call('SET', KEYS[4], ARGV[3])
return {'done', ''}
",
    )
});

/// What is known of one minute of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteState {
    /// Every trade of the minute is in its element.
    pub complete: bool,
    /// Highest aggregate trade id in it.
    pub last_trade_id: Option<u64>,
}

/// The window as the collector knows it: which minutes it holds and which of them are complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowImage {
    newest: Option<Minute>,
    /// Index 0 is the newest minute.
    states: VecDeque<MinuteState>,
}

/// One change of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowChange {
    /// Put this minute in front of the newest.
    Prepend(MinuteFootprint),
    /// Put this minute behind the oldest.
    Append(MinuteFootprint),
    /// Put this minute in place of the element at the index (counted before any other change).
    Replace(usize, MinuteFootprint),
}

/// How a batch of minutes gets into the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPlan {
    /// Elements that leave at the old end; their files must be durable before the plan is carried out.
    pub leaving: usize,
    /// What is put in, in this order.
    pub changes: Vec<WindowChange>,
    /// Minutes of the batch that are older than the window: they go to their files directly.
    pub too_old: Vec<MinuteFootprint>,
    /// The window afterwards.
    pub after: WindowImage,
}

impl WindowImage {
    /// Newest minute, if there is any.
    pub fn newest(&self) -> Option<Minute> {
        self.newest
    }

    /// Oldest minute, if there is any.
    pub fn oldest(&self) -> Option<Minute> {
        self.newest
            .map(|newest| newest.offset(1 - i64::try_from(self.states.len()).unwrap_or(i64::MAX)))
    }

    /// Number of minutes.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What is known of a minute; `None` outside the window.
    pub fn state(&self, minute: Minute) -> Option<MinuteState> {
        self.index_of(minute)
            .and_then(|index| self.states.get(index).copied())
    }

    /// Minutes that are in the window and not complete, newest first.
    pub fn incomplete(&self) -> impl Iterator<Item = Minute> + '_ {
        let newest = self.newest;
        self.states
            .iter()
            .enumerate()
            .filter(|(_, state)| !state.complete)
            .filter_map(move |(index, _)| {
                newest.map(|newest| newest.offset(-i64::try_from(index).unwrap_or(i64::MAX)))
            })
    }

    fn index_of(&self, minute: Minute) -> Option<usize> {
        let index = usize::try_from(self.newest?.since(minute)).ok()?;
        (index < self.states.len()).then_some(index)
    }

    /// Plans how `batch` gets into the window of `size` minutes.
    ///
    /// Minutes between the window and a batch minute that are in neither become elements without trades
    /// that say `complete: false`. A complete minute is never replaced by an incomplete one.
    pub fn plan(&self, batch: BTreeMap<Minute, MinuteFootprint>, size: usize) -> WindowPlan {
        let mut plan = WindowPlan {
            leaving: 0,
            changes: Vec::new(),
            too_old: Vec::new(),
            after: self.clone(),
        };
        let size = size.max(1);
        let Some(newest) = batch.keys().next_back().copied().max(self.newest) else {
            return plan;
        };
        let span = i64::try_from(size).unwrap_or(i64::MAX);
        let first_kept = newest.offset(1 - span);
        let (mut newer, mut older) = (Vec::new(), Vec::new());
        for (minute, footprint) in batch {
            if minute < first_kept {
                plan.too_old.push(footprint);
            } else if let Some(index) = self.index_of(minute) {
                if footprint.complete || !self.states[index].complete {
                    plan.after.states[index] = state_of(&footprint);
                    plan.changes.push(WindowChange::Replace(index, footprint));
                }
            } else if self.newest.is_none_or(|newest| minute > newest) {
                newer.push(footprint);
            } else {
                older.push(footprint);
            }
        }
        plan.leaving = self.oldest().map_or(0, |oldest| {
            usize::try_from(first_kept.since(oldest))
                .unwrap_or(0)
                .min(self.states.len())
        });
        plan.after.states.truncate(self.states.len() - plan.leaving);
        if plan.after.states.is_empty() {
            plan.after.newest = None;
        }
        for footprint in newer {
            plan.prepend(footprint, first_kept);
        }
        for footprint in older.into_iter().rev() {
            plan.append(footprint);
        }
        plan
    }
}

impl WindowPlan {
    fn prepend(&mut self, footprint: MinuteFootprint, first_kept: Minute) {
        let fill_from = self.after.newest.map(|newest| newest.next().max(first_kept));
        let mut minute = fill_from.unwrap_or(footprint.minute);
        while minute < footprint.minute {
            self.push_front(MinuteFootprint::empty(minute, false));
            minute = minute.next();
        }
        self.push_front(footprint);
    }

    fn push_front(&mut self, footprint: MinuteFootprint) {
        self.after.newest = Some(footprint.minute);
        self.after.states.push_front(state_of(&footprint));
        self.changes.push(WindowChange::Prepend(footprint));
    }

    fn append(&mut self, footprint: MinuteFootprint) {
        let mut minute = self.after.oldest().map_or(footprint.minute, Minute::previous);
        if self.after.newest.is_none() {
            self.after.newest = Some(footprint.minute);
        }
        while minute > footprint.minute {
            self.push_back(MinuteFootprint::empty(minute, false));
            minute = minute.previous();
        }
        self.push_back(footprint);
    }

    fn push_back(&mut self, footprint: MinuteFootprint) {
        self.after.states.push_back(state_of(&footprint));
        self.changes.push(WindowChange::Append(footprint));
    }

    /// Adds that the element at `index` (counted before any change) turned out to be incomplete: it is
    /// replaced by `footprint`. Nothing happens if the element leaves or is replaced anyway.
    pub fn spoil(&mut self, index: usize, mut footprint: MinuteFootprint) {
        let replaced = |change: &WindowChange| matches!(change, WindowChange::Replace(at, _) if *at == index);
        let prepended = self
            .changes
            .iter()
            .filter(|change| matches!(change, WindowChange::Prepend(_)))
            .count();
        if self.changes.iter().any(replaced) || index + prepended >= self.after.states.len() {
            return;
        }
        footprint.complete = false;
        self.after.states[index + prepended] = state_of(&footprint);
        self.changes.push(WindowChange::Replace(index, footprint));
    }

    /// True if carrying it out would change nothing.
    pub fn is_empty(&self) -> bool {
        self.leaving == 0 && self.changes.is_empty()
    }
}

/// A mark that nobody has used before: the owner's token differs from life to life.
fn new_mark(owner: &LeaseToken) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("{}:{}", owner.as_str(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// What a script that changes the window has answered.
fn judge((code, detail): (String, String)) -> Result<(), StoreError> {
    match code.as_str() {
        "done" => Ok(()),
        "changed" => Err(StoreError::WindowChanged),
        _ => Err(StoreError::NotOwner { holder: detail }),
    }
}

fn state_of(footprint: &MinuteFootprint) -> MinuteState {
    MinuteState {
        complete: footprint.complete,
        last_trade_id: footprint.trade_ids.map(|ids| ids.last),
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
                image.newest = image.newest.or(Some(footprint.minute));
                image.states.push_back(state_of(&footprint));
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
        if !self.window_is_list().await? {
            let renamed = format!("{window}_other_type");
            self.query::<()>(
                "set a foreign key aside",
                redis::cmd("RENAME").arg(&window).arg(renamed),
            )
            .await?;
            return Ok(1);
        }
        let mark = self.read_mark().await?;
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
        let rebuilt = WindowImage::default().plan(minutes, size);
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
            .arg(owner.as_str())
            .arg(mark)
            .arg(new_mark(owner))
            .arg(rebuilt.changes.len());
        let answer: (String, String) = self.script("rebuild the window", &invocation).await?;
        judge(answer).map(|()| foreign.len())
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
            .key(self.keys.window_mark());
        invocation
            .arg(owner.as_str())
            .arg(before.len())
            .arg(text(before.newest()))
            .arg(text(before.oldest()))
            .arg(&self.mark)
            .arg(&mark);
        invocation.arg(leaving);
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
        let answer: (String, String) = self.script("change the window", &invocation).await?;
        judge(answer)?;
        self.mark = mark;
        Ok(())
    }

    async fn read_mark(&mut self) -> Result<String, StoreError> {
        let key = self.keys.window_mark();
        let mark: Option<String> = self
            .query("read the mark of the window", redis::cmd("GET").arg(key))
            .await?;
        Ok(mark.unwrap_or_default())
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
        self.query("read the oldest minutes", &command).await
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
        Ok(slice.iter().map(|document| decode_minute(document)).collect())
    }

    async fn window_slice(&mut self, start: usize, count: usize) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command.arg(self.keys.window()).arg(start).arg(start + count - 1);
        match self.query("read the window", &command).await {
            Err(error) if error.is_wrong_type() => {
                let key = self.keys.window();
                let kind = self.kind_of(&key).await?;
                Err(StoreError::WrongType {
                    key,
                    kind,
                    wanted: "list",
                })
            }
            answer => answer,
        }
    }

    async fn window_is_list(&mut self) -> Result<bool, StoreError> {
        let key = self.keys.window();
        let kind = self.kind_of(&key).await?;
        Ok(kind == "list" || kind == "none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minute(number: i64) -> Minute {
        Minute::from_number(29_000_000 + number).unwrap()
    }

    /// Carries a plan out on a plain list, as the script does.
    fn carry_out(list: &mut VecDeque<MinuteFootprint>, plan: &WindowPlan) {
        for change in &plan.changes {
            if let WindowChange::Replace(index, footprint) = change {
                list[*index] = footprint.clone();
            }
        }
        list.truncate(list.len() - plan.leaving);
        for change in &plan.changes {
            match change {
                WindowChange::Prepend(footprint) => list.push_front(footprint.clone()),
                WindowChange::Append(footprint) => list.push_back(footprint.clone()),
                WindowChange::Replace(..) => {}
            }
        }
    }

    fn batch(minutes: &[(i64, bool)]) -> BTreeMap<Minute, MinuteFootprint> {
        minutes
            .iter()
            .map(|(number, complete)| {
                (
                    minute(*number),
                    MinuteFootprint::empty(minute(*number), *complete),
                )
            })
            .collect()
    }

    #[test]
    fn minutes_that_nobody_has_become_incomplete_elements() {
        let first = WindowImage::default().plan(batch(&[(10, true)]), 100);
        let second = first.after.plan(batch(&[(13, true), (8, true)]), 100);
        let mut list = VecDeque::new();
        carry_out(&mut list, &first);
        carry_out(&mut list, &second);
        let seen: Vec<(Minute, bool)> = list
            .iter()
            .map(|element| (element.minute, element.complete))
            .collect();
        let expected = [
            (13, true),
            (12, false),
            (11, false),
            (10, true),
            (9, false),
            (8, true),
        ]
        .map(|(n, c)| (minute(n), c));
        assert_eq!(seen, expected);
        assert_eq!(
            second.after.incomplete().collect::<Vec<_>>(),
            [minute(12), minute(11), minute(9)]
        );
    }

    #[test]
    fn a_window_that_is_wholly_too_old_leaves_at_once() {
        let old = WindowImage::default()
            .plan(batch(&[(1, true), (2, true), (3, true)]), 5)
            .after;
        let plan = old.plan(batch(&[(1000, true)]), 5);
        assert_eq!(plan.leaving, 3);
        assert_eq!(
            plan.changes,
            [WindowChange::Prepend(MinuteFootprint::empty(minute(1000), true))]
        );
    }

    #[test]
    fn a_spoiled_minute_is_marked_where_it_stands() {
        let image = WindowImage::default()
            .plan(batch(&[(1, true), (2, true), (3, true)]), 10)
            .after;
        let mut plan = image.plan(batch(&[(4, true)]), 10);
        plan.spoil(1, MinuteFootprint::empty(minute(2), true));
        assert_eq!(plan.after.incomplete().collect::<Vec<_>>(), [minute(2)]);
        assert!(plan.changes.contains(&WindowChange::Replace(
            1,
            MinuteFootprint::empty(minute(2), false)
        )));
        let mut leaving = image.plan(batch(&[(4, true)]), 2);
        leaving.spoil(2, MinuteFootprint::empty(minute(1), true));
        assert_eq!(leaving.changes.len(), 1);
    }

    proptest! {
        /// Whatever comes in whatever order: no gap, no double, not too long, nothing complete is lost.
        #[test]
        fn the_window_never_has_gaps_or_doubles(
            batches in prop::collection::vec(prop::collection::vec((0_i64..40, any::<bool>()), 1..5), 1..20),
            size in 1_usize..12,
        ) {
            let mut image = WindowImage::default();
            let mut list: VecDeque<MinuteFootprint> = VecDeque::new();
            let mut offered: BTreeMap<Minute, bool> = BTreeMap::new();
            let mut left: BTreeMap<Minute, bool> = BTreeMap::new();
            for rows in batches {
                let batch = batch(&rows);
                for (minute, footprint) in &batch {
                    *offered.entry(*minute).or_default() |= footprint.complete;
                }
                let plan = image.plan(batch, size);
                for element in list.iter().rev().take(plan.leaving) {
                    *left.entry(element.minute).or_default() |= element.complete;
                }
                for element in &plan.too_old {
                    *left.entry(element.minute).or_default() |= element.complete;
                }
                // A leaving element may have been replaced by the same plan.
                for change in &plan.changes {
                    if let WindowChange::Replace(index, element) = change
                        && *index >= list.len() - plan.leaving
                    {
                        *left.entry(element.minute).or_default() |= element.complete;
                    }
                }
                carry_out(&mut list, &plan);
                image = plan.after;
                prop_assert!(list.len() <= size);
                prop_assert_eq!(list.len(), image.len());
                prop_assert_eq!(list.front().map(|element| element.minute), image.newest());
                prop_assert_eq!(list.back().map(|element| element.minute), image.oldest());
                for (index, element) in list.iter().enumerate() {
                    prop_assert_eq!(element.minute, list[0].minute.offset(-i64::try_from(index).unwrap()));
                    prop_assert_eq!(image.state(element.minute).unwrap().complete, element.complete);
                }
            }
            for (minute, complete) in offered {
                let kept = list.iter().find(|element| element.minute == minute).map(|element| element.complete);
                let gone = left.get(&minute).copied();
                prop_assert!(kept.or(gone).is_some(), "{:?} is nowhere", minute);
                prop_assert!(!complete || kept == Some(true) || gone == Some(true), "{:?} lost its trades", minute);
            }
        }
    }
}

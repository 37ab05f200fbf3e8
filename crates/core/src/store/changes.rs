//! `trades_window_changes`: which minutes of the window were put in or replaced lately.
//!
//! The script that changes the window notes every minute it writes. A reader that remembers the [`Revision`]
//! up to which it has read learns from a few bytes whether there is anything new, and which minutes, however
//! deep in the window they stand.

use std::sync::LazyLock;

use redis::Script;

use crate::store::text::Text;
use crate::store::{Store, StoreError};
use crate::time::Minute;

/// Most changes that are kept; a reader that is farther behind reads the whole window.
pub(super) const CHANGES_LIMIT: usize = 512;

/// Length, both ends and the latest change of the window, as of one moment.
///
/// `KEYS`: window, changes.
static HEAD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local function at(index) return string.sub(redis.call('LINDEX', KEYS[1], index) or '', 1, 60) end
return {redis.call('LLEN', KEYS[1]), at(0), at(-1), redis.call('LINDEX', KEYS[2], 0) or ''}
",
    )
});

/// Up to which change a reader has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// When the list of changes was begun, by the server's clock: another epoch has nothing in common with this.
    epoch: String,
    /// Number of the change since then.
    sequence: u64,
}

/// What the window looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowHead {
    /// Number of elements.
    pub length: usize,
    /// First and last minute, when both ends are minutes of the layout and no minute between them is missing.
    pub span: Option<(Minute, Minute)>,
    /// The latest change; none when nothing notes changes.
    pub revision: Option<Revision>,
}

impl WindowHead {
    fn new(length: usize, newest: &str, oldest: &str, latest: &str) -> Self {
        let span = minute_of(oldest).zip(minute_of(newest));
        let whole = |(first, last): &(Minute, Minute)| usize::try_from(last.since(*first) + 1) == Ok(length);
        Self {
            length,
            span: span.filter(whole),
            revision: parse(latest).map(|(revision, _)| revision),
        }
    }
}

impl Store {
    /// Looks at the window without reading it.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`] or [`StoreError::WrongType`].
    pub async fn window_head(&mut self) -> Result<WindowHead, StoreError> {
        let mut invocation = HEAD.prepare_invoke();
        invocation.key(self.keys.window()).key(self.keys.window_changes());
        let looked = self.script("look at the window", &invocation).await;
        let (length, Text(newest), Text(oldest), Text(latest)): (usize, Text, Text, Text) = match looked {
            Err(error) => return Err(self.named(error, &self.window_keys()).await),
            Ok(found) => found,
        };
        Ok(WindowHead::new(length, &newest, &oldest, &latest))
    }

    /// The minutes changed after `known`, up to `head` and possibly beyond; none when that cannot be told any
    /// more, so that the whole window must be read.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn changed_minutes(
        &mut self,
        known: &Revision,
        head: &Revision,
    ) -> Result<Option<Vec<Minute>>, StoreError> {
        let Some(behind) = head.sequence.checked_sub(known.sequence) else {
            return Ok(None);
        };
        let count = usize::try_from(behind).unwrap_or(usize::MAX);
        if head.epoch != known.epoch || count > CHANGES_LIMIT {
            return Ok(None);
        }
        if count == 0 {
            return Ok(Some(Vec::new()));
        }
        // What is noted meanwhile pushes the changes asked for back: then there is more than was asked for.
        let mut command = redis::cmd("LRANGE");
        command
            .arg(self.keys.window_changes())
            .arg(0)
            .arg(CHANGES_LIMIT.min(count + SPARE) - 1);
        let lines: Vec<Text> = self.query("read the changes of the window", &command).await?;
        Ok(since(&lines, known, head))
    }
}

/// Changes read beyond those that are known to be new, for those that come in between.
const SPARE: usize = 4;

/// The minutes noted after `known`, if every change from there to `head` is among the lines.
fn since(lines: &[impl AsRef<str>], known: &Revision, head: &Revision) -> Option<Vec<Minute>> {
    let mut minutes = Vec::new();
    let mut seen = 0;
    for line in lines {
        let (revision, minute) = parse(line.as_ref())?;
        if revision.epoch != known.epoch {
            return None;
        }
        if revision.sequence <= known.sequence {
            break;
        }
        seen += u64::from(revision.sequence <= head.sequence);
        minutes.push(minute);
    }
    (seen == head.sequence - known.sequence).then_some(minutes)
}

fn parse(line: &str) -> Option<(Revision, Minute)> {
    let mut words = line.split(' ');
    let revision = Revision {
        epoch: words.next().filter(|epoch| !epoch.is_empty())?.to_owned(),
        sequence: words.next()?.parse().ok()?,
    };
    Some((revision, minute(words.next()?)?))
}

/// The minute a document of the layout begins with.
fn minute_of(start: &str) -> Option<Minute> {
    let (_, rest) = start.split_once("\"timestamp\":\"")?;
    minute(rest.split_once('"')?.0)
}

fn minute(text: &str) -> Option<Minute> {
    serde_json::from_value(text.into()).ok()
}

/// For fuzzing: reads a line of changes and a head; what was read is written the same again.
///
/// # Panics
/// When it is not.
#[cfg(feature = "fuzzing")]
pub fn fuzz_changes(text: &str) {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &lines {
        if let Some((revision, minute)) = parse(line) {
            let again = format!("{} {} {minute}", revision.epoch, revision.sequence);
            assert_eq!(parse(&again), Some((revision, minute)), "{line:?}");
        }
    }
    let at = |index: usize| lines.get(index).map_or("", String::as_str);
    let head = WindowHead::new(lines.len(), at(0), at(1), at(2));
    if let Some((first, last)) = head.span {
        assert_eq!(usize::try_from(last.since(first) + 1), Ok(lines.len()));
    }
    if let (Some((known, _)), Some((head, _))) = (parse(at(0)), parse(at(1)))
        && known.sequence <= head.sequence
    {
        let minutes = since(&lines, &known, &head).unwrap_or_default();
        assert!(minutes.len() <= lines.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(epoch: &str, sequence: u64) -> Revision {
        Revision {
            epoch: epoch.to_owned(),
            sequence,
        }
    }

    fn line(epoch: &str, sequence: u64, number: i64) -> String {
        format!("{epoch} {sequence} {}", Minute::from_number(number).unwrap())
    }

    #[test]
    fn a_reader_learns_what_it_has_not_seen_or_that_it_cannot_know() {
        let lines = [
            line("a", 9, 30),
            line("a", 8, 4),
            line("a", 7, 29),
            line("a", 6, 28),
        ];
        let (known, head) = (revision("a", 6), revision("a", 8));
        let minutes = [30, 4, 29].map(|number| Minute::from_number(number).unwrap());
        assert_eq!(
            since(&lines, &known, &head),
            Some(minutes.to_vec()),
            "one came in between"
        );
        assert_eq!(since(&lines[..2], &known, &head), None, "the list is too short");
        assert_eq!(since(&[line("b", 7, 1)], &known, &head), None, "another epoch");
        assert_eq!(since(&["a".to_owned()], &known, &head), None, "no change at all");
    }

    #[test]
    fn a_window_with_gaps_or_of_other_documents_has_no_span() {
        let start = |number: i64| {
            format!(
                r#"{{"timestamp":"{}","symbol":"BTC"#,
                Minute::from_number(number).unwrap()
            )
        };
        let head =
            |length| WindowHead::new(length, &start(20), &start(11), "1.2 7 2025-11-22T06:14:00+00:00");
        let (first, last) = (Minute::from_number(11).unwrap(), Minute::from_number(20).unwrap());
        assert_eq!(head(10).span, Some((first, last)));
        assert_eq!(head(10).revision, Some(revision("1.2", 7)));
        assert_eq!(head(9).span, None);
        assert_eq!(WindowHead::new(1, "nonsense", "nonsense", "").span, None);
        assert_eq!(WindowHead::new(0, "", "", "").revision, None);
    }
}

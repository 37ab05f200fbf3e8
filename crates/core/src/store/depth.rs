//! `depth_snapshot_5000`: the last books, newest first.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, Script};
use serde::Deserialize;

use crate::model::DepthSnapshot;
use crate::store::text::Text;
use crate::store::{LeaseToken, RecordError, Store, StoreError, decode_depth};
use crate::symbol::Symbol;
use crate::time::rfc3339;

/// Adds one book and trims the list in one step, so that no reader ever sees more than the window.
///
/// `ARGV`: lease token, document, window size, update id, symbol, `1` to take a lower id all the same.
/// Answers `{code, length}`; the same document twice is stored once.
static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r#"
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] then return {'not_owner', holder or ''} end
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'string' then
  local single = redis.call('GET', KEYS[1])
  local readable, book = pcall(cjson.decode, single)
  if readable and type(book) == 'table' and book.bids then
    redis.call('DEL', KEYS[1])
    redis.call('RPUSH', KEYS[1], single)
  else
    redis.call('RENAME', KEYS[1], KEYS[1] .. '_set_aside')
  end
elseif kind ~= 'list' and kind ~= 'none' then
  redis.call('RENAME', KEYS[1], KEYS[1] .. '_set_aside')
end
local newest = redis.call('LINDEX', KEYS[1], 0)
if newest == ARGV[2] then return {'stored', tostring(redis.call('LLEN', KEYS[1]))} end
if newest then
  local head = string.sub(newest, 1, 300)
  local symbol = string.match(head, '"symbol":%s*"([^"]*)"')
  local id = tonumber(string.match(head, '"last_update_id":%s*(%d+)'))
  if ARGV[6] == '0' and symbol == ARGV[5] and id and id > tonumber(ARGV[4]) then return {'older', string.format('%.0f', id)} end
end
redis.call('LPUSH', KEYS[1], ARGV[2])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[3]) - 1)
return {'stored', tostring(redis.call('LLEN', KEYS[1]))}
"#,
    )
});

/// Length of the list and the beginnings of some elements, which say which books they are.
///
/// `KEYS`: books. `ARGV`: first index, last index.
static HEADS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local heads = {}
for index = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local book = redis.call('LINDEX', KEYS[1], index)
  if not book then break end
  heads[#heads + 1] = string.sub(book, 1, 200)
end
return {redis.call('LLEN', KEYS[1]), heads}
",
    )
});

/// Which books the list holds, without the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthHeads {
    /// Number of elements of the list.
    pub length: usize,
    /// Arrival time and update id of the elements asked for; none for one that is not a book of the layout.
    pub keys: Vec<Option<(DateTime<Utc>, u64)>>,
}

/// What a book of the layout begins with.
#[derive(Deserialize)]
struct Head {
    #[serde(with = "rfc3339")]
    timestamp: DateTime<Utc>,
    last_update_id: u64,
}

/// Time and id from the beginning of an element: everything before its levels is an object of its own.
fn key_of(start: &str) -> Option<(DateTime<Utc>, u64)> {
    let (head, _) = start.split_once(",\"bids\"")?;
    let head: Head = serde_json::from_str(&format!("{head}}}")).ok()?;
    Some((head.timestamp, head.last_update_id))
}

/// What became of a book that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepthPush {
    /// It is in the list, which now has this many books.
    Stored {
        /// Length of the list.
        count: u64,
    },
    /// The newest book in the list has a higher update id, so this one was not stored.
    OlderThan {
        /// Update id of the newest book in the list.
        newest: u64,
    },
}

impl Store {
    /// Puts a book in front of the list and trims it to `window_size`.
    ///
    /// `document` is the encoded form of a book with this update id. A STRING with one book, as an older
    /// version kept it, becomes the first element of the list; a key of any other type is renamed to
    /// `<key>_set_aside`, and so is a STRING that is no book. `renumbered` says that the exchange numbers its
    /// books anew, so that a lower id is not an older book. May be repeated.
    ///
    /// # Errors
    /// [`StoreError::NotOwner`] when the lease is not ours; otherwise any [`StoreError`].
    pub async fn push_depth(
        &mut self,
        owner: &LeaseToken,
        symbol: &str,
        last_update_id: u64,
        document: &str,
        window_size: usize,
        renumbered: bool,
    ) -> Result<DepthPush, StoreError> {
        let mut invocation = PUSH.prepare_invoke();
        invocation.key(self.keys.depth()).key(self.keys.lease());
        invocation
            .arg(owner.as_str())
            .arg(document)
            .arg(window_size)
            .arg(last_update_id)
            .arg(symbol)
            .arg(u8::from(renumbered));
        let (Text(code), Text(detail)) = self.script("store a book", &invocation).await?;
        let number = detail.parse().unwrap_or(0);
        match code.as_str() {
            "stored" => Ok(DepthPush::Stored { count: number }),
            "older" => Ok(DepthPush::OlderThan { newest: number }),
            _ => Err(StoreError::NotOwner { holder: detail }),
        }
    }

    /// Says which books stand at up to `count` places, newest first, `skip` elements behind the newest.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn depth_heads(&mut self, skip: usize, count: usize) -> Result<DepthHeads, StoreError> {
        let mut invocation = HEADS.prepare_invoke();
        invocation
            .key(self.keys.depth())
            .arg(skip)
            .arg(skip + count.max(1) - 1);
        let looked = self.script("look at the books", &invocation).await;
        let (length, heads): (usize, Vec<Text>) = match looked {
            // A STRING with one book, as an older version kept it, is a list of that book.
            Err(error) if error.is_wrong_type() => {
                let mut command = redis::cmd("LRANGE");
                command.arg(self.keys.depth()).arg(skip).arg(skip);
                let books = self.books_of_other_type(&command, skip).await?;
                (1, books)
            }
            looked => looked?,
        };
        Ok(DepthHeads {
            length,
            keys: heads.iter().map(|head| key_of(&head.0)).collect(),
        })
    }

    /// The market of the newest book; `None` without a book of the layout.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn depth_symbol(&mut self) -> Result<Option<Symbol>, StoreError> {
        match self.recent_depth(0, 1).await {
            // What is there is set aside when the first book is stored.
            Err(StoreError::WrongType { .. }) => Ok(None),
            books => {
                let newest = books?.pop().and_then(Result::ok);
                Ok(newest.map(|book| book.symbol().clone()))
            }
        }
    }

    /// Reads up to `count` books (at least one), newest first, starting `skip` elements behind the newest.
    ///
    /// A book takes some milliseconds to read, so a caller that must stop quickly asks for few at a time.
    /// The outer result is about Redis, the inner ones about single documents. A STRING with one book, as an
    /// older version kept it, is read as a list of that book.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Refused`] or [`StoreError::WrongType`].
    pub async fn recent_depth(
        &mut self,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Result<DepthSnapshot, RecordError>>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        command
            .arg(self.keys.depth())
            .arg(skip)
            .arg(skip + count.max(1) - 1);
        let documents: Vec<Vec<u8>> = match self.query("read the books", &command).await {
            Err(error) if error.is_wrong_type() => self.books_of_other_type(&command, skip).await?,
            answer => answer?,
        };
        Ok(documents.iter().map(decode_depth).collect())
    }

    /// What to make of a key that was no list when `command` read it.
    async fn books_of_other_type<T: FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
        skip: usize,
    ) -> Result<Vec<T>, StoreError> {
        let key = self.keys.depth();
        let kind = self.kind_of(&key).await?;
        match kind.as_str() {
            "string" => {
                let book: Option<T> = self.query("read the book", redis::cmd("GET").arg(key)).await?;
                Ok(book.into_iter().skip(skip).collect())
            }
            // The collector has just mended it.
            "list" | "none" => self.query("read the books", command).await,
            _ => Err(StoreError::WrongType {
                key,
                kind,
                wanted: "list",
            }),
        }
    }
}

/// For fuzzing: reads the beginning of a book; a book of the layout has the key that its beginning says.
///
/// # Panics
/// When it has not.
#[cfg(feature = "fuzzing")]
pub fn fuzz_head(text: &str) {
    let key = key_of(text);
    if let (Some(key), Ok(book)) = (key, decode_depth(text)) {
        let written = crate::store::encode_depth(&book);
        if let Ok(written) = written {
            // Times are written in microseconds; another program's may be finer.
            let at = chrono::SubsecRound::trunc_subsecs(book.received_at(), 6);
            assert_eq!(key_of(&written), Some((at, book.last_update_id())), "{key:?}");
        }
    }
}

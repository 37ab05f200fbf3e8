//! The server itself: its memory, and what it does with the keys when that is full or the machine restarts.

use std::collections::BTreeMap;

use redis::{FromRedisValue, RedisError};

use crate::store::{Store, StoreError};

/// From this share of the memory it may use on, a server counts as nearly full, in hundredths.
pub const FULL_FROM_PERCENT: u64 = 80;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerState {
    /// Bytes its data use.
    pub used_bytes: u64,
    /// Bytes they may use: `maxmemory`, or where that is not set, the machine's memory. `None` when it does not
    /// say.
    pub limit_bytes: Option<u64>,
    /// `maxmemory-policy`; empty when it does not say.
    pub policy: String,
    /// False if it writes its data nowhere; `None` when it does not say.
    pub persistent: Option<bool>,
    /// Bytes of the lists of this installation, estimated by the server.
    pub keys_bytes: u64,
}

impl ServerState {
    /// What is wrong at the moment.
    pub fn trouble(&self) -> Option<String> {
        let limit = self.limit_bytes.filter(|limit| *limit > 0)?;
        let full = u128::from(self.used_bytes) * 100 >= u128::from(limit) * u128::from(FULL_FROM_PERCENT);
        full.then(|| {
            format!(
                "redis memory: {} of {} MB are used, {} MB by this installation",
                megabytes(self.used_bytes),
                megabytes(limit),
                megabytes(self.keys_bytes)
            )
        })
    }

    /// What an operator should know about its settings.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.policy.starts_with("allkeys") {
            warnings.push(format!(
                "redis may remove any key when its memory is full (maxmemory-policy {}): recorded minutes would be lost; set it to noeviction",
                self.policy
            ));
        } else if self.policy.starts_with("volatile") {
            warnings.push(format!(
                "redis may remove keys that expire when its memory is full (maxmemory-policy {}): the lease and the status are such keys; set it to noeviction",
                self.policy
            ));
        }
        if self.persistent == Some(false) {
            warnings.push(
                "redis writes nothing to disk (neither appendonly nor save): when it restarts, the window is fetched again from the exchange, books and recommendations are lost".to_owned(),
            );
        }
        warnings
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl Store {
    /// Asks the server about itself. What its rules for this user forbid, or what it does not know, is left out
    /// and not asked for again.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`], the second also when nothing may be asked.
    pub async fn server_state(&mut self, questions: &mut Questions) -> Result<ServerState, StoreError> {
        let memory: String = self
            .query("say how much memory it uses", redis::cmd("INFO").arg("memory"))
            .await?;
        let mut command = redis::cmd("INFO");
        let action = "say whether it writes to disk";
        let persistence: Option<String> = self
            .if_allowed(action, command.arg("persistence"), &mut questions.persistence)
            .await?;
        let mut command = redis::cmd("CONFIG");
        let action = "say when it saves";
        let saves: Option<Vec<String>> = self
            .if_allowed(action, command.arg("GET").arg("save"), &mut questions.settings)
            .await?;
        let mut state = state(&memory, persistence.as_deref(), saves.as_deref());
        for key in self.keys.lists() {
            let mut command = redis::cmd("MEMORY");
            command.arg("USAGE").arg(key).arg("SAMPLES").arg(5);
            let action = "say how large a key is";
            let size: Option<Option<u64>> = self.if_allowed(action, &command, &mut questions.sizes).await?;
            state.keys_bytes += size.flatten().unwrap_or_default();
        }
        Ok(state)
    }

    /// Asks unless that was refused for good, which is noted then.
    async fn if_allowed<T: FromRedisValue>(
        &mut self,
        action: &'static str,
        command: &redis::Cmd,
        forbidden: &mut Forbidden,
    ) -> Result<Option<T>, StoreError> {
        if forbidden.0 {
            return Ok(None);
        }
        match self.query(action, command).await {
            Err(StoreError::Refused { source, .. }) if is_for_good(&source) => {
                forbidden.0 = true;
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }
}

/// What this user may not ask, as far as it was tried.
#[derive(Debug, Default)]
pub struct Questions {
    persistence: Forbidden,
    settings: Forbidden,
    sizes: Forbidden,
}

#[derive(Debug, Default)]
struct Forbidden(bool);

/// True for rules against this user, and for a command that a managed server does not have.
fn is_for_good(error: &RedisError) -> bool {
    error.code().is_some_and(|code| matches!(code, "NOPERM" | "ERR"))
}

fn state(memory: &str, persistence: Option<&str>, saves: Option<&[String]>) -> ServerState {
    let memory = fields(memory);
    let number = |name: &str| memory.get(name).and_then(|text| text.parse::<u64>().ok());
    let limit = number("maxmemory").filter(|limit| *limit > 0);
    let appends = persistence.and_then(|text| Some(*fields(text).get("aof_enabled")? == "1"));
    let saves = saves.map(|pair| pair.get(1).is_some_and(|rule| !rule.is_empty()));
    ServerState {
        used_bytes: number("used_memory").unwrap_or_default(),
        limit_bytes: limit.or_else(|| number("total_system_memory")),
        policy: memory
            .get("maxmemory_policy")
            .copied()
            .unwrap_or_default()
            .to_owned(),
        persistent: match (appends, saves) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        keys_bytes: 0,
    }
}

/// The `name:value` lines of an answer to `INFO`.
fn fields(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "# Memory\r\nused_memory:1048576\r\ntotal_system_memory:8388608\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";

    #[test]
    fn the_limit_is_maxmemory_or_the_machine() {
        let small = state(MEMORY, None, None);
        assert_eq!(
            (small.used_bytes, small.limit_bytes),
            (1_048_576, Some(8_388_608))
        );
        assert_eq!(small.trouble(), None);
        let full = state(&MEMORY.replace("maxmemory:0", "maxmemory:1310720"), None, None);
        assert_eq!(
            full.trouble().unwrap(),
            "redis memory: 1 of 2 MB are used, 0 MB by this installation"
        );
        let nearly = state(&MEMORY.replace("maxmemory:0", "maxmemory:1310721"), None, None);
        assert_eq!(nearly.trouble(), None);
        assert_eq!(state("nonsense", None, None).trouble(), None);
    }

    #[test]
    fn settings_that_lose_data_are_named() {
        let appends = |number: u8| format!("aof_enabled:{number}\r\n");
        let rule = |text: &str| ["save".to_owned(), text.to_owned()];
        let risky = state(MEMORY, Some(&appends(0)), Some(&rule("")));
        assert_eq!(risky.warnings().len(), 2, "{:?}", risky.warnings());
        let policy = MEMORY.replace("allkeys-lru", "noeviction");
        for (appends, rule) in [(appends(1), Some(rule(""))), (appends(0), Some(rule("3600 1")))] {
            let safe = state(
                &policy,
                Some(&appends),
                rule.as_ref().map(<[String; 2]>::as_slice),
            );
            assert_eq!(safe.warnings(), Vec::<String>::new());
        }
        assert_eq!(
            state(&policy, Some(&appends(0)), None).persistent,
            None,
            "not allowed to ask"
        );
        assert_eq!(
            state(&MEMORY.replace("allkeys", "volatile"), None, None)
                .warnings()
                .len(),
            1
        );
    }
}

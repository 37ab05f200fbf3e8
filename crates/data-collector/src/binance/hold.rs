//! An order of the exchange to wait, remembered in a file, so that a restart does not make a ban longer.
//!
//! The end is written twice: as the time since the machine was booted, which no change of the clock moves,
//! and as the local clock has it. On the same boot the first decides. After a reboot only the local clock
//! is left; then, as always, what is left is never more than the whole order.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strategy_core::rotating_file::{FILE_MODE, create_parent};

use crate::binance::refusal::{Cause, Order};

/// Wait when the file cannot be understood: somebody was told to wait, and nobody knows how long.
const UNKNOWN: Order = Order {
    cause: Cause::Banned,
    wait: Duration::from_secs(120),
    capped: false,
};

/// Where Linux says which boot this is, and how long ago it was.
const BOOT: (&str, &str) = ("/proc/sys/kernel/random/boot_id", "/proc/uptime");

/// Time since the machine was booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SinceBoot {
    boot: String,
    millis: u64,
}

impl SinceBoot {
    /// `None` where the machine does not say.
    fn now() -> Option<Self> {
        let boot = fs::read_to_string(BOOT.0).ok()?.trim().to_owned();
        let uptime = fs::read_to_string(BOOT.1).ok()?;
        let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
        let millis = seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10;
        Some(Self { boot, millis })
    }
}

/// What the clocks show.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    local: DateTime<Utc>,
    boot: Option<SinceBoot>,
}

impl Moment {
    /// Now, by the local clock and by the machine's.
    pub(crate) fn now(local: DateTime<Utc>) -> Self {
        Self {
            local,
            boot: SinceBoot::now(),
        }
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    cause: Cause,
    /// Host that gave the order; a ban counts for all of them.
    host: String,
    wait_seconds: u64,
    /// End by the local clock.
    until_local: DateTime<Utc>,
    /// End by the machine's.
    until_boot: Option<SinceBoot>,
}

impl Record {
    fn new(order: Order, host: &str, now: &Moment) -> Self {
        let wait = order.wait;
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self {
            cause: order.cause,
            host: host.to_owned(),
            wait_seconds: millis.div_ceil(1000),
            until_local: now.local + chrono::Duration::from_std(wait).unwrap_or_default(),
            until_boot: now.boot.clone().map(|boot| SinceBoot {
                millis: boot.millis.saturating_add(millis),
                ..boot
            }),
        }
    }

    /// What is left of the order.
    fn left(&self, now: &Moment) -> Duration {
        let left = match (&self.until_boot, &now.boot) {
            (Some(until), Some(now)) if until.boot == now.boot => {
                Duration::from_millis(until.millis.saturating_sub(now.millis))
            }
            _ => (self.until_local - now.local).to_std().unwrap_or_default(),
        };
        left.min(Duration::from_secs(self.wait_seconds))
    }
}

/// Writes and reads the file.
#[derive(Debug)]
pub(crate) struct HoldFile {
    path: PathBuf,
    host: String,
}

impl HoldFile {
    /// The file at `path`, for orders of `host`.
    pub(crate) fn new(path: PathBuf, host: String) -> Self {
        Self { path, host }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers an order. Whole or not at all: half of one would be another order.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn remember(&self, order: Order, now: &Moment) -> io::Result<()> {
        create_parent(&self.path)?;
        let temporary = self.path.with_extension("tmp");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&temporary)?;
        file.write_all(serde_json::to_string(&Record::new(order, &self.host, now))?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)
    }

    /// What is left of the remembered order; `None` when there is none that is still in force here.
    pub(crate) fn recall(&self, now: &Moment) -> Option<Order> {
        // Where it cannot be read it could not be written either. A pipe would be waited for.
        if !fs::metadata(&self.path).is_ok_and(|found| found.is_file()) {
            return None;
        }
        let text = fs::read_to_string(&self.path).ok()?;
        let Ok(record) = serde_json::from_str::<Record>(&text) else {
            // Judged by its age, so that it ends.
            let written = fs::metadata(&self.path).and_then(|file| file.modified()).ok()?;
            let age = (now.local - DateTime::<Utc>::from(written))
                .to_std()
                .unwrap_or_default();
            let wait = UNKNOWN.wait.saturating_sub(age);
            return (!wait.is_zero()).then_some(Order { wait, ..UNKNOWN });
        };
        let wait = record.left(now);
        let concerned = record.cause == Cause::Banned || record.host == self.host;
        (concerned && !wait.is_zero()).then_some(Order {
            cause: record.cause,
            wait,
            capped: false,
        })
    }
}

/// For fuzzing: what is left of a remembered order is never more than the order.
///
/// # Panics
/// When it is.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(text: &str) {
    if let Ok(record) = serde_json::from_str::<Record>(text) {
        for local in [
            DateTime::UNIX_EPOCH,
            DateTime::<Utc>::MAX_UTC,
            DateTime::<Utc>::MIN_UTC,
        ] {
            let boot = record.until_boot.clone();
            for boot in [None, boot] {
                let left = record.left(&Moment { local, boot });
                assert!(left <= Duration::from_secs(record.wait_seconds));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn moment(local: i64, boot: Option<(&str, u64)>) -> Moment {
        Moment {
            local: DateTime::from_timestamp(1_763_792_000 + local, 0).unwrap(),
            boot: boot.map(|(boot, seconds)| SinceBoot {
                boot: boot.to_owned(),
                millis: seconds * 1000,
            }),
        }
    }

    fn ban(seconds: u64) -> Order {
        Order {
            cause: Cause::Banned,
            wait: Duration::from_secs(seconds),
            capped: false,
        }
    }

    #[test]
    fn a_jump_of_the_local_clock_neither_shortens_nor_prolongs_a_remembered_ban() {
        let record = Record::new(ban(600), "a", &moment(0, Some(("first", 50))));
        for jump in [-HOUR, 0, HOUR] {
            let now = moment(100 + jump, Some(("first", 150)));
            assert_eq!(record.left(&now), Duration::from_secs(500), "{jump}");
        }
        let over = moment(-HOUR, Some(("first", 650)));
        assert_eq!(record.left(&over), Duration::ZERO);
    }

    #[test]
    fn after_a_reboot_the_local_clock_decides_within_the_whole_order() {
        let record = Record::new(ban(600), "a", &moment(0, Some(("first", 50))));
        let left = |local| record.left(&moment(local, Some(("second", 10)))).as_secs();
        assert_eq!([left(100), left(600), left(-HOUR)], [500, 0, 600]);
        let elsewhere = Record::new(ban(600), "a", &moment(0, None));
        assert_eq!(elsewhere.left(&moment(100, None)).as_secs(), 500);
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("storage/.rest_hold");
        let file = |host: &str| HoldFile::new(path.clone(), host.to_owned());
        let now = moment(0, Some(("first", 50)));
        assert_eq!(file("a").recall(&now), None);
        file("a").remember(ban(600), &now).unwrap();
        assert_eq!(file("a").recall(&now), Some(ban(600)));
        assert_eq!(
            file("b").recall(&now),
            Some(ban(600)),
            "a ban counts for every host"
        );
        let forbidden = Order {
            cause: Cause::Forbidden,
            ..ban(600)
        };
        file("a").remember(forbidden, &now).unwrap();
        assert_eq!(file("a").recall(&now), Some(forbidden));
        assert_eq!(file("b").recall(&now), None);
    }

    #[test]
    fn a_file_nobody_understands_is_a_ban_that_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".rest_hold");
        fs::write(&path, "17637").unwrap();
        let written = DateTime::<Utc>::from(fs::metadata(&path).unwrap().modified().unwrap());
        let file = HoldFile::new(path, "a".to_owned());
        assert_eq!(file.recall(&Moment::now(written)), Some(ban(120)));
        let later = Moment::now(written + chrono::Duration::seconds(120));
        assert_eq!(file.recall(&later), None);
    }

    #[test]
    fn linux_says_how_long_ago_it_was_booted() {
        let (first, second) = (SinceBoot::now(), SinceBoot::now());
        if cfg!(target_os = "linux") {
            let (first, second) = (first.unwrap(), second.unwrap());
            assert_eq!(first.boot, second.boot);
            assert!(first.millis <= second.millis);
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_types,
        reason = "std makes no pipe; it is a test that starts the program which does"
    )]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".rest_hold");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (done, recalled) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let file = HoldFile::new(path, "a".to_owned());
            done.send(file.recall(&moment(100, None)).is_none())
        });
        assert_eq!(recalled.recv_timeout(Duration::from_secs(30)), Ok(true));
    }
}

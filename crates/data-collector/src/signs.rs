//! Signs of life: which tasks are listened to, and how long each may be silent.
//!
//! A task gives a sign when it did a piece of its work or failed at it for a reason it can name; hanging gives
//! none. What counts for each stands at its `sign` calls: minutes published (`trades`), the window or files
//! written (`persist`), pages read (`history`), books fetched (`books`), the lease renewed, the market's state,
//! the status.

use std::time::Duration;

use strategy_core::pulse::Pulse;
use strategy_core::store::StoreOptions;

/// A task that is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Lease,
    Persist,
    Books,
    Trades,
    History,
    Market,
    Status,
}

impl Task {
    /// Those that begin when the keys are ours. `Books` and `Trades` begin when the window is loaded.
    const OF_AN_OWNER: [Self; 4] = [Self::Persist, Self::History, Self::Market, Self::Status];

    fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Persist => "persist",
            Self::Books => "books",
            Self::Trades => "trades",
            Self::History => "history",
            Self::Market => "market",
            Self::Status => "status",
        }
    }
}

/// Longest piece of work with Redis and files, besides what Redis may take: sixty files and their fsync.
const WRITING: Duration = Duration::from_secs(90);

/// What the trades' beginning may take besides: the question to the exchange where to begin. Loading the window
/// gets nothing besides: it gives signs as it proceeds.
pub(crate) const BEGINNING: Duration = Duration::from_secs(300);

/// Commands that one piece of work makes one after the other.
const COMMANDS: u32 = 3;

/// Longest wait of a request for room in the budget, and what is added to the request's own limit.
const ADMISSION: Duration = Duration::from_secs(160);

/// Longest time between two published minutes, or between two tries to learn where to begin.
const MINUTES: Duration = Duration::from_secs(300);

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Signs {
    pulse: Pulse,
    redis: Duration,
    request: Duration,
}

impl Signs {
    /// For these settings of Redis and this limit of a request.
    pub(crate) fn new(pulse: Pulse, store: &StoreOptions, request_timeout: Duration) -> Self {
        Self {
            pulse,
            redis: (store.connect_timeout + store.socket_timeout) * COMMANDS,
            request: request_timeout,
        }
    }

    /// The keys are ours: from now on the tasks are expected that do not wait for the window.
    pub(crate) fn begin(&self) {
        for task in Task::OF_AN_OWNER {
            self.sign(task, Duration::ZERO);
        }
    }

    /// The window is loaded: from now on every task is expected.
    pub(crate) fn begin_recording(&self) {
        self.sign(Task::Persist, Duration::ZERO);
        self.sign(Task::Books, Duration::ZERO);
        self.sign(Task::Trades, BEGINNING);
    }

    /// A task did a piece of work, or waits with a reason, for so long.
    pub(crate) fn sign(&self, task: Task, wait: Duration) {
        self.pulse
            .beat(task.name(), wait.saturating_add(self.limit(task)));
    }

    /// The tasks that are silent for too long.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.pulse.troubles()
    }

    /// How long a piece of a task's work may take.
    fn limit(&self, task: Task) -> Duration {
        match task {
            Task::Lease | Task::Persist | Task::Status => WRITING + self.redis,
            Task::Books | Task::History | Task::Market => ADMISSION + self.request + self.redis,
            Task::Trades => MINUTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::fixture;

    fn signs(pulse: Pulse) -> Signs {
        Signs::new(pulse, &fixture::store(), Duration::from_secs(30))
    }

    /// A request may wait for the budget and then for its answer: that is no hanging.
    #[test]
    fn no_task_is_expected_sooner_than_its_own_limits_allow() {
        let signs = signs(Pulse::default());
        let request = crate::binance::transport::LONGEST_ADMISSION + Duration::from_secs(30);
        for task in [Task::Books, Task::History, Task::Market] {
            assert!(signs.limit(task) > request, "{task:?}");
        }
        for task in [Task::Lease, Task::Persist, Task::Status] {
            assert!(signs.limit(task) >= Duration::from_secs(3 * (5 + 5)), "{task:?}");
        }
    }

    /// Nothing is heard of the persisting task, as of one that waits for a disk: named after two minutes, and
    /// the watchdog, which is not fed from then on, ends the program a minute later.
    #[test]
    fn a_start_that_hangs_is_named_after_two_minutes() {
        let pulse = Pulse::default();
        signs(pulse.clone()).begin();
        let after = |seconds| pulse.troubles_after(Duration::from_secs(seconds));
        assert_eq!(after(110), Vec::<String>::new());
        assert!(
            after(125)
                .iter()
                .any(|words| words.starts_with("task persist is stuck")),
            "{:?}",
            after(125)
        );
    }

    #[test]
    fn every_task_is_expected_from_when_it_begins() {
        let pulse = Pulse::default();
        let signs = signs(pulse.clone());
        signs.sign(Task::Lease, Duration::ZERO);
        assert_eq!(pulse.parts(), ["lease"]);
        signs.begin();
        assert_eq!(pulse.parts(), ["history", "lease", "market", "persist", "status"]);
        signs.begin_recording();
        assert_eq!(
            pulse.parts(),
            [
                "books", "history", "lease", "market", "persist", "status", "trades"
            ]
        );
    }
}

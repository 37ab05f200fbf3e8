//! The pulse of a program: its tasks beat, systemd's watchdog is fed as long as all of them do.
//!
//! There is no timer in it: only the beat of a task feeds, and only while no other task is overdue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::lifecycle::notify_progress;
use crate::liveness::Liveness;

/// Shared by all tasks of a program.
#[derive(Debug, Clone)]
pub struct Pulse {
    started: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    liveness: Liveness,
    /// It was said that a part is stuck.
    said: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            state: Arc::default(),
        }
    }
}

impl Pulse {
    /// A task did some work, or has a reason to wait. It will be heard of again within `limit`.
    ///
    /// To be called by the task itself and by nothing else.
    pub fn beat(&self, part: &'static str, limit: Duration) {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.liveness.beat(part, now, limit);
        let feeds = state.liveness.feed(now);
        let overdue = state.liveness.overdue(now);
        let changed = state.said == overdue.is_empty();
        state.said = !overdue.is_empty();
        drop(state);
        if feeds {
            notify_progress();
        }
        if changed {
            if let Some(first) = overdue.first() {
                tracing::error!(
                    task = first.part,
                    silent_s = first.silent_for.as_secs(),
                    "a task does not go on: the watchdog is not fed any more"
                );
            } else {
                tracing::info!("every task goes on again");
            }
        }
    }

    /// Nothing is expected any more until the next beat.
    pub fn forget_all(&self) {
        self.state().liveness.forget_all();
    }

    /// The tasks that do not go on, in words for the status.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles_after(Duration::ZERO)
    }

    /// The tasks that will not have gone on if nothing is heard for so long from now.
    pub fn troubles_after(&self, silence: Duration) -> Vec<String> {
        let overdue = self.state().liveness.overdue(self.started.elapsed() + silence);
        let words = overdue.iter().map(|late| {
            let seconds = late.silent_for.as_secs();
            format!("task {} is stuck: no sign of life for {seconds} s", late.part)
        });
        words.collect()
    }

    /// The tasks that are expected, by name.
    pub fn parts(&self) -> Vec<&'static str> {
        self.state().liveness.parts()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete at once, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_not_heard_is_named() {
        let pulse = Pulse::default();
        pulse.beat("status", Duration::from_secs(60));
        assert!(pulse.troubles().is_empty());
        pulse.beat("persist", Duration::ZERO);
        std::thread::yield_now();
        let troubles = pulse.troubles();
        assert_eq!(troubles, ["task persist is stuck: no sign of life for 0 s"]);
        pulse.forget_all();
        assert!(pulse.troubles().is_empty());
    }
}

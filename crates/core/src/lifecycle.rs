//! How a daemon lives and ends: signals, supervised tasks, the limit on stopping, the exit code.
//!
//! `program` creates one [`Lifecycle`] before anything else; `lib.rs` of each daemon spawns its tasks on it.
//! What must stay true:
//! - The first SIGINT or SIGTERM asks everything to stop (*soft*), also during start-up; the second, or the
//!   limit after the first, ends at once (*hard*).
//! - A critical task that ends early, fails or panics stops the whole process with exit code 1; the first
//!   such fault is remembered and logged. There is no half-dead daemon.
//! - This is the only place that spawns tasks.

use std::error::Error;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::error_chain;
use crate::visible;

/// Longest time from the request to stop until everything is cut off. Each layer below has a shorter limit
/// of its own; with this one the process is gone within 5 s whatever the others do.
const STOP_LIMIT: Duration = Duration::from_secs(4);

/// Time for tasks to end after they were cut off.
const HARD_LIMIT: Duration = Duration::from_millis(200);

/// How much longer a start may take after a sign of life: as long as `WatchdogSec` of the units allows later.
const START_EXTENSION_USEC: u32 = 60_000_000;

/// Readiness was reported.
static READY: AtomicBool = AtomicBool::new(false);

/// Supervises the tasks of one process.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    fault: Arc<OnceLock<String>>,
    limit: Duration,
}

impl Lifecycle {
    /// Takes over SIGINT and SIGTERM. Call it inside the runtime, before anything that takes time.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn install() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let lifecycle = Self::without_signals(STOP_LIMIT);
        let (soft, hard) = (lifecycle.soft.clone(), lifecycle.hard.clone());
        // Not on the tracker: it ends with the process, not before.
        spawn_untracked(watch_signals(interrupt, terminate, soft, hard));
        Ok(lifecycle)
    }

    /// One that only stops when it is told to, for tests. `limit` is the time from soft to hard.
    pub fn without_signals(limit: Duration) -> Self {
        let soft = CancellationToken::new();
        Self {
            soft,
            hard: CancellationToken::new(),
            tracker: TaskTracker::new(),
            fault: Arc::default(),
            limit,
        }
    }

    /// Cancelled when the process was asked to stop: take no new work, bring what is open to its end.
    pub fn stop(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when there is no time left: drop everything.
    pub fn abort(&self) -> &CancellationToken {
        &self.hard
    }

    /// True after the request to stop.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Asks everything to stop, without a fault: the work is done.
    pub fn request_stop(&self) {
        self.soft.cancel();
    }

    /// Remembers a fault, if it is the first, and asks everything to stop; the exit code will be 1.
    pub fn fail(&self, what: &str, error: &(dyn Error + 'static)) {
        self.fault(format!("{what}: {}", error_chain(error)));
    }

    /// The first fault.
    pub fn first_fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    fn fault(&self, fault: String) {
        tracing::error!("{fault}");
        // Only the first is the cause; later ones are mostly its consequences.
        let _later_fault = self.fault.set(fault);
        self.soft.cancel();
    }

    /// Runs a task that must live as long as the process.
    ///
    /// When it ends before the request to stop, or with an error or a panic at any time, that is a fault.
    /// The task is dropped where it waits when [`abort`](Self::abort) is cancelled.
    pub fn spawn_critical<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + 'static,
    {
        let watch = Watch {
            lifecycle: self.clone(),
            name,
            ended: false,
        };
        self.tracker.spawn(async move {
            let mut watch = watch;
            let hard = watch.lifecycle.hard.clone();
            let outcome = tokio::select! {
                biased;
                outcome = task => Some(outcome),
                () = hard.cancelled() => None,
            };
            watch.ended = true;
            match outcome {
                Some(Ok(())) if watch.lifecycle.is_stopping() => {
                    tracing::debug!(task = name, "task ended");
                }
                Some(Ok(())) => watch.lifecycle.fault(format!("task {name} ended")),
                Some(Err(error)) => watch.lifecycle.fail(&format!("task {name} failed"), &error),
                None => tracing::warn!(task = name, "task was cut off"),
            }
        });
    }

    /// Waits for the request to stop, then for the tasks, at most the limit. The last call of a daemon.
    pub async fn finish(self) -> ExitCode {
        self.soft.cancelled().await;
        notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping");
        self.tracker.close();
        let in_time = tokio::select! {
            biased;
            () = self.tracker.wait() => true,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(self.limit) => false,
        };
        if !in_time {
            tracing::warn!(
                tasks = self.tracker.len(),
                "not everything stopped in time; ending now"
            );
            self.hard.cancel();
            // The tasks that are still there after it are dropped with the runtime.
            let _in_time = tokio::time::timeout(HARD_LIMIT, self.tracker.wait()).await;
        }
        match self.first_fault() {
            None => {
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
            Some(fault) => {
                tracing::error!(fault, "stopped after a failure");
                ExitCode::FAILURE
            }
        }
    }
}

/// Notices a task that panics.
struct Watch {
    lifecycle: Lifecycle,
    name: &'static str,
    ended: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            self.lifecycle.fault(format!("task {} panicked", self.name));
        } else if !self.ended && !self.lifecycle.hard.is_cancelled() {
            self.lifecycle.fault(format!("task {} was dropped", self.name));
        }
    }
}

async fn watch_signals(
    mut interrupt: Signal,
    mut terminate: Signal,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    for token in [soft, hard] {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "signal received");
        token.cancel();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the watcher of signals is no task of the program and ends with the process"
)]
fn spawn_untracked(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future);
}

/// Makes aws-lc-rs the TLS implementation of the process. Call it first in `main`.
///
/// Without it the first encrypted connection panics in builds where more or less than one is compiled in.
pub fn install_tls_provider() {
    // An error means that it is installed already.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Tells systemd that the daemon is ready: Redis answered. Does nothing elsewhere.
pub fn notify_ready() {
    READY.store(true, Ordering::Relaxed);
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Sets the status text systemd shows. Does nothing elsewhere.
pub fn notify_status(text: &str) {
    notify(&[sd_notify::NotifyState::Status(&visible::line(text))]);
}

/// Feeds systemd's watchdog: every task goes on. Called by `pulse`, not by a timer. Does nothing elsewhere.
///
/// Before the daemon is ready this prolongs its start: waiting for Redis is no failure, hanging is one.
pub fn notify_progress() {
    notify(&[sd_notify::NotifyState::Watchdog]);
    if !READY.load(Ordering::Relaxed) {
        notify(&[sd_notify::NotifyState::ExtendTimeoutUsec(START_EXTENSION_USEC)]);
    }
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(error = &error as &dyn Error, "systemd cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    fn code(code: ExitCode) -> String {
        format!("{code:?}")
    }

    #[tokio::test]
    async fn a_request_to_stop_ends_with_code_zero_when_all_tasks_ended() {
        let lifecycle = Lifecycle::without_signals(LIMIT);
        let stop = lifecycle.stop().clone();
        lifecycle.spawn_critical("patient", async move {
            stop.cancelled().await;
            Ok::<(), io::Error>(())
        });
        lifecycle.request_stop();
        assert_eq!(code(lifecycle.finish().await), code(ExitCode::SUCCESS));
    }

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_stops_the_process_with_code_one() {
        let ended = Lifecycle::without_signals(LIMIT);
        ended.spawn_critical("short", async { Ok::<(), io::Error>(()) });
        assert_eq!(code(ended.clone().finish().await), code(ExitCode::FAILURE));
        assert_eq!(ended.first_fault(), Some("task short ended"));

        let failed = Lifecycle::without_signals(LIMIT);
        failed.spawn_critical("bad", async { Err(io::Error::other("no space")) });
        assert_eq!(code(failed.clone().finish().await), code(ExitCode::FAILURE));
        assert_eq!(failed.first_fault(), Some("task bad failed: no space"));

        let panicked = Lifecycle::without_signals(LIMIT);
        panicked.spawn_critical::<_, io::Error>("wild", async { panic!("on purpose") });
        assert_eq!(code(panicked.clone().finish().await), code(ExitCode::FAILURE));
        assert_eq!(panicked.first_fault(), Some("task wild panicked"));
    }

    #[tokio::test]
    async fn only_the_first_fault_is_the_cause() {
        let lifecycle = Lifecycle::without_signals(LIMIT);
        lifecycle.fail("first", &io::Error::other("a"));
        lifecycle.fail("second", &io::Error::other("b"));
        assert_eq!(lifecycle.first_fault(), Some("first: a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_cut_off_at_the_limit() {
        let lifecycle = Lifecycle::without_signals(LIMIT);
        lifecycle.spawn_critical("stubborn", pending::<Result<(), io::Error>>());
        lifecycle.request_stop();
        let start = tokio::time::Instant::now();
        assert_eq!(code(lifecycle.finish().await), code(ExitCode::SUCCESS));
        let elapsed = start.elapsed();
        assert!(elapsed >= LIMIT && elapsed < LIMIT + HARD_LIMIT, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_request_ends_at_once() {
        let lifecycle = Lifecycle::without_signals(LIMIT);
        lifecycle.spawn_critical("stubborn", pending::<Result<(), io::Error>>());
        lifecycle.request_stop();
        lifecycle.abort().cancel();
        let start = tokio::time::Instant::now();
        assert_eq!(code(lifecycle.finish().await), code(ExitCode::SUCCESS));
        assert!(start.elapsed() < HARD_LIMIT);
    }
}

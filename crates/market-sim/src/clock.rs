//! The exchange's time, and a local clock for tests that is set by hand.
//!
//! [`EventClock`] is what the simulated exchange lives by; it may run faster than real time or stand
//! still. [`ManualClock`] stands for the local clock of a daemon under test; the two are independent, as
//! they are in reality.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use strategy_core::time::{Clock, ExchangeMs, SystemClock};
use tokio::sync::watch;
use tokio::time::Instant;

/// Event time; clones share it.
#[derive(Debug, Clone)]
pub struct EventClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Event time at `since`, in microseconds.
    at_us: i64,
    since: Instant,
    speed: f64,
    paused: bool,
}

impl State {
    fn now_us(&self) -> i64 {
        if self.paused {
            return self.at_us;
        }
        let elapsed = self.since.elapsed().as_secs_f64() * self.speed * 1e6;
        self.at_us.saturating_add(crate::rng::round(elapsed))
    }

    /// The same time, counted from now on.
    fn rebased(&self) -> Self {
        Self {
            at_us: self.now_us(),
            since: Instant::now(),
            ..*self
        }
    }
}

impl EventClock {
    /// Runs from `start` with `speed` event seconds per wall second.
    pub fn running(start: DateTime<Utc>, speed: f64) -> Self {
        Self::new(start.timestamp_millis(), speed, false)
    }

    /// Runs from the wall clock's now in real time, so that what is recorded looks live.
    pub fn live() -> Self {
        Self::running(SystemClock.now(), 1.0)
    }

    /// Stands still at `start` until it is moved by hand.
    pub fn paused(start: DateTime<Utc>) -> Self {
        Self::new(start.timestamp_millis(), 1.0, true)
    }

    fn new(at_ms: ExchangeMs, speed: f64, paused: bool) -> Self {
        let state = State {
            at_us: at_ms * 1000,
            since: Instant::now(),
            speed: speed.max(0.0),
            paused,
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state();
            *state = state.rebased();
            change(&mut state);
        }
        self.0.changed.send_replace(());
    }

    /// Event time now.
    pub fn now_ms(&self) -> ExchangeMs {
        self.state().now_us().div_euclid(1000)
    }

    /// Event time now.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.state().now_us()).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Event seconds per wall second.
    pub fn speed(&self) -> f64 {
        self.state().speed
    }

    /// Stops the time.
    pub fn pause(&self) {
        self.update(|state| state.paused = true);
    }

    /// Lets the time run on.
    pub fn resume(&self) {
        self.update(|state| state.paused = false);
    }

    /// Changes the speed.
    pub fn set_speed(&self, speed: f64) {
        self.update(|state| state.speed = speed.max(0.0));
    }

    /// Moves forward by a span of event time.
    pub fn advance(&self, span: Duration) {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        self.update(|state| state.at_us = state.at_us.saturating_add(span));
    }

    /// Moves to an instant. What was published before stays published when it lies in the past.
    pub fn set(&self, at: DateTime<Utc>) {
        self.update(|state| state.at_us = at.timestamp_micros());
    }

    /// Returns when event time has reached `at`.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn wait_until(&self, at: ExchangeMs) {
        let mut changed = self.0.changed.subscribe();
        loop {
            let state = *self.state();
            let missing_us = at.saturating_mul(1000).saturating_sub(state.now_us());
            if missing_us <= 0 {
                return;
            }
            let moving = !state.paused && state.speed > 0.0;
            // A day at most, so that the addition to the instant stays in range.
            let wall = (missing_us as f64 / 1e6 / state.speed.max(1e-9)).min(86_400.0);
            tokio::select! {
                _changed = changed.changed() => {}
                () = tokio::time::sleep(Duration::from_secs_f64(wall)), if moving => {}
            }
        }
    }
}

/// A local clock that only moves when it is told to; clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<DateTime<Utc>>>);

impl ManualClock {
    /// A clock standing at `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves forward, or back with a negative span.
    pub fn advance(&self, span: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += span;
    }

    /// Moves to an instant.
    pub fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn event_time_runs_at_its_speed_and_can_be_stopped_and_moved() {
        let clock = EventClock::running(DateTime::UNIX_EPOCH, 60.0);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now_ms(), 120_000);
        clock.pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now_ms(), 120_000);
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now_ms(), 120_005);
        clock.resume();
        clock.set_speed(1000.0);
        clock.wait_until(180_000).await;
        assert!(clock.now_ms() >= 180_000);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_a_stopped_clock_is_moved_past() {
        let clock = EventClock::paused(DateTime::UNIX_EPOCH);
        let mover = clock.clone();
        let (waited, ()) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(5), clock.wait_until(1000)),
            async { mover.advance(Duration::from_secs(1)) }
        );
        assert!(waited.is_ok());
    }
}

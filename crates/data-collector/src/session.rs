//! When to open, renew and give up a stream connection. Pure: the socket decides nothing.
//!
//! There are at most two connections: the active one and, while it is being renewed, its successor. The
//! new one is opened before the old one is dropped; rows of both go into the id chain, which joins them.
//! Every end of a connection, clean or not, goes through one backoff, and there is no giving up.

use std::time::Duration;

use strategy_core::backoff::Backoff;

use crate::clock::Uptime;

/// Silence, pings included, after which a connection is dead. The exchange pings every 20 s.
const DEAD_AFTER: Duration = Duration::from_secs(65);

/// Age at which a connection is renewed. The exchange cuts it at 24 h.
const RENEW_AFTER: Duration = Duration::from_secs(23 * 3600);

/// The renewal happens up to this much earlier, so that several collectors do not renew at once.
const RENEW_JITTER: Duration = Duration::from_secs(1800);

/// A successor takes over at its first trade, or after this time in a quiet market.
const OVERLAP: Duration = Duration::from_secs(10);

/// A connection that lived this long was healthy: the backoff starts from the beginning.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// First and longest wait before a connection is tried. The exchange allows 300 attempts in 5 minutes;
/// this makes at most 16 of them.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The connection in use.
    Active,
    /// Its successor.
    Successor,
}

/// What the task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionAction {
    /// Open a connection; report with [`Session::on_opened`] or [`Session::on_open_failed`].
    Open,
    /// Drop this connection; do not report it. The reason is for the log.
    Drop(Slot, &'static str),
    /// Drop the active connection; the successor is the active one from now on.
    Promote,
}

#[derive(Debug, Clone, Copy)]
struct Connection {
    opened: Uptime,
    last_frame: Uptime,
    renew_at: Uptime,
    delivered: bool,
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    active: Option<Connection>,
    successor: Option<Connection>,
    opening: bool,
    retry_at: Uptime,
    backoff: Backoff,
}

impl Session {
    /// No connection yet; the first is opened at once.
    pub(crate) fn new() -> Self {
        let backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        Self {
            active: None,
            successor: None,
            opening: false,
            retry_at: Uptime::ZERO,
            backoff,
        }
    }

    /// True while a connection is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.active.is_some()
    }

    /// Failed or short-lived connections since the last healthy one.
    pub(crate) fn failures(&self) -> u32 {
        self.backoff.attempts()
    }

    /// When the next attempt is due, if one is waiting.
    pub(crate) fn retry_at(&self) -> Uptime {
        self.retry_at
    }

    /// The next thing to do, if there is one. To be asked until it answers `None`.
    pub(crate) fn next_action(&mut self, uptime: Uptime, jitter: f64) -> Option<SessionAction> {
        for slot in [Slot::Successor, Slot::Active] {
            let connection = match slot {
                Slot::Active => self.active,
                Slot::Successor => self.successor,
            };
            if connection.is_some_and(|connection| uptime > connection.last_frame + DEAD_AFTER) {
                self.on_closed(slot, uptime, jitter);
                return Some(SessionAction::Drop(slot, "no frame for 65 s"));
            }
        }
        if let Some(successor) = self.successor
            && (self.active.is_none() || successor.delivered || uptime >= successor.opened + OVERLAP)
        {
            self.active = self.successor.take();
            return Some(SessionAction::Promote);
        }
        let wanted = match self.active {
            None => true,
            Some(active) => uptime >= active.renew_at && self.successor.is_none(),
        };
        if wanted && !self.opening && uptime >= self.retry_at {
            self.opening = true;
            return Some(SessionAction::Open);
        }
        None
    }

    /// A connection was opened. Returns which one it is. `jitter` is from 0 to 1.
    pub(crate) fn on_opened(&mut self, uptime: Uptime, jitter: f64) -> Slot {
        self.opening = false;
        let age = RENEW_AFTER.saturating_sub(RENEW_JITTER.mul_f64(jitter.clamp(0.0, 1.0)));
        let renew_at = uptime + age;
        let connection = Connection {
            opened: uptime,
            last_frame: uptime,
            renew_at,
            delivered: false,
        };
        if self.active.is_none() {
            self.active = Some(connection);
            Slot::Active
        } else {
            self.successor = Some(connection);
            Slot::Successor
        }
    }

    /// A connection could not be opened.
    pub(crate) fn on_open_failed(&mut self, uptime: Uptime, jitter: f64) {
        self.opening = false;
        self.back_off(uptime, jitter);
    }

    /// Any frame came, a ping included.
    pub(crate) fn on_frame(&mut self, slot: Slot, uptime: Uptime) {
        if let Some(connection) = self.slot(slot) {
            connection.last_frame = uptime;
        }
    }

    /// A trade came.
    pub(crate) fn on_trade(&mut self, slot: Slot) {
        if let Some(connection) = self.slot(slot) {
            connection.delivered = true;
        }
    }

    /// The exchange announced that it will close this connection: it is renewed at once.
    pub(crate) fn on_shutdown_notice(&mut self, slot: Slot, uptime: Uptime) {
        if let Some(connection) = self.slot(slot) {
            connection.renew_at = uptime;
        }
    }

    /// A connection ended, or is given up.
    pub(crate) fn on_closed(&mut self, slot: Slot, uptime: Uptime, jitter: f64) {
        let closed = match slot {
            Slot::Active => self.active.take(),
            Slot::Successor => self.successor.take(),
        };
        if closed.is_some_and(|closed| uptime >= closed.opened + HEALTHY_AFTER) {
            self.backoff.reset();
        }
        self.back_off(uptime, jitter);
    }

    fn back_off(&mut self, uptime: Uptime, jitter: f64) {
        self.retry_at = uptime + self.backoff.next_delay(jitter);
    }

    fn slot(&mut self, slot: Slot) -> Option<&mut Connection> {
        match slot {
            Slot::Active => self.active.as_mut(),
            Slot::Successor => self.successor.as_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Uptime {
        Duration::from_secs(seconds)
    }

    fn open() -> Session {
        let mut session = Session::new();
        assert_eq!(session.next_action(at(0), 0.0), Some(SessionAction::Open));
        assert_eq!(session.next_action(at(0), 0.0), None);
        assert_eq!(session.on_opened(at(0), 0.0), Slot::Active);
        session
    }

    #[test]
    fn pings_alone_keep_a_connection_and_silence_ends_it() {
        let mut session = open();
        for second in (20..3600).step_by(20) {
            session.on_frame(Slot::Active, at(second));
            assert_eq!(session.next_action(at(second + 19), 0.0), None);
        }
        let silent = at(3580 + 66);
        assert_eq!(
            session.next_action(silent, 0.0),
            Some(SessionAction::Drop(Slot::Active, "no frame for 65 s"))
        );
        assert!(!session.is_connected());
    }

    #[test]
    fn the_successor_is_open_before_the_old_connection_is_dropped() {
        let mut session = open();
        session.on_shutdown_notice(Slot::Active, at(5));
        assert_eq!(session.next_action(at(5), 0.0), Some(SessionAction::Open));
        assert_eq!(session.on_opened(at(6), 0.0), Slot::Successor);
        assert!(session.is_connected());
        assert_eq!(session.next_action(at(7), 0.0), None);
        session.on_trade(Slot::Successor);
        assert_eq!(session.next_action(at(8), 0.0), Some(SessionAction::Promote));
        assert_eq!(session.next_action(at(8), 0.0), None);
        assert!(session.is_connected());
    }

    #[test]
    fn a_connection_is_renewed_before_it_is_a_day_old() {
        let mut session = open();
        let renewal = at(23 * 3600);
        session.on_frame(Slot::Active, renewal);
        assert_eq!(session.next_action(renewal, 0.0), Some(SessionAction::Open));
        session.on_opened(renewal, 0.0);
        session.on_frame(Slot::Active, renewal + at(10));
        session.on_frame(Slot::Successor, renewal + at(10));
        assert_eq!(
            session.next_action(renewal + at(10), 0.0),
            Some(SessionAction::Promote)
        );
    }

    // B7: a server that accepts and closes was called 578 times a second; B6: five failures were the end.
    #[test]
    fn a_server_that_accepts_and_closes_is_called_ever_less_often_and_for_ever() {
        let (mut session, mut attempts, mut uptime) = (Session::new(), 0, Uptime::ZERO);
        while uptime < at(86_400) {
            if session.next_action(uptime, 0.0) == Some(SessionAction::Open) {
                attempts += 1;
                session.on_opened(uptime, 0.0);
                session.on_closed(Slot::Active, uptime, 0.0);
            }
            uptime += Duration::from_millis(100);
        }
        assert!(
            (86_400 / 30..86_400 / 14).contains(&attempts),
            "{attempts} attempts in a day"
        );
    }

    proptest! {
        /// Whatever happens, never more than the exchange allows: 300 attempts in 5 minutes.
        #[test]
        fn attempts_stay_far_below_the_limit(events in prop::collection::vec((0_u64..5, 0_u8..4, 0.0_f64..1.0), 1..400)) {
            let (mut session, mut uptime, mut attempts) = (Session::new(), Uptime::ZERO, Vec::new());
            for (seconds, event, jitter) in events {
                uptime += at(seconds);
                while let Some(action) = session.next_action(uptime, jitter) {
                    if action == SessionAction::Open {
                        attempts.push(uptime);
                        if event == 0 { session.on_open_failed(uptime, jitter); } else { session.on_opened(uptime, jitter); }
                    }
                }
                match event {
                    1 => session.on_closed(Slot::Active, uptime, jitter),
                    2 => session.on_shutdown_notice(Slot::Active, uptime),
                    3 => { session.on_frame(Slot::Active, uptime); session.on_trade(Slot::Successor); }
                    _ => {}
                }
            }
            for (index, first) in attempts.iter().enumerate() {
                let within = attempts[index..].iter().filter(|attempt| **attempt < *first + at(300)).count();
                prop_assert!(within <= 150, "{} attempts in 5 minutes", within);
            }
        }
    }
}

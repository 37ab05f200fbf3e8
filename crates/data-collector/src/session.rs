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

/// A successor takes over when its first trade and what came before it on the old connection join by id, or
/// after this time.
const OVERLAP: Duration = Duration::from_secs(10);

/// A connection that lived this long was healthy: the backoff starts from the beginning.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// First and longest wait before a connection is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Shortest time from one attempt to the next, whatever ends the connections. The exchange allows 300
/// attempts in 5 minutes; this makes at most 150 of them.
const SPACING: Duration = Duration::from_secs(2);

/// First and longest wait after the exchange refused a connection with 403, 418 or 429.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// Wait after it refused one with 451: not from this location.
const RESTRICTED: Duration = Duration::from_secs(3600);

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
    /// First and highest id it delivered.
    ids: Option<(u64, u64)>,
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    active: Option<Connection>,
    successor: Option<Connection>,
    opening: bool,
    retry_at: Uptime,
    backoff: Backoff,
    /// Refusals since a connection was open.
    refusals: u32,
    /// What the last refusal means.
    refusal: Option<&'static str>,
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
            refusals: 0,
            refusal: None,
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

    /// Why the exchange refuses connections, if it does.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        self.refusal
    }

    /// No connection is to be opened before this: the exchange has banned the address.
    pub(crate) fn hold_until(&mut self, until: Uptime) {
        self.retry_at = self.retry_at.max(until);
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
            && (self.is_joined() || uptime >= successor.opened + OVERLAP)
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
            self.retry_at = uptime + SPACING;
            return Some(SessionAction::Open);
        }
        None
    }

    /// True if nothing is lost when the active connection is dropped for its successor.
    fn is_joined(&self) -> bool {
        let Some(active) = self.active else { return true };
        let first = self.successor.and_then(|successor| successor.ids);
        let highest = active.ids.map(|(_, highest)| highest);
        first.is_some_and(|(first, _)| highest.is_some_and(|highest| highest + 1 >= first))
    }

    /// A connection was opened. Returns which one it is. `jitter` is from 0 to 1.
    pub(crate) fn on_opened(&mut self, uptime: Uptime, jitter: f64) -> Slot {
        self.opening = false;
        (self.refusals, self.refusal) = (0, None);
        let age = RENEW_AFTER.saturating_sub(RENEW_JITTER.mul_f64(jitter.clamp(0.0, 1.0)));
        let renew_at = uptime + age;
        let connection = Connection {
            opened: uptime,
            last_frame: uptime,
            renew_at,
            ids: None,
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

    /// The exchange answered the attempt with an HTTP status. To be called after [`Session::on_open_failed`].
    pub(crate) fn on_refused(&mut self, status: u16, asked: Option<Duration>, uptime: Uptime) {
        let grown = REFUSED
            .0
            .saturating_mul(1 << self.refusals.min(10))
            .min(REFUSED.1);
        let (wait, refusal) = match status {
            403 => (grown, "the exchange's firewall forbids this address (403)"),
            418 => (grown, "the exchange has banned this address (418)"),
            429 => (grown, "too many connection attempts from this address (429)"),
            451 => (
                RESTRICTED,
                "the exchange does not serve this location on this host (451): set binance.websocket_base to \
                 wss://data-stream.binance.vision, or run elsewhere",
            ),
            _ => return,
        };
        self.refusals = self.refusals.saturating_add(1);
        self.refusal = Some(refusal);
        let wait = wait.max(asked.unwrap_or_default().min(RESTRICTED));
        self.retry_at = self.retry_at.max(uptime + wait);
    }

    /// Any frame came, a ping included.
    pub(crate) fn on_frame(&mut self, slot: Slot, uptime: Uptime) {
        if let Some(connection) = self.slot(slot) {
            connection.last_frame = uptime;
        }
    }

    /// A row came.
    pub(crate) fn on_row(&mut self, slot: Slot, id: u64) {
        if let Some(connection) = self.slot(slot) {
            let (first, highest) = connection.ids.unwrap_or((id, id));
            connection.ids = Some((first, highest.max(id)));
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
        self.retry_at = self.retry_at.max(uptime + self.backoff.next_delay(jitter));
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
        session.on_row(Slot::Active, 8);
        session.on_row(Slot::Successor, 11);
        assert_eq!(
            session.next_action(at(8), 0.0),
            None,
            "9 and 10 are still under way"
        );
        session.on_row(Slot::Active, 9);
        session.on_row(Slot::Active, 10);
        assert_eq!(session.next_action(at(8), 0.0), Some(SessionAction::Promote));
        assert_eq!(session.next_action(at(8), 0.0), None);
        assert!(session.is_connected());
    }

    #[test]
    fn a_successor_takes_over_without_a_trade_when_the_market_is_quiet_or_the_old_one_ends() {
        let mut session = open();
        session.on_shutdown_notice(Slot::Active, at(5));
        assert_eq!(session.next_action(at(5), 0.0), Some(SessionAction::Open));
        session.on_opened(at(6), 0.0);
        assert_eq!(session.next_action(at(15), 0.0), None);
        let mut ended = session.clone();
        assert_eq!(session.next_action(at(16), 0.0), Some(SessionAction::Promote));
        ended.on_row(Slot::Successor, 11);
        ended.on_closed(Slot::Active, at(15), 0.0);
        assert_eq!(ended.next_action(at(15), 0.0), Some(SessionAction::Promote));
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

    #[test]
    fn a_refused_connection_waits_for_minutes_and_says_why() {
        let mut session = Session::new();
        let mut refused = |status, asked, uptime| {
            assert_eq!(
                session.next_action(uptime, 0.0),
                Some(SessionAction::Open),
                "{status}"
            );
            session.on_open_failed(uptime, 0.0);
            session.on_refused(status, asked, uptime);
            let wait = session.retry_at().saturating_sub(uptime);
            assert_eq!(
                session.next_action(uptime + wait.saturating_sub(at(1)), 0.0),
                None
            );
            (wait, session.refusal())
        };
        assert_eq!(refused(403, None, at(0)).0, at(60));
        assert_eq!(refused(429, None, at(100)).0, at(120));
        assert_eq!(refused(429, Some(at(900)), at(300)).0, at(900));
        let (wait, words) = refused(451, None, at(2000));
        assert_eq!(wait, at(3600));
        assert!(words.is_some_and(|words| words.contains("binance.websocket_base")));
        let (wait, _) = refused(503, None, at(6000));
        assert!(wait <= BACKOFF.1, "{wait:?}");
        assert_eq!(session.next_action(at(6100), 0.0), Some(SessionAction::Open));
        session.on_opened(at(6100), 0.0);
        assert_eq!(session.refusal(), None);
    }

    #[test]
    fn nothing_is_opened_while_the_address_is_banned_and_the_open_connection_stays() {
        let mut session = open();
        session.hold_until(at(100));
        session.on_shutdown_notice(Slot::Active, at(5));
        session.on_frame(Slot::Active, at(60));
        assert_eq!(session.next_action(at(99), 0.0), None);
        assert!(session.is_connected());
        assert_eq!(session.next_action(at(100), 0.0), Some(SessionAction::Open));
    }

    /// What the exchange does with a connection for a day.
    fn day_of_attempts(mut treat: impl FnMut(&mut Session, Uptime)) -> Vec<Uptime> {
        let (mut session, mut uptime, mut attempts) = (Session::new(), Uptime::ZERO, Vec::new());
        while uptime < at(86_400) {
            while let Some(action) = session.next_action(uptime, 0.0) {
                if action == SessionAction::Open {
                    attempts.push(uptime);
                    treat(&mut session, uptime);
                }
            }
            uptime += Duration::from_millis(100);
        }
        attempts
    }

    fn most_in_five_minutes(attempts: &[Uptime]) -> usize {
        let within = |(index, first): (usize, &Uptime)| {
            attempts[index..]
                .iter()
                .take_while(|attempt| **attempt < *first + at(300))
                .count()
        };
        attempts.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn no_kind_of_failure_brings_the_attempts_near_the_exchanges_limit_in_a_day() {
        let refused = day_of_attempts(|session, uptime| session.on_open_failed(uptime, 0.0));
        let cut = day_of_attempts(|session, uptime| {
            let slot = session.on_opened(uptime, 0.0);
            session.on_closed(slot, uptime, 0.0);
        });
        // A server that announces its end on every connection as soon as it has delivered.
        let leaving = day_of_attempts(|session, uptime| {
            let slot = session.on_opened(uptime, 0.0);
            session.on_row(Slot::Active, 1);
            session.on_row(slot, 1);
            session.on_shutdown_notice(slot, uptime);
            session.on_frame(Slot::Active, uptime);
        });
        for (attempts, most) in [(refused, 26), (cut, 26), (leaving, 150)] {
            let in_five_minutes = most_in_five_minutes(&attempts);
            assert!(in_five_minutes <= most, "{in_five_minutes}");
            assert!(
                attempts.len() >= 86_400 / 30,
                "never given up: {}",
                attempts.len()
            );
        }
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
                    3 => { session.on_frame(Slot::Active, uptime); session.on_row(Slot::Active, 1); session.on_row(Slot::Successor, 1); }
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

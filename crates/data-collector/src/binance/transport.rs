//! The way requests go: one account of weight, orders to wait obeyed, every wait bounded.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use strategy_core::time::{Clock, ExchangeMs};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::binance::books::BookPlan;
use crate::binance::budget::{Budget, Urgency};
use crate::binance::error::{RestError, SocketError};
use crate::binance::hold::{HoldFile, Moment};
use crate::binance::parse::quoted;
use crate::binance::refusal::{Answer, Cause, Order, Refusals, RetryAfter};
use crate::binance::unchanged::{UNCHANGED_HOLD, Unchanged};
use crate::binance::wire::ErrorBody;
use crate::clock::{ExchangeClock, Uptime};

/// The exchange's limit of weight per minute and address until `exchangeInfo` has told it.
const EXCHANGE_LIMIT: u32 = 6000;

/// Longest body that is read; a book of 5000 levels a side has about 320 KB.
const MAX_BODY: usize = 16 << 20;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection is not used again after this: the exchange may have closed it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A hold of this length or longer is remembered across a restart.
const REMEMBERED_HOLD: Duration = Duration::from_secs(5);

/// How often the file of a remembered hold is looked at: another collector may have written it.
const RECALL_EVERY: Duration = Duration::from_secs(2);

/// Longest wait for room in the budget; longer orders of the exchange are reported at once.
pub(crate) const LONGEST_ADMISSION: Duration = Duration::from_secs(130);

/// A shorter order of the exchange is waited for.
const SHORT_ORDER: Duration = Duration::from_secs(60);

/// After failed answers every request waits a random part of this, doubled from failure to failure, so that
/// programs do not come back in step.
const SPREAD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: String,
    per_minute: u32,
    budget: Mutex<Budget>,
    /// Who waits for room asks again: the exchange's limit is known.
    limit_learnt: Notify,
    started: Instant,
    clock: Arc<dyn Clock>,
    hold_file: HoldFile,
    /// When the file was last looked at.
    recalled: Mutex<Option<Uptime>>,
    exchange_clock: Mutex<ExchangeClock>,
    refusals: Mutex<Refusals>,
    /// Requests that were refused for good.
    unchanged: Mutex<Unchanged>,
    /// Failed answers in a row.
    failures: AtomicU32,
    weight_spent: AtomicU64,
    /// The part of it that went into history.
    history_spent: AtomicU64,
}

/// Where requests go and what they may cost.
#[derive(Debug)]
pub(crate) struct TransportOptions {
    /// For instance `https://api.binance.com`, without a slash at the end.
    pub(crate) base: String,
    /// Weight per minute this process may spend.
    pub(crate) weight_per_minute: u32,
    /// Longest duration of one request.
    pub(crate) timeout: Duration,
    /// Remembers an order to wait across a restart.
    pub(crate) hold_file: PathBuf,
    /// Start of the uptime.
    pub(crate) started: Instant,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Transport {
    /// Prepares for requests; none is made.
    ///
    /// # Errors
    /// When the TLS set-up of the machine cannot be used.
    pub(crate) fn new(options: TransportOptions) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .timeout(options.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("data-collector/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let client = Self {
            http,
            hold_file: HoldFile::new(options.hold_file, options.base.clone()),
            base: options.base,
            per_minute: options.weight_per_minute,
            budget: Mutex::new(Budget::new(options.weight_per_minute, EXCHANGE_LIMIT)),
            limit_learnt: Notify::new(),
            started: options.started,
            clock: options.clock,
            recalled: Mutex::new(None),
            exchange_clock: Mutex::default(),
            refusals: Mutex::default(),
            unchanged: Mutex::default(),
            failures: AtomicU32::new(0),
            weight_spent: AtomicU64::new(0),
            history_spent: AtomicU64::new(0),
        };
        client.recall_hold();
        Ok(client)
    }

    /// Weight of all requests since the start.
    pub(crate) fn weight_spent(&self) -> u64 {
        self.weight_spent.load(Ordering::Relaxed)
    }

    /// Weight of the requests for history since the start, and what they may spend in a minute.
    pub(crate) fn history(&self) -> (u64, u32) {
        let share = self.budget().history_share(self.uptime());
        (self.history_spent.load(Ordering::Relaxed), share)
    }

    /// What forbids or delays requests now, in words.
    pub(crate) fn notices(&self) -> Vec<String> {
        let (budget, uptime) = (self.budget(), self.uptime());
        let mut notices = budget.notices(uptime);
        if let Some((cause, wait)) = budget.held(uptime) {
            notices.push(format!(
                "rest: {cause}; the exchange orders to wait, no request is sent for another {} s",
                wait.as_secs() + 1
            ));
        }
        notices
    }

    /// How long nothing at all may be sent to the exchange, stream connections included; zero when it may.
    pub(crate) fn banned_for(&self) -> Duration {
        self.recall_hold();
        self.budget().banned_for(self.uptime())
    }

    /// The exchange refused a stream connection: a ban counts for requests too.
    pub(crate) fn on_stream_refused(&self, error: &SocketError) {
        if let Some((418, retry_after)) = error.refusal() {
            self.obey(418, None, retry_after, "");
        }
    }

    /// Decides which books the budget carries, and keeps room for them.
    pub(crate) fn plan_books(&self, limit: u16, interval: Duration) -> BookPlan {
        let plan = BookPlan::new(limit, interval, self.per_minute);
        self.budget().plan_books(plan.weight(), plan.weight_per_minute());
        plan
    }

    /// Makes one request once the account allows it.
    ///
    /// # Cancel safety
    /// A dropped call may have cost weight; nothing else is lost.
    pub(super) async fn get(
        &self,
        path: &'static str,
        query: &[(&str, String)],
        weight: u32,
        urgency: Urgency,
    ) -> Result<String, RestError> {
        let request = format!("{path}?{query:?}");
        if let Some(refused) = lock(&self.unchanged).answer(path, &request, self.uptime()) {
            return Err(refused);
        }
        self.admit(weight, urgency).await?;
        self.weight_spent.fetch_add(u64::from(weight), Ordering::Relaxed);
        if urgency == Urgency::History {
            self.history_spent.fetch_add(u64::from(weight), Ordering::Relaxed);
        }
        let (status, headers, body) = match self.send(path, query).await {
            Ok(answer) => answer,
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        if status == 200 {
            self.failures.store(0, Ordering::Relaxed);
            lock(&self.refusals).on_success();
            return String::from_utf8(body).map_err(|_| {
                let source: serde_json::Error = serde::de::Error::custom("not utf-8");
                RestError::Unusable {
                    path,
                    source: source.into(),
                }
            });
        }
        let text = String::from_utf8_lossy(&body);
        let error: Option<ErrorBody> = serde_json::from_str(&text).ok();
        let message = error
            .as_ref()
            .map_or_else(|| quoted(&text), |error| quoted(&error.msg));
        let code = error.map(|error| error.code);
        if status >= 500 {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.obey(status, code, retry_after(&headers), &message);
        let rejected = RestError::Rejected {
            path,
            status,
            code,
            message,
        };
        if lock(&self.unchanged).note(request, &rejected, self.uptime()) {
            tracing::error!(
                error = &rejected as &dyn std::error::Error,
                retry_s = UNCHANGED_HOLD.as_secs(),
                "the exchange refuses a request for good: it is not sent again unchanged for a while"
            );
        }
        Err(rejected)
    }

    /// Sends a request and reads the whole answer.
    async fn send(
        &self,
        path: &'static str,
        query: &[(&str, String)],
    ) -> Result<(u16, HeaderMap, Vec<u8>), RestError> {
        let transport = |source: reqwest::Error| RestError::Transport {
            path,
            source: source.without_url(),
        };
        let url = format!("{}{path}", self.base);
        let mut response = self.http.get(url).query(query).send().await.map_err(transport)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        self.note_time(&headers);
        self.note_weight(&headers);
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => {
                    return Err(RestError::TooLong {
                        path,
                        limit: MAX_BODY,
                    });
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok((status, headers, body)),
                // A refusal counts although its words did not come.
                Err(_) if status != 200 => return Ok((status, headers, body)),
                Err(error) => return Err(transport(error)),
            }
        }
    }

    /// Waits until the account allows a request.
    ///
    /// # Cancel safety
    /// Nothing was spent when the call is dropped.
    async fn admit(&self, weight: u32, urgency: Urgency) -> Result<(), RestError> {
        let asked = self.uptime();
        let waiting = Waiting {
            client: self,
            urgency,
        };
        let failures = self.failures.load(Ordering::Relaxed);
        if failures > 0 {
            let longest = SPREAD.0.saturating_mul(1 << failures.min(16)).min(SPREAD.1);
            tokio::time::sleep(longest.mul_f64(rand::random())).await;
        }
        loop {
            self.recall_hold();
            // Heard from here on, before the question whose answer it may change.
            let learnt = self.limit_learnt.notified();
            let outcome = self.budget().spend(weight, urgency, self.uptime());
            let refused = match outcome {
                Ok(()) => break,
                Err(refused) => refused,
            };
            let waited = self.uptime().saturating_sub(asked);
            match refused.order {
                Some(cause) if refused.wait > SHORT_ORDER => {
                    return Err(RestError::Held {
                        cause,
                        wait: refused.wait,
                    });
                }
                None if waited + refused.wait > LONGEST_ADMISSION => {
                    return Err(RestError::NoRoom { waited });
                }
                // Whichever comes first: then it is asked again.
                _ => drop(tokio::time::timeout(refused.wait, learnt).await),
            }
        }
        drop(waiting);
        Ok(())
    }

    /// Learns the exchange's time.
    pub(super) fn learn_time(&self, time: ExchangeMs) {
        lock(&self.exchange_clock).set(time, self.uptime());
    }

    /// Learns the exchange's limit of weight per minute and address.
    pub(super) fn learn_limit(&self, weight: u32) {
        self.budget().set_exchange_limit(weight);
        self.limit_learnt.notify_waiters();
    }

    fn note_time(&self, headers: &HeaderMap) {
        if let Some(date) = date(headers) {
            self.learn_time(date.saturating_mul(1000));
        }
    }

    fn note_weight(&self, headers: &HeaderMap) {
        let header = headers
            .get("x-mbx-used-weight-1m")
            .or_else(|| headers.get("x-mbx-used-weight"));
        let Some(used) = header.and_then(|value| value.to_str().ok()?.parse().ok()) else {
            return;
        };
        let second = date(headers).map_or(30, |date| date.rem_euclid(60).unsigned_abs());
        self.budget()
            .on_reported(used, self.uptime(), Duration::from_secs(60 - second));
    }

    /// Obeys what an answer orders, if it orders anything.
    fn obey(&self, status: u16, code: Option<i64>, retry_after: RetryAfter, words: &str) {
        let uptime = self.uptime();
        let answer = Answer {
            status,
            code,
            retry_after,
            words,
            now: lock(&self.exchange_clock).now(uptime),
        };
        let in_force = |cause| self.budget().is_held_by(cause, uptime);
        let Some(order) = lock(&self.refusals).order(&answer, in_force) else {
            return;
        };
        if !self.budget().hold(order, uptime) {
            return;
        }
        tracing::warn!(
            rest.status = status,
            wait_s = order.wait.as_secs(),
            capped = order.capped,
            retry_after = ?retry_after,
            reason = %order.cause,
            "the exchange orders to wait, no request is sent meanwhile"
        );
        // A restart after 451 is somebody's attempt to mend it, and costs one request.
        if order.wait >= REMEMBERED_HOLD && order.cause != Cause::Restricted {
            self.remember(order);
        }
    }

    fn remember(&self, order: Order) {
        let now = Moment::now(self.clock.now());
        // The longest order in force, which may be an earlier one.
        if self
            .hold_file
            .recall(&now)
            .is_some_and(|earlier| earlier.wait > order.wait)
        {
            return;
        }
        if let Err(error) = self.hold_file.remember(order, &now) {
            tracing::warn!(
                path = %self.hold_file.path().display(),
                error = &error as &dyn std::error::Error,
                "the exchange's order to wait could not be written down"
            );
        }
    }

    /// Obeys a remembered order, of an earlier run or of another collector.
    fn recall_hold(&self) {
        let uptime = self.uptime();
        {
            let mut recalled = lock(&self.recalled);
            if recalled.is_some_and(|at| uptime < at + RECALL_EVERY) {
                return;
            }
            *recalled = Some(uptime);
        }
        let Some(order) = self.hold_file.recall(&Moment::now(self.clock.now())) else {
            return;
        };
        let mut budget = self.budget();
        let known = budget.is_held_by(order.cause, uptime);
        budget.hold(order, uptime);
        drop(budget);
        if !known {
            tracing::warn!(
                wait_s = order.wait.as_secs(),
                reason = %order.cause,
                "an earlier order of the exchange to wait is still in force"
            );
        }
    }

    fn uptime(&self) -> Uptime {
        self.started.elapsed()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        lock(&self.budget)
    }
}

/// While it lives, somebody waits for room in the budget.
struct Waiting<'a> {
    client: &'a Transport,
    urgency: Urgency,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.client.budget().abandon(self.urgency);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is consistent between calls, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The header `Date`, in seconds.
fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|date| date.timestamp())
}

fn retry_after(headers: &HeaderMap) -> RetryAfter {
    RetryAfter::read(headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap_or("")))
}

#[cfg(test)]
mod tests;

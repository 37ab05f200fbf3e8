//! The request weight of the last minute, and what happens to those who spend too much.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Wall time over which weight is counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The verdict on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer it.
    Allowed,
    /// 429: too much, try again after so many seconds.
    TooMuch(u64),
    /// 418: banned for so many seconds.
    Banned(u64),
}

/// Counts weight in wall time, whatever the speed of event time.
#[derive(Debug)]
pub(super) struct WeightMeter {
    limit: u64,
    /// Requests answered with 429 before the ban.
    patience: u32,
    ban: Duration,
    spent: VecDeque<(Instant, u64)>,
    used: u64,
    ignored: u32,
    banned_until: Option<Instant>,
}

impl WeightMeter {
    pub(super) fn new(limit: u64, patience: u32, ban: Duration) -> Self {
        Self {
            limit,
            patience,
            ban,
            spent: VecDeque::new(),
            used: 0,
            ignored: 0,
            banned_until: None,
        }
    }

    /// Counts weight that other programs behind the same address have spent.
    pub(super) fn spend_elsewhere(&mut self, weight: u64) {
        if weight > 0 {
            self.spent.push_back((Instant::now(), weight));
            self.used += weight;
        }
    }

    /// Counts a request and judges it.
    pub(super) fn spend(&mut self, weight: u64) -> Verdict {
        let now = Instant::now();
        if let Some(until) = self.banned_until {
            if now < until {
                return Verdict::Banned(ceil_seconds(until - now));
            }
            self.banned_until = None;
            self.ignored = 0;
        }
        let old = self.spent.partition_point(|(at, _)| now - *at >= WINDOW);
        self.used -= self.spent.drain(..old).map(|(_, weight)| weight).sum::<u64>();
        if self.used + weight <= self.limit {
            self.spent.push_back((now, weight));
            self.used += weight;
            self.ignored = 0;
            return Verdict::Allowed;
        }
        self.ignored += 1;
        if self.ignored > self.patience {
            self.banned_until = Some(now + self.ban);
            return Verdict::Banned(ceil_seconds(self.ban));
        }
        let oldest = self.spent.front().map_or(now, |(at, _)| *at);
        Verdict::TooMuch(ceil_seconds(WINDOW.saturating_sub(now - oldest)))
    }

    /// Weight spent in the window, as the headers say.
    pub(super) fn used(&self) -> u64 {
        self.used
    }
}

fn ceil_seconds(span: Duration) -> u64 {
    span.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_much_weight_is_refused_and_insisting_is_banned() {
        let mut meter = WeightMeter::new(10, 2, Duration::from_secs(120));
        assert_eq!(meter.spend(6), Verdict::Allowed);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(meter.spend(6), Verdict::TooMuch(30));
        assert_eq!(meter.spend(6), Verdict::TooMuch(30));
        assert_eq!(meter.spend(6), Verdict::Banned(120));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(meter.spend(1), Verdict::Banned(60));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(meter.spend(6), Verdict::Allowed);
        assert_eq!(meter.used(), 6);
    }
}

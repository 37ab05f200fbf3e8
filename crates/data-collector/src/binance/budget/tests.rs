use super::*;
use crate::binance::books::BookPlan;
use proptest::prelude::*;

fn at(seconds: u64) -> Uptime {
    Duration::from_secs(seconds)
}

fn wait(seconds: u64) -> Result<(), Refused> {
    Err(Refused {
        wait: at(seconds),
        order: None,
    })
}

fn order(cause: Cause, seconds: u64) -> Order {
    Order {
        cause,
        wait: at(seconds),
        capped: false,
    }
}

/// A budget for one book of 5000 levels a minute.
fn budget(per_minute: u32) -> Budget {
    let mut budget = Budget::new(per_minute, 6000);
    budget.plan_books(250, 250);
    budget
}

#[test]
fn history_leaves_room_for_what_is_urgent() {
    let mut budget = budget(1200);
    let mut pages = 0;
    while budget.spend(4, Urgency::History, at(0)).is_ok() {
        pages += 1;
    }
    assert_eq!(pages, (1200 - TRADES_SHARE - 250) / 4);
    assert_eq!(budget.spend(250, Urgency::Book, at(1)), Ok(()));
    assert_eq!(budget.spend(4, Urgency::Live, at(1)), Ok(()));
    assert_eq!(budget.spend(4, Urgency::History, at(1)), wait(59));
    assert_eq!(budget.spend(4, Urgency::History, at(60)), Ok(()));
}

#[test]
fn orders_to_wait_are_obeyed_and_the_longest_counts() {
    let mut budget = budget(1200);
    let refused = |seconds, cause| {
        Err(Refused {
            wait: at(seconds),
            order: Some(cause),
        })
    };
    assert!(budget.hold(order(Cause::TooManyRequests, 7), at(0)));
    assert_eq!(
        budget.spend(1, Urgency::Live, at(3)),
        refused(4, Cause::TooManyRequests)
    );
    assert!(budget.hold(order(Cause::Banned, 120), at(3)));
    assert!(!budget.hold(order(Cause::Banned, 60), at(3)));
    assert_eq!(budget.spend(1, Urgency::Live, at(7)), refused(116, Cause::Banned));
    assert_eq!(budget.banned_for(at(100)), at(23));
    assert_eq!(budget.held(at(123)), None);
    assert_eq!(budget.spend(1, Urgency::Live, at(123)), Ok(()));
}

#[test]
fn after_429_half_the_budget_is_used_and_a_tenth_comes_back_with_every_minute() {
    let mut budget = budget(1200);
    budget.hold(order(Cause::TooManyRequests, 10), at(0));
    // Under way when the order came: the same incident.
    budget.hold(order(Cause::TooManyRequests, 10), at(0));
    let after = [10, 69, 70, 130, 10 + 6 * 60, 10 + 600];
    assert_eq!(
        after.map(|second| budget.allowance(at(second))),
        [600, 600, 720, 840, 1200, 1200]
    );
    budget.hold(order(Cause::TooManyRequests, 10), at(70));
    assert_eq!(budget.allowance(at(80)), 360);
    budget.hold(order(Cause::TooManyRequests, 10), at(81));
    assert_eq!(
        budget.allowance(at(91)),
        300,
        "a book and the shares of the others always fit"
    );
}

#[test]
fn what_others_behind_the_same_address_spend_counts() {
    let mut budget = budget(1200);
    budget.on_reported(3000, at(0), at(20));
    assert_eq!(budget.spend(4, Urgency::History, at(0)), wait(20));
    assert_eq!(budget.spend(4, Urgency::Live, at(0)), Ok(()));
    budget.on_reported(4797, at(0), at(20));
    assert_eq!(budget.spend(4, Urgency::Live, at(0)), wait(20));
    assert_eq!(budget.notices(at(9)), Vec::<String>::new());
    let notices = budget.notices(at(11));
    assert!(
        notices.len() == 1 && notices[0].contains("trades wait since 11 s: this address has spent 4797 of"),
        "{notices:?}"
    );
    assert_eq!(budget.spend(4, Urgency::History, at(20)), Ok(()));
}

#[test]
fn what_waits_for_the_own_budget_is_said() {
    let mut budget = budget(300);
    assert_eq!(budget.spend(250, Urgency::Book, at(0)), Ok(()));
    assert_eq!(budget.spend(250, Urgency::Book, at(1)), wait(59));
    assert_eq!(budget.notices(at(61)), Vec::<String>::new());
    let notices = budget.notices(at(62));
    assert_eq!(
        notices,
        ["rest: requests for books wait since 61 s for room in the budget of 300 a minute"]
    );
    budget.abandon(Urgency::Book);
    assert_eq!(budget.notices(at(62)), Vec::<String>::new());
}

/// What one kind of request got in a simulated run.
#[derive(Debug, Default, Clone, Copy)]
struct Got {
    requests: u32,
    longest_wait: Duration,
    waiting: Option<Uptime>,
}

impl Got {
    fn ask(&mut self, budget: &mut Budget, weight: u32, urgency: Urgency, now: Uptime) -> bool {
        let since = *self.waiting.get_or_insert(now);
        self.longest_wait = self.longest_wait.max(now.saturating_sub(since));
        let granted = budget.spend(weight, urgency, now).is_ok();
        if granted {
            self.requests += 1;
            self.waiting = None;
        }
        granted
    }
}

proptest! {
    #[test]
    fn no_minute_costs_more_than_the_budget(
        requests in prop::collection::vec((0_u64..3000, 1_u32..200, 0_u8..3), 1..300),
        per_minute in 250_u32..2000,
    ) {
        let (mut budget, mut now, mut sent) = (budget(per_minute), Uptime::ZERO, Vec::new());
        for (wait_ms, weight, kind) in requests {
            now += Duration::from_millis(wait_ms);
            let urgency = [Urgency::Live, Urgency::Book, Urgency::History][usize::from(kind)];
            match budget.spend(weight, urgency, now) {
                Ok(()) => sent.push((now, weight)),
                Err(refused) => prop_assert!(refused.wait > Duration::ZERO && refused.wait <= WINDOW),
            }
        }
        for (start, _) in &sent {
            let sum: u32 = sent.iter().filter(|(at, _)| *at >= *start && *at < *start + WINDOW).map(|(_, w)| w).sum();
            prop_assert!(sum <= per_minute, "{} in one minute", sum);
        }
    }

    /// Everybody asks all the time; still a question about trades that stays within its share is never
    /// refused for long, a book goes out, and history moves.
    #[test]
    fn nothing_starves_at_any_budget_and_any_book(
        per_minute in 250_u32..3000,
        limit in 5_u16..=5000,
        interval in 1_u64..300,
        live_every_ms in 100_u64..20_000,
    ) {
        let plan = BookPlan::new(limit, at(interval), per_minute);
        let mut budget = Budget::new(per_minute, 6000);
        budget.plan_books(plan.weight(), plan.weight_per_minute());
        let [mut live, mut book, mut history] = [Got::default(); 3];
        let (mut now, mut live_due, mut book_due) = (Uptime::ZERO, Uptime::ZERO, Uptime::ZERO);
        while now < at(1200) {
            if now >= live_due && live.ask(&mut budget, 4, Urgency::Live, now) {
                live_due = now + Duration::from_millis(live_every_ms);
            }
            if now >= book_due && book.ask(&mut budget, plan.weight(), Urgency::Book, now) {
                book_due = now + plan.interval;
            }
            history.ask(&mut budget, 4, Urgency::History, now);
            now += Duration::from_millis(100);
        }
        prop_assert!(live.longest_wait <= at(60), "{live:?}");
        if u64::from(TRADES_SHARE / 4 - 1) * live_every_ms >= 60_000 {
            prop_assert!(live.longest_wait.is_zero(), "{live:?}");
        }
        prop_assert!(book.longest_wait <= at(121), "{book:?}");
        prop_assert!(history.requests >= 5 * 9, "{history:?}");
    }
}

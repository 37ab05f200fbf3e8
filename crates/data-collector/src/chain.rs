//! The chain of aggregate trade ids: every id once, in order, or known to be missing for good. Pure.
//!
//! Rows come from the stream in any order, doubled or with gaps, and from REST pages that were asked for
//! from a certain id on. What leaves the chain is in order and without gaps, except where the exchange
//! itself has twice answered without an id, or twice with something that is no trade.

use std::collections::BTreeMap;

use strategy_core::model::IdRange;

use crate::binance::parse::TradeRow;

/// Most rows kept that are ahead of a gap. Beyond it they are dropped: they are asked for again anyway.
pub(crate) const AHEAD_LIMIT: usize = 20_000;

/// How far ahead of the chain an id may be before it is doubted.
pub(crate) const JUMP_LIMIT: u64 = 1_000_000;

/// Something the chain lets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The next row.
    Row(TradeRow),
    /// Ids that the exchange does not have.
    Hole(IdRange),
    /// An id whose row cannot be read, whoever is asked.
    Unreadable {
        /// Aggregate trade id.
        id: u64,
    },
}

/// What an offered row was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The next id, or the first one at all: let out, with everything behind it that was waiting.
    Next,
    /// An id that was let out before, or is waiting already.
    Duplicate,
    /// An id behind a gap: it waits.
    Ahead,
    /// An id behind a gap while too many are waiting: dropped, to be asked for again.
    Overflow,
    /// An id so far ahead that it is doubted: dropped.
    Jump,
}

/// What a page brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageOutcome {
    /// The chain moved.
    pub(crate) moved: bool,
    /// The id at which it stopped: this row cannot be read, or ids in front of it are missing, and one
    /// more answer must say so.
    pub(crate) stopped_at: Option<u64>,
}

/// The chain from a certain id on.
#[derive(Debug, Clone)]
pub(crate) struct IdChain {
    next: u64,
    /// Nothing is known of the first id: the first row that comes is the first.
    open_start: bool,
    ahead: BTreeMap<u64, TradeRow>,
    /// Highest id offered, dropped ones included, doubted ones not.
    highest: Option<u64>,
    /// Ids the last page had no trade for, though it was settled by then which ids exist; they count when
    /// the answer is repeated. In order, at most two for each row of a page.
    doubted: Vec<IdRange>,
}

impl IdChain {
    /// A chain whose first id will be `next`.
    pub(crate) fn starting_at(next: u64) -> Self {
        Self {
            next,
            open_start: false,
            ahead: BTreeMap::new(),
            highest: None,
            doubted: Vec::new(),
        }
    }

    /// A chain of a market that has not traded yet: the first row that comes is its first.
    pub(crate) fn unstarted() -> Self {
        Self {
            open_start: true,
            ..Self::starting_at(0)
        }
    }

    /// True until the first row of an unstarted chain.
    pub(crate) fn is_unstarted(&self) -> bool {
        self.open_start
    }

    /// The id that is due.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// True while an id is known to exist that was not let out.
    pub(crate) fn has_gap(&self) -> bool {
        self.highest.is_some_and(|highest| highest >= self.next)
    }

    /// Highest id that is known to exist; `None` before the first.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
            .max(self.next.checked_sub(1).filter(|_| !self.open_start))
    }

    /// Rows that wait behind a gap, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &TradeRow> {
        self.ahead.values()
    }

    /// Learns that an id exists, without having its row.
    pub(crate) fn announce(&mut self, id: u64) {
        if !self.open_start && id < self.next.saturating_add(JUMP_LIMIT) {
            self.highest = self.highest.max(Some(id));
        }
    }

    /// Lets out the id that is due, as nearly every row of the stream has it, while nothing waits behind it. False for
    /// any other, which is to be offered.
    #[inline]
    pub(crate) fn pass(&mut self, id: u64) -> bool {
        let is_due = id == self.next && !self.open_start && self.ahead.is_empty();
        if is_due {
            self.next = id + 1;
        }
        is_due
    }

    /// Takes one row of the stream and lets out what is due.
    pub(crate) fn offer(&mut self, row: TradeRow, out: &mut Vec<Link>) -> Offer {
        let id = row.id();
        if std::mem::take(&mut self.open_start) {
            self.next = id;
        }
        if id < self.next {
            return Offer::Duplicate;
        }
        if id == self.next {
            self.let_out(row, out);
            self.drain(out);
            return Offer::Next;
        }
        if id >= self.next.saturating_add(JUMP_LIMIT) {
            return Offer::Jump;
        }
        self.highest = self.highest.max(Some(id));
        if self.ahead.contains_key(&id) {
            return Offer::Duplicate;
        }
        if self.ahead.len() >= AHEAD_LIMIT {
            return Offer::Overflow;
        }
        self.ahead.insert(id, row);
        Offer::Ahead
    }

    /// Takes a REST page that was asked for with `fromId = asked_from` and lets out what is due.
    ///
    /// Rows must rise by id. `settled` says from which id on REST may still be behind the stream: ids below
    /// it that are absent in front of a row of the page, and rows below it that cannot be read, are doubted
    /// the first time and gone for good the second time. Above it an answer proves nothing.
    pub(crate) fn offer_page(
        &mut self,
        asked_from: u64,
        settled: u64,
        rows: &[TradeRow],
        out: &mut Vec<Link>,
    ) -> PageOutcome {
        let before = self.next;
        if let Some(first) = rows.first()
            && std::mem::take(&mut self.open_start)
        {
            self.next = first.id();
        }
        let mut outcome = PageOutcome {
            moved: false,
            stopped_at: None,
        };
        if asked_from > self.next {
            // The page says nothing about the id that is due.
            return outcome;
        }
        for row in rows {
            let id = row.id();
            // Ids in front of this row may be waiting from the stream, or the row itself.
            self.drain(out);
            if id < self.next {
                continue;
            }
            if !self.pass_hole(id, out) {
                outcome.stopped_at = Some(id);
                break;
            }
            match row {
                _ if id < self.next => {}
                TradeRow::Unreadable { id } if self.is_doubted(*id, *id) => {
                    out.push(Link::Unreadable { id: *id });
                    self.next = id + 1;
                }
                TradeRow::Unreadable { id } => {
                    outcome.stopped_at = Some(*id);
                    break;
                }
                row => self.let_out(*row, out),
            }
        }
        self.drain(out);
        if let Some(last) = rows.last() {
            self.announce(last.id());
        }
        self.doubted = gaps(asked_from, rows).filter(|gap| gap.last < settled).collect();
        outcome.moved = self.next != before;
        outcome
    }

    /// Lets go the ids from the one that is due up to `id`, which the page does not have. False if that needs
    /// one more answer.
    fn pass_hole(&mut self, id: u64, out: &mut Vec<Link>) -> bool {
        while self.next < id {
            // What is waiting may lie in between, and leave another hole behind it.
            let up_to = self.ahead.keys().next().map_or(id, |waiting| id.min(*waiting));
            let hole = IdRange {
                first: self.next,
                last: up_to - 1,
            };
            if !self.is_doubted(hole.first, hole.last) {
                return false;
            }
            out.push(Link::Hole(hole));
            self.next = up_to;
            self.drain(out);
        }
        true
    }

    fn is_doubted(&self, first: u64, last: u64) -> bool {
        self.doubted
            .iter()
            .any(|gap| gap.first <= first && last <= gap.last)
    }

    fn drain(&mut self, out: &mut Vec<Link>) {
        while let Some(entry) = self.ahead.first_entry() {
            match entry.key().cmp(&self.next) {
                std::cmp::Ordering::Less => drop(entry.remove()),
                std::cmp::Ordering::Equal => {
                    let row = entry.remove();
                    self.let_out(row, out);
                }
                std::cmp::Ordering::Greater => break,
            }
        }
    }

    fn let_out(&mut self, row: TradeRow, out: &mut Vec<Link>) {
        out.push(Link::Row(row));
        self.next = row.id() + 1;
    }
}

/// The ids from `asked_from` on that a page has no readable row for, up to its last row.
pub(crate) fn gaps(asked_from: u64, rows: &[TradeRow]) -> impl Iterator<Item = IdRange> {
    let mut expected = asked_from;
    rows.iter().flat_map(move |row| {
        let id = row.id();
        let missing = (id > expected).then(|| IdRange {
            first: expected,
            last: id - 1,
        });
        let unreadable =
            matches!(row, TradeRow::Unreadable { .. }).then_some(IdRange { first: id, last: id });
        expected = expected.max(id + 1);
        missing.into_iter().chain(unreadable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(id: u64) -> TradeRow {
        TradeRow::Dead { id }
    }

    fn ids(links: &[Link]) -> Vec<u64> {
        links
            .iter()
            .filter_map(|link| {
                if let Link::Row(row) = link {
                    Some(row.id())
                } else {
                    None
                }
            })
            .collect()
    }

    #[test]
    fn rows_behind_a_gap_wait_until_it_is_filled() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        assert_eq!(chain.offer(row(10), &mut out), Offer::Next);
        assert_eq!(chain.offer(row(13), &mut out), Offer::Ahead);
        assert_eq!(chain.offer(row(13), &mut out), Offer::Duplicate);
        assert_eq!(chain.offer(row(9), &mut out), Offer::Duplicate);
        assert!(chain.has_gap());
        assert!(chain.offer_page(11, 0, &[row(11), row(12)], &mut out).moved);
        assert_eq!(ids(&out), [10, 11, 12, 13]);
        assert!(!chain.has_gap());
    }

    #[test]
    fn a_hole_counts_when_the_exchange_says_so_twice() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        let page = [row(12), row(13), row(15)];
        let first = chain.offer_page(10, 20, &page, &mut out);
        assert_eq!((first.moved, first.stopped_at), (false, Some(12)));
        // Both holes of the page were seen by now.
        assert!(chain.offer_page(10, 20, &page, &mut out).moved);
        let hole = |first, last| Link::Hole(IdRange { first, last });
        let rows = [Link::Row(row(12)), Link::Row(row(13)), Link::Row(row(15))];
        assert_eq!(out, [hole(10, 11), rows[0], rows[1], hole(14, 14), rows[2]]);
    }

    #[test]
    fn where_rest_may_be_behind_no_number_of_answers_makes_a_hole() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        for _ in 0..5 {
            assert!(!chain.offer_page(10, 11, &[row(12)], &mut out).moved);
        }
        assert!(
            chain
                .offer_page(10, 11, &[row(10), row(11), row(12)], &mut out)
                .moved
        );
        assert_eq!(ids(&out), [10, 11, 12]);
        // Answers from before it was settled do not count as the first one either.
        assert!(!chain.offer_page(13, 13, &[row(14)], &mut out).moved);
        assert!(!chain.offer_page(13, 15, &[row(14)], &mut out).moved);
        assert!(chain.offer_page(13, 15, &[row(14)], &mut out).moved);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_let_go_when_it_comes_twice() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        let page = [row(10), TradeRow::Unreadable { id: 11 }, row(12)];
        assert_eq!(chain.offer_page(10, 20, &page, &mut out).stopped_at, Some(11));
        assert!(chain.has_gap());
        assert!(chain.offer_page(11, 20, &page[1..], &mut out).moved);
        assert_eq!(out[1..], [Link::Unreadable { id: 11 }, Link::Row(row(12))]);
        // The stream's row counts where it could be read.
        out.clear();
        chain.offer(row(13), &mut out);
        assert_eq!(out, [Link::Row(row(13))]);
    }

    #[test]
    fn a_page_that_was_asked_for_too_far_ahead_proves_nothing() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        for _ in 0..3 {
            assert!(!chain.offer_page(12, 20, &[row(12)], &mut out).moved);
        }
        assert!(out.is_empty());
    }

    #[test]
    fn an_absurd_id_is_not_believed() {
        let (mut chain, mut out) = (IdChain::starting_at(10), Vec::new());
        assert_eq!(chain.offer(row(u64::MAX), &mut out), Offer::Jump);
        assert!(!chain.has_gap());
    }

    #[test]
    fn rows_beyond_the_limit_are_dropped_and_still_known_to_be_missing() {
        let (mut chain, mut out) = (IdChain::starting_at(0), Vec::new());
        let last = AHEAD_LIMIT as u64 + 1;
        for id in 1..last {
            assert_eq!(chain.offer(row(id), &mut out), Offer::Ahead);
        }
        assert_eq!(chain.offer(row(last), &mut out), Offer::Overflow);
        chain.offer_page(0, 0, &[row(0)], &mut out);
        assert_eq!(chain.next(), last);
        assert!(chain.has_gap());
    }

    proptest! {
        /// Reordered, doubled, partly lost: with the pages that are asked for, every id that exists comes
        /// out once and in order, and exactly the ids that do not exist are holes.
        #[test]
        fn every_id_comes_out_once(
            exists in prop::collection::vec(prop::bool::weighted(0.9), 1..120),
            deliveries in prop::collection::vec(0_usize..120, 0..200),
            page_size in 1_usize..20,
        ) {
            let start = 1000;
            let existing: Vec<u64> =
                (0..exists.len()).filter(|index| exists[*index]).map(|index| start + index as u64).collect();
            let (mut chain, mut out) = (IdChain::starting_at(start), Vec::new());
            let page = |from: u64| -> Vec<TradeRow> {
                existing.iter().filter(|id| **id >= from).take(page_size).map(|id| row(*id)).collect()
            };
            for (step, index) in deliveries.iter().enumerate() {
                if let Some(id) = existing.get(*index) {
                    if chain.pass(*id) {
                        out.push(Link::Row(row(*id)));
                    } else {
                        chain.offer(row(*id), &mut out);
                    }
                }
                if step % 7 == 0 {
                    let from = chain.next();
                    chain.offer_page(from, u64::MAX, &page(from), &mut out);
                }
            }
            for _ in 0..2 * exists.len() + 2 {
                let from = chain.next();
                chain.offer_page(from, u64::MAX, &page(from), &mut out);
            }
            prop_assert_eq!(ids(&out), existing.clone());
            let mut holes = 0;
            for link in &out {
                if let Link::Hole(hole) = link {
                    holes += hole.count();
                    prop_assert!((hole.first..=hole.last).all(|id| !existing.contains(&id)));
                }
            }
            let last = existing.last().map_or(start, |last| last + 1);
            prop_assert_eq!(chain.next(), last);
            prop_assert_eq!(holes, last - start - existing.len() as u64);
        }
    }
}

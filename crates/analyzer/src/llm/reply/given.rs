//! The market as a model was shown it: the only prices its answer may rest on. Pure.

use rust_decimal::Decimal;
use strategy_core::model::advice::Action;
use strategy_core::model::report::{BookSide, Level, MarketReport, Number, PriceZone};

use super::ReplyError;
use crate::llm::prompt::SUMMARY_ENTRIES;
use crate::llm::tools::MAX_ENTRIES;

/// Where the model reads of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In the summary, before it calls anything.
    Summary,
    /// In the answer to `depth_snapshot_analysis`.
    Depth,
    /// In the answer to `orderflow_analysis`.
    Flow,
}

/// A level or zone; a level is a zone of one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    low: Decimal,
    high: Decimal,
    /// Which orders rest there; none where it was trades that made the place.
    side: Option<BookSide>,
    /// A wall that may be gone the next moment.
    fleeting: bool,
    shown: Shown,
}

impl Place {
    fn point(price: Number, shown: Shown) -> Self {
        Self::zone(price, price, shown)
    }

    fn zone(low: Number, high: Number, shown: Shown) -> Self {
        Self {
            low: low.get(),
            high: high.get(),
            side: None,
            fleeting: false,
            shown,
        }
    }

    fn touches(&self, low: Decimal, high: Decimal) -> bool {
        self.low <= high && low <= self.high
    }
}

/// Best prices, levels, zones and vacuums of one report, and how much of them the model has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    mid: Decimal,
    best_bid: Decimal,
    best_ask: Decimal,
    places: Vec<Place>,
    /// Lower and upper edge of each, the upper one outside.
    vacuums: Vec<(Decimal, Decimal)>,
    saw_depth: bool,
    saw_flow: bool,
}

impl Given {
    /// What of the report the summary shows, and the tools if they are called; `None` when the book has no
    /// middle.
    pub fn of(report: &MarketReport) -> Option<Self> {
        let context = &report.context;
        let (mid, best_bid, best_ask) = (context.mid?, context.best_bid?, context.best_ask?);
        let mut places = Vec::new();
        for (levels, side) in [
            (&report.support_levels, BookSide::Bid),
            (&report.resistance_levels, BookSide::Ask),
        ] {
            places.extend(walls(levels, side));
        }
        let in_order = |index: usize, shown| {
            if index < SUMMARY_ENTRIES {
                Shown::Summary
            } else {
                shown
            }
        };
        for (index, price) in report.poc_levels.iter().enumerate() {
            places.push(Place::point(*price, in_order(index, Shown::Flow)));
        }
        if let Some(area) = &report.value_area {
            places.extend([area.poc, area.low, area.high].map(|price| Place::point(price, Shown::Summary)));
        }
        for (index, zone) in report.resonance.iter().take(MAX_ENTRIES).enumerate() {
            places.push(Place::zone(zone.low, zone.high, in_order(index, Shown::Flow)));
        }
        places.extend(report.density_zones.iter().take(MAX_ENTRIES).map(|zone| Place {
            side: Some(zone.side),
            ..Place::zone(zone.low, zone.high, Shown::Depth)
        }));
        let edges = |zone: &PriceZone| (zone.low.get(), zone.high.get());
        Some(Self {
            mid: mid.get(),
            best_bid: best_bid.get(),
            best_ask: best_ask.get(),
            places,
            vacuums: report.vacuum_ranges.iter().map(edges).collect(),
            saw_depth: false,
            saw_flow: false,
        })
    }

    /// The model has read an answer of a tool.
    pub fn saw(&mut self, shown: Shown) {
        match shown {
            Shown::Summary => {}
            Shown::Depth => self.saw_depth = true,
            Shown::Flow => self.saw_flow = true,
        }
    }

    /// Middle of the book.
    pub fn mid(&self) -> Decimal {
        self.mid
    }

    /// True if a level lies in the range or a zone overlaps it, ends included.
    pub fn touches(&self, low: Decimal, high: Decimal) -> bool {
        self.touched(low, high).next().is_some()
    }

    fn touched(&self, low: Decimal, high: Decimal) -> impl Iterator<Item = &Place> {
        let seen = |place: &&Place| match place.shown {
            Shown::Summary => true,
            Shown::Depth => self.saw_depth,
            Shown::Flow => self.saw_flow,
        };
        let places = self.places.iter().filter(seen);
        places.filter(move |place| place.touches(low, high))
    }

    /// Whether orders of this action belong into the range.
    ///
    /// # Errors
    /// The [`ReplyError`] that says why not.
    pub fn judge(&self, action: Action, low: Decimal, high: Decimal) -> Result<(), ReplyError> {
        let crosses = match action {
            Action::Buy => low >= self.best_ask,
            Action::Sell => high <= self.best_bid,
            Action::Hold => false,
        };
        if crosses {
            let (bid, ask) = (self.best_bid, self.best_ask);
            return Err(ReplyError::CrossesMarket { action, bid, ask });
        }
        if is_inside(low, high, &self.vacuums) {
            return Err(ReplyError::InVacuum { low, high });
        }
        let mut touched = self.touched(low, high).peekable();
        if touched.peek().is_none() {
            return Err(ReplyError::TouchesNothing { low, high });
        }
        let mut lasting = touched.filter(|place| !place.fleeting).peekable();
        if lasting.peek().is_none() {
            return Err(ReplyError::OnlyFleeting { low, high });
        }
        let bears = |place: &Place| match action {
            Action::Buy => place.side != Some(BookSide::Ask) && place.low < self.best_ask,
            Action::Sell => place.side != Some(BookSide::Bid) && place.high > self.best_bid,
            Action::Hold => true,
        };
        if lasting.any(bears) {
            Ok(())
        } else {
            Err(ReplyError::WrongSide { action, low, high })
        }
    }

    /// For tests: bids to 110149.99, asks from 110150.01, support at 110136, resistance at 110200, fleeting walls
    /// at 110110 and 110230, a vacuum from 110015 to 110026 with a point of control in it.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn for_test() -> Self {
        use rust_decimal::dec;

        let wall = |price, side, fleeting| Place {
            low: price,
            high: price,
            side: Some(side),
            fleeting,
            shown: Shown::Summary,
        };
        Self {
            mid: dec!(110150),
            best_bid: dec!(110149.99),
            best_ask: dec!(110150.01),
            places: vec![
                wall(dec!(110136), BookSide::Bid, false),
                wall(dec!(110110), BookSide::Bid, true),
                wall(dec!(110200), BookSide::Ask, false),
                wall(dec!(110230), BookSide::Ask, true),
                Place::point(Number::new(dec!(110020)), Shown::Summary),
            ],
            vacuums: vec![(dec!(110015), dec!(110020)), (dec!(110020), dec!(110026))],
            saw_depth: false,
            saw_flow: false,
        }
    }
}

fn walls(levels: &[Level], side: BookSide) -> impl Iterator<Item = Place> {
    let listed = levels.iter().take(MAX_ENTRIES).enumerate();
    listed.map(move |(index, level)| Place {
        side: Some(side),
        fleeting: level.fleeting,
        ..Place::point(
            level.price,
            if index < SUMMARY_ENTRIES {
                Shown::Summary
            } else {
                Shown::Depth
            },
        )
    })
}

/// True if every price from `low` to `high` lies in one of the ranges; their upper edges are outside.
pub fn is_inside(low: Decimal, high: Decimal, ranges: &[(Decimal, Decimal)]) -> bool {
    let mut covered = low;
    // Each range can carry on at most once.
    for _ in 0..ranges.len() {
        let next = ranges.iter().find(|(from, to)| *from <= covered && covered < *to);
        match next {
            None => return false,
            Some((_, to)) if high < *to => return true,
            Some((_, to)) => covered = *to,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::dec;

    #[test]
    fn a_range_is_inside_ranges_that_join() {
        let ranges = [(dec!(20), dec!(26)), (dec!(15), dec!(20))];
        assert!(is_inside(dec!(16), dec!(25), &ranges));
        assert!(is_inside(dec!(15), dec!(25.99), &ranges));
        assert!(!is_inside(dec!(16), dec!(26), &ranges));
        assert!(!is_inside(dec!(14.99), dec!(16), &ranges));
        assert!(!is_inside(dec!(14), dec!(30), &[]));
        assert!(!is_inside(
            dec!(16),
            dec!(28),
            &[(dec!(15), dec!(20)), (dec!(21), dec!(30))]
        ));
    }

    #[test]
    fn only_what_was_shown_counts() {
        let mut report = crate::sample::report();
        report.density_zones = vec![PriceZone {
            low: Number::new(dec!(110060)),
            high: Number::new(dec!(110070)),
            side: BookSide::Bid,
            volume: Number::new(dec!(9)),
            strength: 0.5,
            evidence: Vec::new(),
        }];
        let mut given = Given::of(&report).unwrap();
        let buy = |given: &Given| given.judge(Action::Buy, dec!(110065), dec!(110066));
        assert!(matches!(buy(&given), Err(ReplyError::TouchesNothing { .. })));
        given.saw(Shown::Flow);
        assert!(buy(&given).is_err());
        given.saw(Shown::Depth);
        assert_eq!(buy(&given), Ok(()));
        let sell = given.judge(Action::Sell, dec!(110065), dec!(110200));
        assert_eq!(sell, Ok(()));
    }

    #[test]
    fn an_action_rests_on_its_own_side_of_the_market() {
        let given = Given::for_test();
        let judged = |action, low, high| given.judge(action, low, high);
        assert_eq!(judged(Action::Buy, dec!(110130), dec!(110140)), Ok(()));
        assert_eq!(judged(Action::Sell, dec!(110195), dec!(110205)), Ok(()));
        assert_eq!(judged(Action::Hold, dec!(110195), dec!(110205)), Ok(()));
        // Support and resistance in one range.
        assert_eq!(judged(Action::Buy, dec!(110130), dec!(110205)), Ok(()));
        let crosses = judged(Action::Buy, dec!(110150.01), dec!(110205));
        assert!(matches!(crosses, Err(ReplyError::CrossesMarket { .. })));
        let crosses = judged(Action::Sell, dec!(110130), dec!(110149.99));
        assert!(matches!(crosses, Err(ReplyError::CrossesMarket { .. })));
        let wrong = judged(Action::Buy, dec!(110140), dec!(110205));
        assert!(matches!(wrong, Err(ReplyError::WrongSide { .. })));
        let wrong = judged(Action::Sell, dec!(110130), dec!(110160));
        assert!(matches!(wrong, Err(ReplyError::WrongSide { .. })));
    }

    #[test]
    fn nothing_rests_on_a_vacuum_or_on_a_fleeting_wall_alone() {
        let given = Given::for_test();
        for action in [Action::Buy, Action::Hold] {
            let vacuum = given.judge(action, dec!(110016), dec!(110025));
            assert!(matches!(vacuum, Err(ReplyError::InVacuum { .. })), "{vacuum:?}");
            let fleeting = given.judge(action, dec!(110105), dec!(110115));
            assert!(
                matches!(fleeting, Err(ReplyError::OnlyFleeting { .. })),
                "{fleeting:?}"
            );
            assert_eq!(given.judge(action, dec!(110105), dec!(110140)), Ok(()));
        }
        // A range that reaches out of the vacuum has room for orders.
        assert_eq!(given.judge(Action::Buy, dec!(110010), dec!(110025)), Ok(()));
    }
}

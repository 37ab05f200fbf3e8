//! What was stored last, to be stored again if Redis forgot it. Pure.
//!
//! A Redis that crashes may forget its last second: whole elements, but also that a minute was amended or
//! turned out to lack a trade. Then its older version stands there again, and may say that it is complete.

use std::collections::VecDeque;

use strategy_core::model::MinuteFootprint;
use strategy_core::store::{WindowChange, WindowImage};
use strategy_core::time::Minute;

use crate::minutes::KEPT_MINUTES;

/// Most versions that are kept; of one minute only the last.
const KEPT: usize = 8;

/// What Redis has forgotten.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Minutes to be stored again.
    pub(crate) minutes: Vec<MinuteFootprint>,
    /// Minutes whose stored version is known to be wrong.
    pub(crate) invalid: Vec<Minute>,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    versions: VecDeque<MinuteFootprint>,
}

impl Recent {
    /// Notes what was stored; `window` is as it is since then. What left it is in a file, and not expected there.
    pub(crate) fn note(&mut self, changes: Vec<WindowChange>, window: &WindowImage) {
        let newest = window.newest();
        for change in changes {
            let (footprint, replaced) = match change {
                WindowChange::Prepend(footprint) | WindowChange::Append(footprint) => (footprint, false),
                WindowChange::Replace(_, footprint) => (footprint, true),
            };
            self.versions.retain(|kept| kept.minute != footprint.minute);
            // Where older ones are missing they are asked for again as history.
            let young = newest.is_none_or(|newest| footprint.minute >= newest.offset(-KEPT_MINUTES));
            if (footprint.complete && young) || (!footprint.complete && replaced) {
                self.versions.push_back(footprint);
            }
        }
        if let Some(oldest) = window.oldest() {
            self.versions.retain(|kept| kept.minute >= oldest);
        }
        while self.versions.len() > KEPT {
            self.versions.pop_front();
        }
    }

    /// What a window that was just loaded does not have any more.
    pub(crate) fn forgotten_in(&self, window: &WindowImage) -> Forgotten {
        let mut forgotten = Forgotten::default();
        for version in &self.versions {
            let last_id = version.trade_ids.map(|ids| ids.last);
            // Whatever is added to a minute later has a higher id.
            let stored = window
                .state(version.minute)
                .filter(|state| state.complete)
                .map(|state| state.last_trade_id);
            match stored {
                Some(stored) if !version.complete && stored <= last_id => {
                    forgotten.invalid.push(version.minute);
                }
                Some(stored) if version.complete && stored < last_id => {
                    forgotten.minutes.push(version.clone());
                }
                None if version.complete => forgotten.minutes.push(version.clone()),
                _ => {}
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strategy_core::model::IdRange;

    fn minute(number: i64, last_id: u64, complete: bool) -> MinuteFootprint {
        let mut footprint = MinuteFootprint::empty(Minute::from_number(number).unwrap(), complete);
        footprint.trade_ids = Some(IdRange {
            first: 1,
            last: last_id,
        });
        footprint
    }

    fn window(minutes: &[MinuteFootprint]) -> WindowImage {
        let batch = minutes
            .iter()
            .map(|minute| (minute.minute, minute.clone()))
            .collect();
        WindowImage::default().plan(batch, 10).after
    }

    /// What was stored as the last thing, and what stands in Redis after its crash.
    fn forgotten(stored: MinuteFootprint, after_crash: &[MinuteFootprint]) -> Forgotten {
        let mut recent = Recent::default();
        let before = window(std::slice::from_ref(&stored));
        recent.note(vec![WindowChange::Replace(0, stored)], &before);
        recent.forgotten_in(&window(after_crash))
    }

    #[test]
    fn a_forgotten_element_or_completion_is_stored_again() {
        let whole = minute(5, 20, true);
        let again = Forgotten {
            minutes: vec![whole.clone()],
            invalid: Vec::new(),
        };
        assert_eq!(forgotten(whole.clone(), &[minute(4, 9, true)]), again);
        assert_eq!(forgotten(whole.clone(), &[minute(5, 20, false)]), again);
        assert_eq!(
            forgotten(whole.clone(), std::slice::from_ref(&whole)),
            Forgotten::default()
        );
    }

    #[test]
    fn a_forgotten_amendment_is_made_again() {
        let amended = minute(5, 21, true);
        let found = forgotten(amended.clone(), &[minute(5, 20, true)]);
        assert_eq!(found.minutes, [amended]);
    }

    #[test]
    fn a_minute_that_was_found_to_lack_trades_does_not_become_whole_by_a_crash() {
        let found = forgotten(minute(5, 20, false), &[minute(5, 20, true)]);
        assert_eq!(found.invalid, [minute(5, 20, true).minute]);
        // Mended since, and that was not forgotten.
        assert_eq!(
            forgotten(minute(5, 20, false), &[minute(5, 21, true)]),
            Forgotten::default()
        );
    }

    #[test]
    fn what_left_the_window_is_not_forgotten() {
        let (mut recent, mut image) = (Recent::default(), WindowImage::default());
        for number in 0..6 {
            let turned = minute(number, 20, true);
            image = image.plan([(turned.minute, turned.clone())].into(), 1).after;
            recent.note(vec![WindowChange::Prepend(turned)], &image);
        }
        assert_eq!(recent.forgotten_in(&image), Forgotten::default());
        // The turn itself was forgotten: the minute before stands there again.
        let found = recent.forgotten_in(&window(&[minute(4, 20, true)]));
        assert_eq!(found.minutes, [minute(5, 20, true)]);
    }

    #[test]
    fn only_the_last_version_of_a_few_minutes_is_kept() {
        let mut recent = Recent::default();
        let mut image = WindowImage::default();
        for number in 0..100 {
            let versions = [7, 8].map(|last_id| minute(number, last_id, true));
            image = image
                .plan([(versions[0].minute, versions[0].clone())].into(), 10)
                .after;
            let [first, second] = versions;
            recent.note(vec![WindowChange::Prepend(first)], &image);
            recent.note(vec![WindowChange::Replace(0, second)], &image);
        }
        let forgotten = recent.forgotten_in(&WindowImage::default());
        assert_eq!(forgotten.minutes.len(), KEPT);
        assert!(
            forgotten
                .minutes
                .iter()
                .all(|minute| minute.trade_ids.unwrap().last == 8)
        );
    }
}

//! So many at once and no more. Pure.

use std::ops::ControlFlow;

/// Handles `first` and what follows it, at most `limit` in all: until nothing follows, or one says it was the last.
///
/// `next` is asked only for what will be handled: what was taken and then left would be lost.
pub(crate) fn take_some<S, T>(
    state: &mut S,
    limit: usize,
    first: T,
    next: impl Fn(&mut S) -> Option<T>,
    mut handle: impl FnMut(&mut S, T) -> ControlFlow<()>,
) {
    let mut item = first;
    for left in (0..limit).rev() {
        if handle(state, item).is_break() || left == 0 {
            return;
        }
        match next(state) {
            Some(following) => item = following,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// What is handled when everything there is comes in batches of four.
    fn handled(count: usize, last: usize) -> Vec<usize> {
        let mut waiting: VecDeque<usize> = (0..count).collect();
        let mut handled = Vec::new();
        let mut batches = 0;
        while let Some(first) = waiting.pop_front() {
            let before = handled.len();
            take_some(&mut waiting, 4, first, VecDeque::pop_front, |_, item| {
                handled.push(item);
                if item == last {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            assert!((1..=4).contains(&(handled.len() - before)));
            batches += 1;
            if handled.last() == Some(&last) {
                break;
            }
        }
        assert!(batches >= handled.len().div_ceil(4));
        handled
    }

    // The one after the last of a full batch was taken and dropped.
    #[test]
    fn nothing_between_two_batches_is_lost() {
        for count in 0..40 {
            assert_eq!(handled(count, usize::MAX), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_taken_after_the_last() {
        for last in 0..12 {
            assert_eq!(handled(40, last), (0..=last).collect::<Vec<_>>());
        }
    }
}

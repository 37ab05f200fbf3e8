//! How much of the work is done: all of it, or a part that only shows that it runs.

use std::time::Duration;

/// Shortest span in which anything is counted.
const SHORTEST: Duration = Duration::from_millis(500);

/// One part in so many of the work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share(u16);

impl Share {
    /// The n-th part; the whole with one.
    pub(crate) fn one_in(parts: u16) -> Self {
        Self(parts.max(1))
    }

    /// A span of time, of which half a second is left at least.
    pub(crate) fn of_time(self, whole: Duration) -> Duration {
        (whole / u32::from(self.0)).max(SHORTEST.min(whole))
    }

    /// A number of things, of which `least` are left.
    pub(crate) fn of(self, whole: u32, least: u32) -> u32 {
        (whole / u32::from(self.0)).max(least.min(whole))
    }

    /// How many times as fast as its clock a market goes whose real time is too long for a part.
    pub(crate) fn speed(self) -> f64 {
        f64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_the_whole() {
        let all = Share::one_in(1);
        assert_eq!(all.of_time(Duration::from_secs(8)), Duration::from_secs(8));
        assert_eq!(all.of(50, 1), 50);
        assert_eq!(Share::one_in(0).of(50, 1), 50);
    }

    #[test]
    fn a_part_is_never_less_than_what_can_be_measured_nor_more_than_the_whole() {
        let part = Share::one_in(40);
        assert_eq!(part.of_time(Duration::from_secs(80)), Duration::from_secs(2));
        assert_eq!(part.of_time(Duration::from_secs(8)), Duration::from_millis(500));
        assert_eq!(part.of_time(Duration::from_millis(20)), Duration::from_millis(20));
        assert_eq!((part.of(2880, 180), part.of(10_080, 180)), (180, 252));
        assert_eq!(part.of(3, 180), 3);
    }
}

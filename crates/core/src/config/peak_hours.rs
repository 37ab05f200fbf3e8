//! The hours of the day in which a vendor charges more.

use std::fmt;

/// Hours of the day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeakHours([bool; 24]);

impl PeakHours {
    /// Reads `01-04, 06-10`: from the start of the first hour to the start of the second; empty for none.
    ///
    /// `None` for anything else, also for stretches over midnight, which are written as two.
    pub fn parse(text: &str) -> Option<Self> {
        let mut hours = Self::default();
        if text.trim().is_empty() {
            return Some(hours);
        }
        for stretch in text.split(',') {
            let (from, to) = stretch.split_once('-')?;
            let hour = |text: &str| -> Option<usize> {
                let text = text.trim();
                let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse().ok().filter(|_| digits)
            };
            let (from, to) = (hour(from)?, hour(to)?);
            if from >= to {
                return None;
            }
            hours.0.get_mut(from..to)?.fill(true);
        }
        Some(hours)
    }

    /// True if the hour (0 to 23) is one of them.
    pub fn contains(&self, hour: u32) -> bool {
        usize::try_from(hour).is_ok_and(|hour| self.0.get(hour) == Some(&true))
    }
}

impl fmt::Display for PeakHours {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut hour = 0;
        while let Some(from) = (hour..24).find(|hour| self.0[*hour]) {
            let to = (from..24).find(|hour| !self.0[*hour]).unwrap_or(24);
            write!(formatter, "{separator}{from:02}-{to:02}")?;
            separator = ", ";
            hour = to;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_read_and_written() {
        for (text, written) in [
            ("01-04, 06-10", "01-04, 06-10"),
            ("6-10,1-4", "01-04, 06-10"),
            ("0-24", "00-24"),
            ("", ""),
            ("22-24,0-2,2-3", "00-03, 22-24"),
        ] {
            assert_eq!(PeakHours::parse(text).unwrap().to_string(), written, "{text}");
        }
        let hours = PeakHours::parse("01-04").unwrap();
        let inside = [0, 1, 3, 4, 24, 99].map(|hour| hours.contains(hour));
        assert_eq!(inside, [false, true, true, false, false, false]);
    }

    #[test]
    fn what_is_no_stretch_is_refused() {
        for text in [
            "4-1",
            "1-1",
            "1",
            "1-25",
            "-1-4",
            "a-b",
            "1-4,",
            "1:00-4:00",
            "001-4",
            "22-2",
            "+1-4",
        ] {
            assert_eq!(PeakHours::parse(text), None, "{text}");
        }
    }
}

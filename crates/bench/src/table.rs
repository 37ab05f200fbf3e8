//! The figures of one run, as a table.

use std::fmt::Write as _;
use std::time::Duration;

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) work: String,
    /// What the daemon took.
    pub(crate) ours: String,
    /// What the bare program took; empty without one.
    pub(crate) floor: String,
    /// Ours over the floor; empty without one.
    pub(crate) ratio: String,
    /// What was to be reached.
    pub(crate) goal: String,
    /// Whether it was.
    pub(crate) met: bool,
}

impl Row {
    /// A figure without a floor.
    pub(crate) fn alone(work: &str, ours: String, goal: &str, met: bool) -> Self {
        Self {
            work: work.to_owned(),
            ours,
            floor: String::new(),
            ratio: String::new(),
            goal: goal.to_owned(),
            met,
        }
    }
}

/// The table as it stands in `docs/benchmarks.md`.
pub(crate) fn text(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut text =
        "| work | measured | floor | ratio | goal | reached |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let Row {
            work,
            ours,
            floor,
            ratio,
            goal,
            met,
        } = row;
        let met = if *met { "yes" } else { "**no**" };
        writeln!(text, "| {work} | {ours} | {floor} | {ratio} | {goal} | {met} |")?;
    }
    Ok(text)
}

/// Median and the spread around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Self {
            lowest: at(0),
            median: at(figures.len() / 2),
            highest: at(figures.len().saturating_sub(1)),
        }
    }

    /// With its unit.
    pub(crate) fn text(self, unit: &str) -> String {
        let Self {
            lowest,
            median,
            highest,
        } = self;
        format!("{median:.2} {unit} ({lowest:.2}–{highest:.2})")
    }
}

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let spread = Spread::of(vec![9.0, 1.0, 2.5]);
        assert_eq!(spread.text("ms"), "2.50 ms (1.00–9.00)");
        let of_two = Spread::of(vec![4.0, 3.0]);
        assert_eq!(of_two.text("CPU s"), "4.00 CPU s (3.00–4.00)");
        assert_eq!(Spread::of(vec![0.125]).text("s"), "0.12 s (0.12–0.12)");
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        let spread = Spread::of(Vec::new());
        assert!(spread.lowest.is_nan() && spread.median.is_nan() && spread.highest.is_nan());
    }

    #[test]
    fn a_row_says_whether_its_goal_was_reached() {
        let reached = Row::alone("stop", "5 ms".to_owned(), "≤ 6 ms", true);
        let missed = Row {
            floor: "2 ms".to_owned(),
            ratio: "3.50".to_owned(),
            met: false,
            ..Row::alone("read", "7 ms".to_owned(), "≤ 3", true)
        };
        let text = text(&[reached, missed]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "| work | measured | floor | ratio | goal | reached |",
                "|---|---|---|---|---|---|",
                "| stop | 5 ms |  |  | ≤ 6 ms | yes |",
                "| read | 7 ms | 2 ms | 3.50 | ≤ 3 | **no** |",
            ]
        );
    }

    #[test]
    fn times_are_shown_in_milliseconds() {
        assert!((ms(Duration::from_micros(1_500)) - 1.5).abs() < 1e-9);
    }
}

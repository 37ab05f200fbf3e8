//! The figures of one run, as a table.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

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

/// Prints the table as it stands in `docs/benchmarks.md`.
pub(crate) fn print(rows: &[Row]) {
    println!("\n| work | measured | floor | ratio | goal | reached |");
    println!("|---|---|---|---|---|---|");
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
        println!("| {work} | {ours} | {floor} | {ratio} | {goal} | {met} |");
    }
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

//! The text of one page: `# HELP`, `# TYPE` and samples. Pure.

use std::fmt::{Display, Write as _};

use crate::store::{Latencies, StoreMeter};

/// In front of every name.
const PREFIX: &str = "strategy_agent_";

/// A page that is being written. Names are given without the common beginning.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// A page that begins with the program, its version and its market.
    pub fn of(program: &str, symbol: &str) -> Self {
        let mut page = Self::default();
        page.head("build_info", "gauge", "The program, its version and its market.");
        let version = env!("CARGO_PKG_VERSION");
        let labels = [("program", program), ("version", version), ("symbol", symbol)];
        page.sample("build_info", &labels, 1);
        page
    }

    /// A number that only grows while the program runs; `name` ends with `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// Counters that differ in their labels.
    pub fn counters<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, V)>,
    ) {
        self.head(name, "counter", help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// Numbers that go up and down and differ in their labels.
    pub fn gauges<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, V)>,
    ) {
        self.head(name, "gauge", help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A number that goes up and down, left out while it is not known.
    pub fn known_gauge(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    /// How long something took, in seconds.
    pub fn latencies(&mut self, name: &str, help: &str, latencies: &Latencies) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (limit, count) in &latencies.buckets {
            self.sample(&bucket, &[("le", &limit.as_secs_f64().to_string())], count);
        }
        self.sample(&bucket, &[("le", "+Inf")], latencies.count);
        self.sample(&format!("{name}_sum"), &[], latencies.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &[], latencies.count);
    }

    /// How Redis answers.
    pub fn redis(&mut self, meter: &StoreMeter) {
        self.latencies(
            "redis_command_duration_seconds",
            "How long Redis took to answer.",
            &meter.latencies(),
        );
        self.counter(
            "redis_failures_total",
            "Commands refused or not answered.",
            meter.failures(),
        );
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail, here and below.
        let _infallible = writeln!(
            self.0,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.extend([PREFIX, name]);
        for (place, (label, text)) in labels.iter().enumerate() {
            let open = if place == 0 { '{' } else { ',' };
            let _infallible = write!(self.0, "{open}{label}=\"{}\"", label_value(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _infallible = writeln!(self.0, " {value}");
    }
}

/// A label's value as the format wants it.
fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.counter("trades_total", "Trades.", 7);
        page.counters("outcomes_total", "Lines.", [(vec![("action", "a\"\\\n")], 2)]);
        page.known_gauge("age_seconds", "Age.", None::<u64>);
        let latencies = Latencies {
            buckets: vec![(Duration::from_millis(5), 3)],
            count: 4,
            sum: Duration::from_millis(1500),
        };
        page.latencies("redis_seconds", "Redis.", &latencies);
        assert_eq!(
            page.into_text(),
            r#"# HELP strategy_agent_trades_total Trades.
# TYPE strategy_agent_trades_total counter
strategy_agent_trades_total 7
# HELP strategy_agent_outcomes_total Lines.
# TYPE strategy_agent_outcomes_total counter
strategy_agent_outcomes_total{action="a\"\\\n"} 2
# HELP strategy_agent_redis_seconds Redis.
# TYPE strategy_agent_redis_seconds histogram
strategy_agent_redis_seconds_bucket{le="0.005"} 3
strategy_agent_redis_seconds_bucket{le="+Inf"} 4
strategy_agent_redis_seconds_sum 1.5
strategy_agent_redis_seconds_count 4
"#
        );
    }
}

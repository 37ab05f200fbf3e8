//! Log lines: to standard error and, the same, to the log file both programs share.
//!
//! `program` installs it once. What must stay true: a line is one line whatever is in it; a failing disk
//! or a reader of standard error that stalls never stops or delays the program for long; no line of a
//! crate that may print secrets is let through. What is logged, and how it is worded, is up to the callers.

mod console;
mod line;

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};

pub use self::line::chain as error_chain;

use self::console::Console;
use self::line::{Fields, Line};
use crate::config::LoggingConfig;
use crate::rotating_file::RotatingFile;
use crate::time::{Clock, SystemClock};

/// Logs the bodies it cannot read, and with them what the model or a proxy sent back.
const SILENCED: &str = "async_openai";

/// Target of events that are no log lines: their message is shown below the log while standard error is a
/// terminal, in place of the one before. An empty message takes it away.
pub const PROGRESS: &str = "progress";

/// Libraries whose own `debug` and `trace` lines say nothing about this program.
const QUIETED: [&str; 9] = [
    "h2",
    "hyper",
    "hyper_util",
    "redis",
    "reqwest",
    "rustls",
    "tokio_tungstenite",
    "tower",
    "tungstenite",
];

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// Logging was set up before.
    #[error("logging is set up already")]
    AlreadyInstalled(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Keeps logging alive; when dropped, waits a moment for lines that are on their way to standard error.
#[derive(Debug)]
pub struct Telemetry {
    sinks: Arc<Sinks>,
}

impl Telemetry {
    /// Lines that are missing in the log file because the disk refused them.
    pub fn lost_lines(&self) -> u64 {
        self.sinks.file().lost
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.sinks.console.flush();
    }
}

/// Sets up logging for the whole process, panics included.
///
/// # Errors
/// When it was set up before.
pub fn install(program: &'static str, logging: &LoggingConfig) -> Result<Telemetry, TelemetryError> {
    let file = RotatingFile::new(&logging.file_path, logging.max_file_size(), logging.backup_count);
    let sinks = Arc::new(Sinks {
        program,
        console: Console::new(io::stderr(), io::stderr().is_terminal()),
        file: Mutex::new(FileSink::new(file)),
    });
    let subscriber = subscriber(Arc::clone(&sinks), logging.level);
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::AlreadyInstalled)?;
    log_panics();
    Ok(Telemetry { sinks })
}

fn subscriber(sinks: Arc<Sinks>, level: LevelFilter) -> impl Subscriber + Send + Sync {
    let mut targets = Targets::new()
        .with_default(level)
        .with_target(SILENCED, LevelFilter::OFF);
    for quieted in QUIETED {
        targets = targets.with_target(quieted, level.min(LevelFilter::WARN));
    }
    Registry::default().with(Lines { sinks }.with_filter(targets))
}

/// A panic becomes a log line, so that it is in the file too.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panicked: {message}");
    }));
}

/// Where lines go.
#[derive(Debug)]
struct Sinks {
    program: &'static str,
    console: Console,
    file: Mutex<FileSink>,
}

/// The log file and how it is doing.
#[derive(Debug)]
struct FileSink {
    file: RotatingFile,
    failing: bool,
    lost: u64,
}

impl FileSink {
    fn new(file: RotatingFile) -> Self {
        Self {
            file,
            failing: false,
            lost: 0,
        }
    }

    /// Appends a line; says what there is to say when the file starts or stops failing.
    fn append(&mut self, line: &str) -> Option<String> {
        match self.file.append(line.as_bytes()) {
            Ok(()) if self.failing => {
                self.failing = false;
                Some(format!(
                    "the log file is written again, {} lines are missing in it",
                    self.lost
                ))
            }
            Ok(()) => None,
            Err(error) => {
                self.lost += 1;
                let news = !self.failing;
                self.failing = true;
                news.then(|| format!("the log file cannot be written: {error}"))
            }
        }
    }
}

impl Sinks {
    fn file(&self) -> MutexGuard<'_, FileSink> {
        // A panic while a line was written leaves nothing half done that matters.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) {
        // Both under one lock, so that both have the lines in the same order.
        let mut file = self.file();
        self.console.send(line.text(self.console.is_terminal()));
        let news = file.append(&line.text(false));
        drop(file);
        if let Some(news) = news {
            let line = Line::new(
                SystemClock.now(),
                tracing::Level::ERROR,
                self.program,
                "",
                &Fields::of_message(&news),
            );
            self.console.send(line.text(self.console.is_terminal()));
        }
    }
}

/// Turns events into lines.
struct Lines {
    sinks: Arc<Sinks>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if event.metadata().target() == PROGRESS {
            self.sinks.console.show_progress(fields.into_message());
            return;
        }
        let mut spans = String::new();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            spans.push_str(span.name());
            if let Some(of_span) = span.extensions().get::<Fields>() {
                of_span.append_braced(&mut spans);
            }
            spans.push(' ');
        }
        let metadata: &Metadata<'_> = event.metadata();
        let line = Line::new(
            SystemClock.now(),
            *metadata.level(),
            self.sinks.program,
            &spans,
            &fields,
        );
        self.sinks.write(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use super::*;

    fn sinks(path: &Path) -> Arc<Sinks> {
        Arc::new(Sinks {
            program: "analyzer",
            console: Console::new(io::sink(), false),
            file: Mutex::new(FileSink::new(RotatingFile::new(path, 1_000_000, 1))),
        })
    }

    fn logged(level: LevelFilter, log: impl FnOnce()) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        tracing::subscriber::with_default(subscriber(sinks(&path), level), log);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // Without the time, which is 27 characters long.
        text.lines().map(|line| line[28..].to_owned()).collect()
    }

    #[test]
    fn an_event_is_one_line_with_its_spans_and_fields() {
        let lines = logged(LevelFilter::INFO, || {
            let span = tracing::info_span!("cycle", id = 7, symbol = "BTCFDUSD");
            let _guard = span.enter();
            let error = io::Error::other("a \u{1b}[31mb");
            tracing::info!(text = "two\nlines", count = 3, "written");
            tracing::warn!(error = &error as &dyn std::error::Error, "failed");
            tracing::debug!("not shown");
        });
        assert_eq!(
            lines,
            [
                " INFO analyzer cycle{id=7 symbol=BTCFDUSD} written text=two\\nlines count=3",
                " WARN analyzer cycle{id=7 symbol=BTCFDUSD} failed error=\"a \\u{1b}[31mb\"",
            ]
        );
    }

    #[test]
    fn the_client_library_that_logs_bodies_is_silent() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::error!(target: "async_openai::error", "body");
            tracing::debug!(target: "h2::client", "frame");
            tracing::warn!(target: "h2::client", "broken");
        });
        assert_eq!(lines, [" WARN analyzer broken"]);
    }

    #[test]
    fn a_failing_file_is_reported_once_per_change_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let blocker = directory.path().join("logs");
        std::fs::File::create(&blocker).unwrap().write_all(b"x").unwrap();
        let mut sink = FileSink::new(RotatingFile::new(&blocker.join("app.log"), 1000, 1));
        assert!(sink.append("one\n").unwrap().contains("cannot be written"));
        assert_eq!(sink.append("two\n"), None);
        std::fs::remove_file(&blocker).unwrap();
        assert!(sink.append("three\n").unwrap().contains("2 lines are missing"));
        assert_eq!(sink.append("four\n"), None);
    }
}

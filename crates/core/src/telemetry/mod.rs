//! Log lines: to standard error and, the same, to the log file both programs share.
//!
//! `program` installs it once. What must stay true: a line is one line whatever is in it; a failing disk
//! or a reader of standard error that stalls never stops or delays the program for long; no line of a
//! crate that may print secrets is let through. What is logged, and how it is worded, is up to the callers.

mod console;
mod file;
mod line;

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};

pub use self::line::chain as error_chain;

use self::console::Console;
use self::file::{FileSink, News};
use self::line::{Fields, Form, Line};
use crate::config::{Environment, LoggingConfig};
use crate::time::{Clock, SystemClock};

/// Logs the bodies it cannot read, and with them what the model or a proxy sent back.
const SILENCED: &str = "async_openai";

/// Variable in which systemd says which stream its journal reads, as device and inode (`man systemd.exec`, 2026-11).
const JOURNAL_MARK: &str = "JOURNAL_STREAM";

/// Standard error as a file.
const STANDARD_ERROR: &str = "/proc/self/fd/2";

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
    /// How the log file is doing.
    pub fn log_file(&self) -> LogFile {
        LogFile(Some(Arc::clone(&self.sinks)))
    }
}

/// How the log file is doing, for the status; the default is that of a program without one.
#[derive(Debug, Clone, Default)]
pub struct LogFile(Option<Arc<Sinks>>);

impl LogFile {
    /// What is wrong with it and since when; none while lines get into it. A file that failed is tried first.
    pub fn trouble(&self) -> Option<String> {
        self.0.as_ref()?.trouble()
    }

    /// Lines that are missing in it because the disk refused them.
    pub fn lost_lines(&self) -> u64 {
        self.0.as_ref().map_or(0, |sinks| sinks.file().lost())
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
pub fn install(
    program: &'static str,
    logging: &LoggingConfig,
    environment: &Environment,
) -> Result<Telemetry, TelemetryError> {
    let path = logging.file_path.clone();
    let file = FileSink::new(path, logging.max_file_size(), logging.backup_count);
    let sinks = Arc::new(Sinks {
        program,
        console: Console::new(io::stderr(), form(environment)),
        file: Mutex::new(file),
    });
    let subscriber = subscriber(Arc::clone(&sinks), logging.level);
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::AlreadyInstalled)?;
    log_panics();
    Ok(Telemetry { sinks })
}

/// What reads standard error: a terminal, systemd's journal, or something else.
fn form(environment: &Environment) -> Form {
    if io::stderr().is_terminal() {
        return Form::Colours;
    }
    // The journal's mark names the stream it reads, so that it does not count for a program whose standard error was sent elsewhere.
    let mark = environment.get(JOURNAL_MARK);
    let stream = std::fs::metadata(STANDARD_ERROR);
    match (mark, stream) {
        (Some(mark), Ok(stream)) if *mark == format!("{}:{}", stream.dev(), stream.ino()) => Form::Journal,
        _ => Form::Plain,
    }
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

impl Sinks {
    fn file(&self) -> MutexGuard<'_, FileSink> {
        // A panic while a line was written leaves nothing half done that matters.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) {
        // Both under one lock, so that both have the lines in the same order.
        let mut file = self.file();
        self.console.send(line);
        let now = SystemClock.now();
        let news = file.append(&line.text(Form::Plain), now);
        if let Some(News::Recovered(words)) = &news {
            // A reader of the file learns what is missing where it is missing, nearly.
            let _told = file.append(&self.line(tracing::Level::WARN, words).text(Form::Plain), now);
        }
        drop(file);
        self.tell(news);
    }

    /// What is wrong with the log file, which is tried again before.
    fn trouble(&self) -> Option<String> {
        let mut file = self.file();
        let now = SystemClock.now();
        let news = file.retry(now, |words| {
            self.line(tracing::Level::WARN, words).text(Form::Plain)
        });
        let trouble = file.trouble(now);
        drop(file);
        self.tell(news);
        trouble
    }

    /// Says on standard error that the log file begins or ceases to fail.
    fn tell(&self, news: Option<News>) {
        let line = match news {
            None => return,
            Some(News::Fails(words)) => self.line(tracing::Level::ERROR, &words),
            Some(News::Recovered(words)) => self.line(tracing::Level::WARN, &words),
        };
        self.console.send(&line);
    }

    fn line(&self, level: tracing::Level, words: &str) -> Line {
        Line::new(
            SystemClock.now(),
            level,
            self.program,
            "",
            &Fields::of_message(words),
        )
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
    use std::path::Path;

    use super::*;

    fn sinks(path: &Path) -> Arc<Sinks> {
        Arc::new(Sinks {
            program: "analyzer",
            console: Console::new(io::sink(), Form::Plain),
            file: Mutex::new(FileSink::new(path.to_owned(), 1_000_000, 1)),
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
}

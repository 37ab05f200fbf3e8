//! Standard error behind a thread, so that a reader that stalls never stalls the program.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use super::line::{Form, Line};

/// Lines waiting for the reader. When it is full, further lines are dropped here (they are in the file)
/// and counted.
const QUEUE: usize = 4096;

/// Longest wait for waiting lines when the program ends.
const FLUSH: Duration = Duration::from_millis(300);

/// Goes to the start of the terminal's line and clears it.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// The sending end.
#[derive(Debug)]
pub(super) struct Console {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    form: Form,
}

enum Message {
    Line(String),
    Progress(String),
    Flush(SyncSender<()>),
}

impl Console {
    /// Starts the thread that writes to `output`, which shows lines of this form.
    pub(super) fn new(mut output: impl Write + Send + 'static, form: Form) -> Self {
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        // Not a task: it may block. It ends with the process.
        thread::spawn(move || {
            let mut progress = String::new();
            for message in receiver {
                match message {
                    // A closed standard error cannot be reported anywhere; the file has the line.
                    Message::Line(line) if progress.is_empty() => drop(output.write_all(line.as_bytes())),
                    Message::Line(line) => drop(write!(output, "{CLEAR_LINE}{line}{progress}")),
                    Message::Progress(text) => {
                        progress = text;
                        drop(write!(output, "{CLEAR_LINE}{progress}").and_then(|()| output.flush()));
                    }
                    Message::Flush(done) => drop(done.try_send(())),
                }
                let lost = counter.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    drop(writeln!(
                        output,
                        "{lost} log lines were dropped here: standard error is read too slowly"
                    ));
                }
            }
        });
        Self {
            sender,
            dropped,
            form,
        }
    }

    /// Hands a line over without waiting.
    pub(super) fn send(&self, line: &Line) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line.text(self.form))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Shows a text below the lines, in place of the last one; only on a terminal.
    pub(super) fn show_progress(&self, text: String) {
        if self.form == Form::Colours {
            // One that does not fit into the queue is followed by another.
            let _full = self.sender.try_send(Message::Progress(text));
        }
    }

    /// Waits until everything handed over was written, at most [`FLUSH`].
    pub(super) fn flush(&self) {
        let (sender, receiver) = mpsc::sync_channel(1);
        if self.sender.try_send(Message::Flush(sender)).is_ok() {
            // Late or not: the program ends now.
            let _late = receiver.recv_timeout(FLUSH);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use chrono::DateTime;
    use tracing::Level;

    use super::super::line::Fields;
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(message: &str) -> Line {
        let fields = Fields::of_message(message);
        Line::new(DateTime::UNIX_EPOCH, Level::WARN, "", "", &fields)
    }

    #[test]
    fn lines_arrive_in_order_and_flush_waits_for_them() {
        let output = Shared::default();
        let console = Console::new(output.clone(), Form::Plain);
        for number in 0..100 {
            console.send(&line(&number.to_string()));
        }
        console.flush();
        let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        let words = text.lines().filter_map(|line| line.split(' ').next_back());
        let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn progress_stays_below_the_lines_of_a_terminal_and_is_nowhere_else() {
        let shown = |form| line("words").text(form);
        let clear = "\r\u{1b}[K";
        for (form, expected) in [
            (
                Form::Colours,
                format!("{clear}50 %{clear}{}50 %{clear}", shown(Form::Colours)),
            ),
            (Form::Plain, shown(Form::Plain)),
            (Form::Journal, shown(Form::Journal)),
        ] {
            let output = Shared::default();
            let console = Console::new(output.clone(), form);
            console.show_progress("50 %".to_owned());
            console.send(&line("words"));
            console.show_progress(String::new());
            console.flush();
            assert_eq!(
                String::from_utf8(output.0.lock().unwrap().clone()).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn a_reader_that_stalls_stops_nobody() {
        let output = Shared::default();
        let stalled = output.0.lock().unwrap();
        let console = Console::new(output.clone(), Form::Plain);
        for _ in 0..2 * QUEUE {
            console.send(&line("words"));
        }
        assert!(console.dropped.load(Ordering::Relaxed) >= QUEUE as u64 - 1);
        drop(stalled);
    }
}

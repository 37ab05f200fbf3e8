//! A local clock that can be set while a program runs, by the library `libfaketime`.
#![expect(clippy::disallowed_types, reason = "it runs a program")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};

/// The local clock of programs started with its environment. Time that only passes is not touched.
#[derive(Debug)]
pub struct LocalClock {
    library: String,
    file: PathBuf,
}

impl LocalClock {
    /// A clock that shows the machine's time; what it shows is told by a file in `directory`.
    pub fn new(directory: &Path) -> Self {
        // The program knows where its library is.
        let asked = Command::new("faketime")
            .args(["-m", "-f", "+0s", "printenv", "LD_PRELOAD"])
            .env_remove("LD_PRELOAD")
            .output()
            .expect("`faketime` is installed, as `cargo xtask test` does");
        let library = String::from_utf8(asked.stdout).expect("a path").trim().to_owned();
        assert!(
            !library.is_empty(),
            "`faketime` does not say where its library is"
        );
        let clock = Self {
            library,
            file: directory.join("local_clock"),
        };
        clock.set(0);
        clock
    }

    /// Shows the machine's time and so many seconds more, from now on.
    pub fn set(&self, seconds: i64) {
        self.write(&format!("{seconds:+}s\n"));
    }

    fn write(&self, text: &str) {
        let next = self.file.with_extension("next");
        fs::write(&next, text).expect("the file can be written");
        fs::rename(&next, &self.file).expect("the file can be replaced");
    }

    /// Shows this time from the start of a program on, and so many seconds for each that passes.
    pub fn run(&self, start: DateTime<Utc>, speed: f64) {
        self.write(&format!("@{} x{speed}\n", start.format("%Y-%m-%d %H:%M:%S")));
    }

    /// What a program must be started with.
    pub fn environment(&self) -> [(&str, &str); 5] {
        [
            ("LD_PRELOAD", &self.library),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.file.to_str().expect("a path in UTF-8"),
            ),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]
    }
}

//! Files: minutes, books, records of the model, the day's cost, the recommendation log.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use analyzer::explain::{Question, default_settings, explain};
use analyzer::journal::Journal;
use analyzer::llm::recording::Recording;
use analyzer::purse::Purse;
use chrono::DateTime;
use strategy_core::archive::Archive;
use strategy_core::symbol::Symbol;
use strategy_core::time::Minute;

/// A directory of this process, in memory where there is such a place.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let place = base.join(format!("fuzz-files-{}", std::process::id()));
    std::fs::create_dir_all(place.join("minutes")).expect("a directory");
    place
});

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let symbol = Symbol::new("BTCFDUSD").expect("a symbol");
    let write = |name: &str| {
        let path = PLACE.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    match kind % 5 {
        0 => {
            let minutes = PLACE.join("minutes");
            let minute = Minute::from_number(29_396_534).expect("a minute");
            let archive = Archive::new(&minutes, symbol);
            std::fs::write(archive.path_of(minute), bytes).expect("a file");
            if let Ok(Some(found)) = archive.read(minute) {
                drop(archive.file(&found));
            }
            drop(archive.incomplete_since(Minute::EPOCH));
            look(None, Some(&minutes));
        }
        1 => look(Some(&write("book.json")), None),
        2 => {
            if let Ok(recording) = Recording::load(&write("model.jsonl")) {
                assert!(!recording.is_empty());
                drop(recording.only(&symbol));
            }
        }
        3 => {
            write("model_spending_btcfdusd.json");
            let purse = Purse::beside(&PLACE.join("x.log"), &symbol, DateTime::UNIX_EPOCH);
            drop(purse);
        }
        _ => {
            write("trading_recommendations_btcfdusd.log");
            let lines = Journal::beside(&PLACE.join("x.log"), &symbol).tail();
            assert!(lines.iter().all(|line| !line.contains('\n')));
        }
    }
});

fn look(snapshot: Option<&Path>, minutes: Option<&Path>) {
    let config = default_settings().expect("the defaults");
    let question = Question {
        snapshot,
        minutes,
        symbol: None,
        at: None,
    };
    drop(explain(&question, &config));
}

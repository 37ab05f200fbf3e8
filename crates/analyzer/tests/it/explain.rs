//! `analyzer explain` on recorded files: what it prints, byte for byte, and what it says of files it cannot use.
#![expect(clippy::disallowed_types, reason = "it runs a program")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use strategy_core::model::MinuteFootprint;
use strategy_core::store::{encode_depth, encode_minute_pretty};
use tempfile::TempDir;

use crate::fixtures::{captured_minutes, moved_minutes, recorded_book, recorded_minutes, symbol};

const BOOK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/fixtures/btcusdt_depth5000_20250414T000000Z.json.gz"
);

/// Runs it in a directory of its own, so that no configuration is found.
fn explain(arguments: &[&str]) -> Output {
    let elsewhere = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_analyzer"))
        .current_dir(elsewhere.path())
        .env_clear()
        .envs(crate::world::coverage())
        .arg("explain")
        .args(arguments)
        .output()
        .unwrap()
}

fn storage(name: &str, minutes: &[MinuteFootprint]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for minute in minutes {
        let file = format!("trades_{}.json", minute.minute.file_stamp());
        let text = encode_minute_pretty(&symbol(name), minute).unwrap();
        fs::write(directory.path().join(file), text).unwrap();
    }
    directory
}

/// Compares with a committed text. After a change that is meant, look at the difference and copy the file named in
/// the failure over the golden one.
fn check_golden(name: &str, output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let path = format!("{}/tests/it/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let golden = fs::read(&path).unwrap_or_default();
    if output.stdout != golden {
        let found = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        fs::write(&found, &output.stdout).unwrap();
        panic!("the text differs from {path}; what was found is in {found}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_recorded_book_and_minutes_are_explained() {
    let minutes = storage("BTCUSDT", &moved_minutes());
    let minutes = text(minutes.path());
    let output = explain(&["--snapshot", BOOK, "--minutes", minutes]);
    check_golden("explain_book.txt", &output);
    // The stored form of the same book gives the same levels.
    let stored = tempfile::tempdir().unwrap();
    let file = stored.path().join("book.json");
    fs::write(&file, encode_depth(&recorded_book()).unwrap()).unwrap();
    let again = explain(&["--snapshot", text(&file), "--minutes", minutes]);
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn recorded_minutes_are_explained_without_a_book() {
    let minutes = storage("BTCFDUSD", &recorded_minutes());
    check_golden(
        "explain_minutes.txt",
        &explain(&["--minutes", text(minutes.path())]),
    );
    let minutes = storage("BTCUSDT", &captured_minutes());
    check_golden(
        "explain_capture.txt",
        &explain(&["--minutes", text(minutes.path())]),
    );
}

#[test]
fn the_one_row_rule_can_be_asked_for() {
    let minutes = storage("BTCFDUSD", &recorded_minutes());
    let area = |options: &[&str]| {
        let output = explain(&[&["--minutes", text(minutes.path())], options].concat());
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("value area")).unwrap();
        line.split_once("value area ").unwrap().1.to_owned()
    };
    let two_row = "111520 to 111726 (two-row rule) with 190.40146 of 270.8159 (70.3 %)";
    assert_eq!(area(&[]), two_row);
    assert_eq!(area(&["--value-area", "two-row"]), two_row);
    let one_row = area(&["--value-area", "one-row"]);
    assert!(
        one_row.contains("(one-row rule)") && !one_row.starts_with("111520 to 111726"),
        "{one_row}"
    );
}

// The heading named the market of the defaults, and what only trades can tell was printed as zeros.
#[test]
fn a_book_alone_has_a_market_only_where_one_is_stated_and_no_flow() {
    let at = ["--at", "2025-04-14T00:00:00Z"];
    let explained = |options: &[&str]| {
        let output = explain(&[&["--snapshot", BOOK], &at[..], options].concat());
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = explained(&[]);
    assert!(
        text.starts_with("market not stated, as of 2025-04-14 00:00:00 UTC\n"),
        "{text}"
    );
    assert!(!text.contains("BTCFDUSD") && !text.contains(" delta "), "{text}");
    assert!(
        !text.contains("never tested") && !text.contains("span of a minute"),
        "{text}"
    );
    let flow = "no minutes of trades: there is no flow";
    for expected in [
        format!("\n  {flow}\n\nRESISTANCE"),
        format!("\nTRADED VOLUME\n  {flow}, so neither point of control, value area,"),
        format!("say the same\n  {flow}"),
        format!("\n      tests: {flow}\n"),
    ] {
        assert!(text.contains(&expected), "{expected:?} in {text}");
    }
    let stated = explained(&["--symbol", "BTCUSDT"]);
    assert_eq!(
        stated.replacen("BTCUSDT as of", "market not stated, as of", 1),
        text
    );
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], name: &str, reason: &str| {
        let output = explain(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(output.stdout.is_empty());
        assert!(errors.contains(name) && errors.contains(reason), "{errors}");
    };
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path).to_owned()
    };
    let of = |book: &str| file("book.json", book.as_bytes());
    refused(&["--snapshot", "absent.json"], "absent.json", "No such file");
    refused(
        &["--snapshot", &of("[1, 2")],
        "book.json",
        "neither a depth answer",
    );
    refused(
        &["--snapshot", &of("{\"bids\": []}")],
        "book.json",
        "lastUpdateId",
    );
    refused(
        &[
            "--snapshot",
            &of(r#"{"lastUpdateId":1,"bids":[["2","1"]],"asks":[["1","1"]]}"#),
        ],
        "book.json",
        "crossed",
    );
    refused(
        &[
            "--snapshot",
            &of(r#"{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}"#),
        ],
        "book.json",
        "not a valid order book",
    );
    refused(
        &["--snapshot", &file("book.json.gz", b"{}")],
        "book.json.gz",
        "cannot be read",
    );
    refused(
        &["--minutes", text(directory.path())],
        text(directory.path()),
        "trades_*.json",
    );
    file(
        "trades_20250414_0000.json",
        b"{\"timestamp\":\"2025-04-14T00:00:40\"}",
    );
    refused(
        &["--minutes", text(directory.path())],
        "trades_20250414_0000.json",
        "not a document of the layout",
    );
    let minutes = storage("BTCFDUSD", &recorded_minutes()[..1]);
    refused(
        &["--minutes", text(minutes.path()), "--symbol", "BTCUSDT"],
        "trades_20251025_1624.json",
        "BTCFDUSD, but BTCUSDT is asked for",
    );
    assert_eq!(explain(&[]).status.code(), Some(2));
}

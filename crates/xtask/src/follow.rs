//! Follows the recommendation log and prints each line so that a person can read it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

/// A log that is read as it grows.
pub(crate) struct Follower {
    path: PathBuf,
    offset: u64,
    partial: String,
}

impl Follower {
    /// Begins at the end of what is there.
    pub(crate) fn new(path: &Path) -> Self {
        let offset = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Self {
            path: path.to_owned(),
            offset,
            partial: String::new(),
        }
    }

    /// The lines that were added since the last call, made readable.
    pub(crate) fn lines(&mut self) -> Result<Vec<String>> {
        let Ok(mut file) = File::open(&self.path) else {
            return Ok(Vec::new());
        };
        if file.metadata()?.len() < self.offset {
            // It was moved away and begun anew.
            self.offset = 0;
            self.partial.clear();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        self.offset += bytes.len() as u64;
        self.partial.push_str(&String::from_utf8_lossy(&bytes));
        let Some(end) = self.partial.rfind('\n') else {
            return Ok(Vec::new());
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        Ok(whole.lines().map(readable).collect())
    }
}

/// One recommendation for a person; a line that is no recommendation is shown as it is.
fn readable(line: &str) -> String {
    let Ok(document) = serde_json::from_str::<Value>(line) else {
        return clean(line);
    };
    let text = |key: &str| document[key].as_str().unwrap_or("-").to_owned();
    let time = text("timestamp").get(11..19).unwrap_or("-").to_owned();
    let head = format!("{time} UTC  {}  {:<4}", text("symbol"), text("action"));
    let source = text("source");
    if text("status") == "abstain" {
        return clean(&format!(
            "{head}  abstains: {} ({source})  {}",
            text("abstain_reason"),
            text("reasoning")
        ));
    }
    let range = match document["price_range"].as_array().map(Vec::as_slice) {
        Some([low, high]) => format!("{low} .. {high}"),
        _ => "no range".to_owned(),
    };
    let quotes: Vec<String> = document["quotes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|quote| {
            format!(
                "{} {} ({})",
                quote["side"].as_str().unwrap_or("-"),
                quote["price"],
                quote["weight"]
            )
        })
        .collect();
    let quotes = if quotes.is_empty() {
        String::new()
    } else {
        format!("\n{:17}quotes {}", "", quotes.join(", "))
    };
    clean(&format!(
        "{head}  {range}  confidence {}  risk {}  by {source}\n{:17}{}{quotes}",
        document["confidence"],
        text("risk_level"),
        "",
        text("reasoning"),
    ))
}

/// Without control characters but line ends: what a model writes never reaches the terminal raw.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recommendation_is_shown_in_words_and_without_control_characters() {
        let line = r#"{"timestamp":"2026-11-22T06:14:00+00:00","symbol":"BTCFDUSD","action":"BUY","price_range":[1.5,2],"confidence":0.72,"reasoning":"a\u001b[31mb","risk_level":"LOW","source":"rules","status":"ok","quotes":[{"side":"BUY","price":1.5,"weight":1}]}"#;
        let shown = readable(line);
        assert!(
            shown.starts_with("06:14:00 UTC  BTCFDUSD  BUY   1.5 .. 2  confidence 0.72  risk LOW  by rules")
        );
        assert!(
            shown.contains("quotes BUY 1.5 (1)") && !shown.contains('\u{1b}'),
            "{shown}"
        );
    }

    #[test]
    fn only_whole_lines_are_shown() {
        let path = std::env::temp_dir().join(format!("follow-{}.log", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let mut follower = Follower::new(&path);
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(follower.lines().unwrap(), ["one"]);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(follower.lines().unwrap(), ["two"]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_abstention_says_why_and_what_is_no_recommendation_stands_as_it_is() {
        let line = r#"{"timestamp":"2026-11-22T06:14:00+00:00","symbol":"BTCFDUSD","action":"HOLD","status":"abstain","abstain_reason":"stale_data","source":"rules","reasoning":"no book for 90 s"}"#;
        let shown = readable(line);
        assert_eq!(
            shown,
            "06:14:00 UTC  BTCFDUSD  HOLD  abstains: stale_data (rules)  no book for 90 s"
        );
        assert_eq!(readable("half a li\u{7}ne"), "half a li\u{fffd}ne");
        let bare = readable("{}");
        assert!(
            bare.starts_with("- UTC  -") && bare.contains("no range"),
            "{bare}"
        );
    }

    #[test]
    fn a_log_that_was_moved_away_is_read_from_its_new_beginning() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let mut follower = Follower::new(&path);
        assert!(follower.lines().unwrap().is_empty(), "there is none yet");
        std::fs::write(&path, "the first of the old\n").unwrap();
        assert_eq!(follower.lines().unwrap(), ["the first of the old"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(follower.lines().unwrap(), ["new"]);
    }
}

//! Compares what was recorded with what the exchange knows.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use market_sim::truth::Truth;
use strategy_core::model::MinuteFootprint;
use strategy_core::store::decode_minute;
use strategy_core::time::Minute;

/// Everything recorded: the window and the files.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Elements of `trades_window`, newest first, as they stand.
    pub window: Vec<MinuteFootprint>,
    /// Files of `storage/`.
    pub files: BTreeMap<Minute, MinuteFootprint>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference(pub String);

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Recorded {
    /// From the documents of the window and the directory of the files.
    ///
    /// # Errors
    /// A document or a file that is none.
    pub fn read(window: &[String], storage: &Path) -> Result<Self, Difference> {
        let decode = |text: &str, place: &str| {
            decode_minute(text)
                .map(|(_, minute)| minute)
                .map_err(|error| Difference(format!("{place}: {error}")))
        };
        let window = window
            .iter()
            .map(|text| decode(text, "an element of the window"))
            .collect::<Result<_, _>>()?;
        let mut files = BTreeMap::new();
        let entries = std::fs::read_dir(storage).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.is_file()) {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            let is_json = path.extension().is_some_and(|extension| extension == "json");
            if name.starts_with("trades_") && is_json {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| Difference(format!("{name}: {error}")))?;
                let minute = decode(&text, &name)?;
                if name != format!("trades_{}.json", minute.minute.file_stamp()) {
                    return Err(Difference(format!("{name} holds {}", minute.minute)));
                }
                files.insert(minute.minute, minute);
            } else if name.contains("kept") {
                return Err(Difference(format!("{name} should not be there")));
            }
        }
        Ok(Self { window, files })
    }

    /// Minutes of the window that are not behind their successor.
    pub fn gaps(&self) -> Vec<Difference> {
        let pairs = self.window.windows(2);
        pairs
            .filter(|pair| pair[1].minute != pair[0].minute.previous())
            .map(|pair| {
                Difference(format!(
                    "the window has {} after {}",
                    pair[1].minute, pair[0].minute
                ))
            })
            .collect()
    }

    /// Every difference from the truth: gaps and doubles of the window, and complete minutes that are not
    /// number for number what the exchange reports.
    pub fn differences(&self, truth: &Truth) -> Vec<Difference> {
        let mut found = self.gaps();
        for (place, minute) in self
            .window
            .iter()
            .map(|minute| ("window", minute))
            .chain(self.files.values().map(|minute| ("file", minute)))
        {
            if minute.complete {
                let expected = truth.minute(minute.minute).unwrap();
                found.extend(compare(place, minute, &expected));
            }
        }
        found
    }

    /// Minutes of the window that say they are not complete.
    pub fn incomplete(&self) -> usize {
        self.window.iter().filter(|minute| !minute.complete).count()
    }

    /// Newest minute of the window.
    pub fn newest(&self) -> Option<Minute> {
        self.window.first().map(|minute| minute.minute)
    }
}

fn compare(place: &str, recorded: &MinuteFootprint, expected: &MinuteFootprint) -> Option<Difference> {
    // Where exactly a hole of the exchange's own ids is noted is not part of the promise.
    let mut recorded = recorded.clone();
    recorded.permanent_holes.clone_from(&expected.permanent_holes);
    (recorded != *expected).then(|| {
        let levels = recorded
            .levels
            .iter()
            .filter(|(bucket, flow)| expected.levels.get(bucket) != Some(flow))
            .count();
        Difference(format!(
            "{place} {}: {} trades {:?}, expected {} trades {:?}; {levels} of {} levels differ",
            recorded.minute,
            recorded.trade_count,
            recorded.trade_ids,
            expected.trade_count,
            expected.trade_ids,
            expected.levels.len(),
        ))
    })
}

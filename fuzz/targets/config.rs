//! The configuration and its expansions.
#![no_main]

use strategy_core::config::{Config, Environment};

/// What may never be shown.
const SECRET: &str = "q7-never-shown-9z";

libfuzzer_sys::fuzz_target!(|text: &str| {
    if text.contains(SECRET) || text.contains("_file") {
        // Files are read by other targets.
        return;
    }
    let environment: Environment = [("A", "1"), ("KEY", SECRET), ("EMPTY", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    match Config::parse(text, "fuzz.yaml", &environment) {
        Ok((config, _)) => {
            let shown = config.to_redacted_yaml();
            let again = Config::parse(&shown, "fuzz.yaml", &environment);
            let (again, _) = again.unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            assert_eq!(again.to_redacted_yaml(), shown);
        }
        Err(errors) => assert!(!errors.0.is_empty()),
    }
});

//! Values of Redis: minutes, books, notes of changes, statuses, costs, recommendation lines.
#![no_main]

use analyzer::agree::missing;
use analyzer::recommendation::day_spending;
use strategy_core::store::{
    AnalyzerStatus, CollectorStatus, DaySpending, decode_depth, decode_minute, encode_depth, encode_minute,
    encode_minute_pretty, fuzz_changes, fuzz_head,
};
use strategy_core::symbol::Symbol;
use strategy_core::visible;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let market = Symbol::new("BTCFDUSD").expect("a symbol");
    if let Ok((symbol, minute)) = decode_minute(text) {
        let symbol = symbol.unwrap_or_else(|| market.clone());
        if let Ok(written) = encode_minute(&symbol, &minute) {
            let again = decode_minute(&written).expect("what was written can be read");
            assert_eq!(again, (Some(symbol.clone()), minute.clone()));
            let pretty = encode_minute_pretty(&symbol, &minute).expect("as the other form");
            assert_eq!(decode_minute(&pretty).expect("as the other form"), again);
        }
    }
    if let Ok(book) = decode_depth(text)
        && let Ok(written) = encode_depth(&book)
    {
        let again = decode_depth(&written).expect("what was written can be read");
        // Times are written in microseconds; another program's may be finer.
        assert_eq!(
            again.received_at().timestamp_micros(),
            book.received_at().timestamp_micros()
        );
        assert_eq!(again.last_update_id(), book.last_update_id());
        assert_eq!((again.bids(), again.asks()), (book.bids(), book.asks()));
    }
    fuzz_changes(text);
    fuzz_head(text);
    if let Ok(status) = serde_json::from_str::<CollectorStatus>(text) {
        assert!(strategy_core::json::to_string(&status).is_ok());
    }
    if let Ok(status) = serde_json::from_str::<AnalyzerStatus>(text) {
        let words = status.model.map_or(String::new(), |model| model.words());
        assert!(!visible::lines(&words).contains('\u{1b}'));
    }
    if let Ok(day) = serde_json::from_str::<DaySpending>(text) {
        let sum = day.spending.plus(day.spending);
        assert!(sum.requests >= day.spending.requests);
        assert!(strategy_core::json::to_string(&day).is_ok());
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let half = lines.len() / 2;
    let found = missing(&lines[..half], &lines[half..], &market);
    assert!(found.in_log.len() + found.in_redis.len() <= lines.len());
    for line in &lines {
        let read = day_spending(line);
        assert!(read.is_none() || line.contains("model_today"));
    }
});

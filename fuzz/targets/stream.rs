//! Text frames of the trade stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| data_collector::fuzz::frame(text));

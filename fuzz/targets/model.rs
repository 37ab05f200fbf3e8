//! What a model answers: the text, and the body of the endpoint around it.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    analyzer::fuzz::answer(text);
    analyzer::fuzz::body(text);
});

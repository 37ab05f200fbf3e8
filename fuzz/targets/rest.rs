//! Answers of REST: the first byte says which.
#![no_main]

use data_collector::fuzz;

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let (kind, body) = input;
    match kind % 4 {
        0 => fuzz::rows(body),
        1 => fuzz::depth(body),
        2 => fuzz::others(body),
        _ => {
            let (header, body) = body.split_once('\n').unwrap_or((body, ""));
            for status in [400, 403, 418, 429, 451, 500, 503] {
                fuzz::refusal(status, header, body);
            }
        }
    }
});

//! The paths of trades and books, for counting their instructions: `cargo xtask guard`.
//!
//! The counter is switched on inside `measured` and off outside.

#![expect(clippy::unwrap_used, reason = "made-up data are valid")]
#![expect(
    clippy::print_stdout,
    reason = "the number of units is what the program is for"
)]

#[path = "../benches/load/mod.rs"]
mod load;

use data_collector::measure;

#[inline(never)]
fn measured(body: Option<&str>, frames: &load::Frames) -> usize {
    match body {
        Some(body) => measure::book(body, &load::symbol()).unwrap().len(),
        None => load::record(frames),
    }
}

fn main() {
    let frames = load::frames(20_000.0);
    let body = load::book();
    if std::env::args().any(|argument| argument == "book") {
        println!("1 book, {} bytes", measured(Some(&body), &frames));
    } else {
        let minutes = measured(None, &frames);
        println!("{} frames, {minutes} minutes", frames.sent.len());
    }
}

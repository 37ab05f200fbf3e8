//! `cargo bench -p data-collector --features measuring`: frames to minutes, books and pages.

#![expect(
    missing_docs,
    reason = "the macros of the library make functions without them"
)]
#![expect(clippy::unwrap_used, reason = "made-up data are valid")]

mod load;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data_collector::measure;

fn trades(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trades");
    let frames = load::frames(20_000.0);
    group.throughput(Throughput::Elements(frames.sent.len() as u64));
    group.bench_function("frames to minutes", |bench| {
        bench.iter(|| load::record(black_box(&frames)));
    });
    let rows: Vec<&str> = frames
        .sent
        .iter()
        .take(1000)
        .map(|(frame, _)| row_of(frame))
        .collect();
    let page = format!("[{{{}]", rows.join(",{"));
    group.throughput(Throughput::Elements(1000));
    group.bench_function("a page of a thousand rows", |bench| {
        bench.iter(|| measure::page(black_box(&page)).unwrap());
    });
    group.finish();
}

/// A frame without what only a frame has.
fn row_of(frame: &str) -> &str {
    &frame[frame.find("\"a\"").unwrap()..]
}

fn books(criterion: &mut Criterion) {
    let (body, symbol) = (load::book(), load::symbol());
    criterion.bench_function("an answer with a book to its element", |bench| {
        bench.iter(|| measure::book(black_box(&body), &symbol).unwrap());
    });
}

criterion_group!(benches, trades, books);
criterion_main!(benches);

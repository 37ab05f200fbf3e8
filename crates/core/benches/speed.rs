//! `cargo bench -p strategy-core`: documents in and out, the first cycle of an analyzer and the following ones.

#![expect(
    missing_docs,
    reason = "the macros of the library make functions without them"
)]
#![expect(clippy::unwrap_used, reason = "made-up data are valid")]

mod load;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use strategy_core::store::{decode_depth, decode_minute, encode_depth, encode_minute};

fn documents(criterion: &mut Criterion) {
    let book = load::snapshot(1);
    let text = encode_depth(&book).unwrap();
    criterion.bench_function("write a book", |bench| {
        bench.iter(|| encode_depth(black_box(&book)).unwrap());
    });
    criterion.bench_function("read a book", |bench| {
        bench.iter(|| decode_depth(black_box(&text)).unwrap());
    });
    let minute = load::minute(1, 60);
    let text = encode_minute(&load::symbol(), &minute).unwrap();
    criterion.bench_function("write a minute of 60 levels", |bench| {
        bench.iter(|| encode_minute(&load::symbol(), black_box(&minute)).unwrap());
    });
    criterion.bench_function("read a minute of 60 levels", |bench| {
        bench.iter(|| decode_minute(black_box(&text)).unwrap());
    });
}

fn cycles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cycle");
    group.sample_size(20);
    for (minutes, rows) in [(180, 60), (2880, 60), (10_080, 60), (2880, 300)] {
        let window = load::window(minutes, rows);
        let name = |what: &str| format!("{what}, {minutes} minutes of {rows} levels");
        group.bench_function(name("first"), |bench| {
            bench.iter(|| load::first_cycle(&window, minutes));
        });
        let (mut engine, _) = load::first_cycle(&window, minutes);
        let mut number = minutes;
        group.bench_function(name("steady"), |bench| {
            bench.iter_batched(
                || {
                    number += 1;
                    let book = encode_depth(&load::snapshot(number)).unwrap();
                    let minute = encode_minute(&load::symbol(), &load::minute(number, rows)).unwrap();
                    (book, minute, load::now(number))
                },
                |(book, minute, now)| load::steady_cycle(&mut engine, &book, &minute, now),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, documents, cycles);
criterion_main!(benches);

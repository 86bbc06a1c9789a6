//! The cost of counting, observing, looking up and scraping, compared with other crates on the same work.
//!
//! `cargo bench -p app-metrics` runs criterion over our own work on one thread. Then it measures all crates in turn, on
//! one thread and on two, and prints a table of ratios and targets. Compare figures only with figures of the same run;
//! see the README one level up.
#![allow(missing_docs, reason = "criterion's macros declare functions without docs")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "its output is the table")]

mod peers;
mod rounds;
mod scrape;
mod table;
mod work;

use criterion::{Criterion, criterion_group};
use std::time::{Duration, Instant};
use work::Comparison;

/// Ours alone: criterion then shows changes since its last run.
fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("one thread");
    group
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20);
    for Comparison { name, entries, .. } in work::all() {
        for entry in entries.iter().filter(|entry| entry.who == table::WHO[0]) {
            group.bench_function(name, |b| {
                b.iter_custom(|iterations| {
                    let began = Instant::now();
                    (entry.run)(iterations);
                    began.elapsed()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, one_thread);

fn main() {
    // Tests run benchmarks once, to see that they work. This would take minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    let mut lines = work::all().iter().flat_map(rounds::compare).collect::<Vec<_>>();
    lines.extend(scrape::compare());
    table::print(&lines);
}

//! What counting, observing, looking up and scraping cost, beside the crates that people use, on the same work.
//!
//! `cargo bench -p app-metrics` runs criterion over the work of one thread, then measures all of it once more, on one
//! thread and on two, each crate in turn, and ends with a table of ratios and targets. Figures compare only with those
//! of the same run; see the README beside this.
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

fn one_thread(c: &mut Criterion) {
    for comparison in work::all() {
        let mut group = c.benchmark_group(comparison.name);
        group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
        group.sample_size(20);
        for entry in &comparison.entries {
            group.bench_function(entry.who, |b| {
                b.iter_custom(|iterations| {
                    let began = Instant::now();
                    (entry.run)(iterations);
                    began.elapsed()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, one_thread);

fn main() {
    // Tests run benchmarks once, to see that they work: this would take minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    let mut lines = work::all().iter().flat_map(rounds::compare).collect::<Vec<_>>();
    lines.extend(scrape::compare());
    table::print(&lines);
}

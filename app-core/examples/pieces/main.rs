//! Counts the instructions of a log record, of a service's life and of a process, piece by piece, and the cache misses of
//! many services. The pages in `app-core/benches` show these figures.
//!
//! `cargo run --release -p app-core --example pieces` runs itself under valgrind for each piece, and prints tables.
//! `-- record`, `-- life`, `-- crowd` and `-- process` print one table. `benches/counts` counts the figures that CI compares.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement fails by panicking")]

mod crowd;
mod life;
mod process;
mod record;
mod valgrind;

use std::{
    env,
    io::{self, Write},
};

use valgrind::{PIECE, TIMES};

fn main() -> std::process::ExitCode {
    if let Ok(piece) = env::var(PIECE) {
        let times = env::var(TIMES).unwrap().parse().unwrap();
        return match piece.split_once('/').unwrap() {
            ("record", piece) => record::run(piece, times),
            ("life", piece) => life::run(piece, times),
            ("crowd", rounds) => crowd::run(rounds, times),
            _ => process::run(),
        };
    }
    let chosen: Vec<String> = env::args().skip(1).collect();
    for (name, table) in [
        ("record", record::table as fn() -> Rows),
        ("life", life::table),
        ("crowd", crowd::table),
        ("process", process::table),
    ] {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            print(name, &table());
        }
    }
    std::process::ExitCode::SUCCESS
}

/// Rows of a table: what is counted, and the count.
type Rows = Vec<(String, u64)>;

fn print(name: &str, rows: &Rows) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n| {name} | |\n|---|--:|").unwrap();
    for (what, count) in rows {
        writeln!(out, "| {what} | {count} |").unwrap();
    }
}

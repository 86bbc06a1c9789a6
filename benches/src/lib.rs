//! Comparisons of the platform with its peers: `cargo run --release -p benches`; see the README beside this.
//!
//! The library has what the programs share. Everything is measured in rounds, everybody in turn.

mod allocations;
mod calls;
mod commands;
mod driver;
mod errors;
mod log;
mod lookup;
mod machine;
mod markdown;
mod metrics;
mod pairs;
mod process;
mod programs;
mod report;
mod rounds;
mod rpc;
mod services;

pub use allocations::{Allocated, allocations};
pub use driver::main;

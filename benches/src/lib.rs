//! Comparisons of the platform with its peers. Run them with `cargo run --release -p benches`; see the README of this crate.
//!
//! The library has the code that the programs share. Measurements are short rounds, with all candidates in turn.

mod allocations;
mod calls;
mod commands;
mod driver;
mod errors;
mod log;
mod lookup;
mod machine;
mod markdown;
mod messaging;
mod metrics;
#[path = "../../app-messaging/tests/support/nats.rs"]
mod nats;
mod pairs;
mod process;
mod programs;
mod report;
mod rounds;
mod rows;
mod rpc;
mod services;
mod tracing;

pub use allocations::{Allocated, allocations};
pub use driver::main;
pub use messaging::message_allocations;

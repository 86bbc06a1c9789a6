//! A model of the state of an inline command server.
//!
//! The checker tries every interleaving of a few threads, up to a limit of preemptions. It also tries every value that the
//! memory model allows a read to return.
//!
//! The source is compiled a second time, with the locks and atomics of the model checker.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// The source. `sync` is the one file that differs.
#[allow(dead_code, reason = "a model needs only part of its source")]
#[path = "../src"]
mod source {
    #[path = "commands/state_cell.rs"]
    pub(crate) mod state_cell;
    #[path = "../tests/models/sync.rs"]
    pub(crate) mod sync;
}
#[path = "models/inline_commands.rs"]
mod inline_commands;

/// Runs `model` in every interleaving with at most four preemptions, which takes some seconds.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(model);
}

//! Models of what commands and lookups pass without waiting: every interleaving of a few threads, and every value that the memory
//! model lets a read give, up to a bound of preemptions.
//!
//! The sources are compiled once more, over the checker's atomics and locks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// The sources. `sync` is the one file that is not the same.
#[allow(dead_code, reason = "a model needs part of what it is a model of")]
#[path = "../src"]
mod source {
    #[path = "commands/desk.rs"]
    pub(crate) mod desk;
    #[path = "registry/shard.rs"]
    pub(crate) mod shard;
    #[path = "../tests/models/sync.rs"]
    pub(crate) mod sync;
}
#[path = "models/turns.rs"]
mod turns;
#[path = "models/versions.rs"]
mod versions;

/// Runs `model` in every interleaving with so few preemptions that it ends within some seconds.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(model);
}

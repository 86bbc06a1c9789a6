//! Models of the lock-free types: every interleaving of a few threads, and every value that the memory model allows a
//! read to return, up to a bound of preemptions.
//!
//! The sources are compiled again, with the checker's atomics. They have no `unsafe`, so there are no data races or
//! dangling references. The models show that no update is lost, and that no reader sees a value that never was.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

/// The sources. Only `sync` is replaced.
#[allow(dead_code, unused_imports, reason = "a model needs part of what it is a model of")]
#[path = "../src"]
mod source {
    pub(crate) mod stripe;
    pub(crate) mod striped;
    pub(crate) mod striped_float;
    pub(crate) mod vector {
        pub(crate) mod slots;
    }
}
#[path = "models/floats.rs"]
mod floats;
#[path = "models/lists.rs"]
mod lists;
#[path = "models/stripes.rs"]
mod stripes;
#[path = "models/sums.rs"]
mod sums;
#[path = "models/sync.rs"]
mod sync;

use source::{stripe, striped};

/// Runs `model` in every interleaving with a bound of preemptions, so that it ends within a second.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

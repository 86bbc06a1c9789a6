//! Models of what takes no lock: every interleaving of a few threads, and every value that the memory model lets a read
//! give, up to a bound of preemptions.
//!
//! The sources are compiled once more, over the checker's atomics. `unsafe` there is none, so data races and dangling
//! references can't be; what is to be shown is that nothing is lost and nothing is seen that never was.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

/// The sources. `sync` is the one file that is not the same.
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

/// Runs `model` in every interleaving with so few preemptions that it ends within a second.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

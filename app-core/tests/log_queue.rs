//! A model of the log's queue: every interleaving of a few threads, up to a limit of preemptions. The checker also finds
//! deadlocks, so no thread waits for ever.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// The source, with the locks of the model checker.
#[allow(dead_code, reason = "a model needs only part of its source")]
#[path = "log_queue"]
mod log {
    use app_core::LogLevel;

    #[path = "../../src/log/queue.rs"]
    mod queue;
    #[path = "sync.rs"]
    mod sync;

    mod models;
}

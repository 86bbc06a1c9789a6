//! A model of the queue between those who log and the writer: every interleaving of a few threads, up to a bound of
//! preemptions. That nobody waits for ever is shown too: the checker finds threads that all wait.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// The source, over the checker's lock and condition.
#[allow(dead_code, reason = "a model needs part of what it is a model of")]
#[path = "log_queue"]
mod log {
    use app_core::LogLevel;

    #[path = "../../src/log/queue.rs"]
    mod queue;
    #[path = "sync.rs"]
    mod sync;

    mod models;
}

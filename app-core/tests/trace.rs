//! Spans with a sink: what it gets, and where the context travels by itself.
//!
//! The sink is that of the process, and the tests run in parallel. So each test has a trace of its own, and looks at nothing
//! else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "trace/commands.rs"]
mod commands;
#[path = "trace/data.rs"]
mod data;
#[path = "trace/logs.rs"]
mod logs;
#[path = "trace/sink.rs"]
mod sink;
#[path = "trace/tasks.rs"]
mod tasks;

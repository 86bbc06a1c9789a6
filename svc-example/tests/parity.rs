//! Every symbol of the Go original has a counterpart here, and each is used: removing one breaks this build.
//!
//! `docs/PARITY.md` says which is which. It is checked too: [`table`] compares it with the list of the original's symbols
//! (`parity/seed_index.txt`) and with these tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

// Linked, so that there is a service that is none of the platform's.
use svc_example as _;

#[path = "parity/commands.rs"]
mod commands;
#[path = "parity/config.rs"]
mod config;
#[path = "parity/current.rs"]
mod current;
#[path = "parity/errors.rs"]
mod errors;
#[path = "parity/events.rs"]
mod events;
#[path = "parity/health.rs"]
mod health;
#[path = "parity/ids.rs"]
mod ids;
#[path = "parity/metric_specs.rs"]
mod metric_specs;
#[path = "parity/metrics.rs"]
mod metrics;
#[path = "parity/services.rs"]
mod services;
#[path = "parity/table.rs"]
mod table;

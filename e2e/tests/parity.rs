//! Every symbol of the Go original has a counterpart. These tests use each counterpart, so removing one breaks the build.
//!
//! `docs/PARITY.md` lists the counterparts. [`table`] compares that page with the list of the original's symbols
//! (`parity/seed_index.txt`) and with these tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

// Linked, so that there is a service that is not part of the platform.
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

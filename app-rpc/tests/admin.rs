//! The admin interface over mutual TLS, with clients of each role.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "admin/answers.rs"]
mod answers;
#[path = "admin/audit.rs"]
mod audit;
#[path = "admin/cancelled.rs"]
mod cancelled;
#[path = "admin/changes.rs"]
mod changes;
#[path = "admin/events.rs"]
mod events;
#[path = "admin/hostile.rs"]
mod hostile;
#[path = "admin/metrics.rs"]
mod metrics;
#[path = "admin/operations.rs"]
mod operations;
#[path = "admin/pycapnp.rs"]
mod pycapnp;
#[path = "admin/raw.rs"]
mod raw;
#[path = "admin/roles.rs"]
mod roles;
#[path = "admin/stand.rs"]
mod stand;
#[path = "admin/stop.rs"]
mod stop;

//! The built programs, started as an operator starts them: with real processes, signals, files, sockets and tools.
//!
//! `program` starts a program and ends it with the test, on top of `app_core::testing`. `http` sends requests, and `files` writes configs. `tools` runs
//! other programs, and `scraper` runs Prometheus. Every wait has a deadline.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

// The last one is for `nats`.
use {app_messaging as _, app_tracing as _, fastrand as _};

mod browser;
mod budget;
mod canaries;
mod certificates;
mod config_commands;
mod configs;
mod container;
mod dashboards;
mod deploy;
mod dev;
mod endpoints;
mod files;
mod flags;
mod flapping;
mod foreign_configs;
mod formats;
mod http;
mod limits;
mod log;
mod machine;
mod messaging_page;
#[path = "../../../app-messaging/tests/support/nats.rs"]
mod nats;
mod nats_account;
mod no_ipv6;
mod operating_page;
mod operator;
mod operators_page;
mod owners;
mod page;
mod port;
mod program;
mod prometheus;
mod real_systemd;
mod reload;
mod restart_policies;
mod rpc_page;
mod scraper;
mod seeing;
mod service;
mod signals;
mod sinks;
mod sockets;
mod stale_configs;
mod startable;
mod surroundings;
mod systemd;
mod tools;
mod traces;

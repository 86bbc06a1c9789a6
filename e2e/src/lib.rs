//! Tests of the platform as a whole. They run the built programs as an operator does: as processes, with signals, files
//! and sockets.
//!
//! Why a crate of its own: `svc-example` stays what an author of a service copies, with the tests of that service alone.
//! Nothing imports this crate. It holds:
//!
//! - `tests/process`: the programs under signals, limits, broken files, other people's tools and orchestrators;
//! - `tests/parity.rs`: every symbol of the Go original has a counterpart, and `docs/PARITY.md` lists it;
//! - `tests/new_crate.rs`: a crate with a flag, a metric, an error, events and an endpoint needs no change elsewhere;
//! - `tests/metrics_page.rs` and `tests/readme.rs`: pages of the documentation say what the programs do;
//! - `src/bin/flapping.rs`: a service with a health check that you control, for `docs/OPERATING.md`;
//! - `src/bin/orders.rs`: an application that calls the quota service and does not contain it, for `docs/RPC.md`;
//! - `src/bin/hundred.rs`: an app with a hundred services, for measurements.
//!
//! [`svc_example`] and [`appctl`] find the programs:
//!
//! ```no_run
//! let printed = std::process::Command::new(e2e::svc_example()).arg("--version").output().unwrap();
//! assert!(printed.status.success());
//! ```

mod programs;

pub use self::programs::{appctl, folder, svc_example};

/// Compiles the services of the README and of the kernel's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../app-core/README.md")]
struct Readme;

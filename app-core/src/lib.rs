//! The kernel of an application service platform: it orders, starts, watches, stops and reports on services, and
//! knows none of them.
//!
//! Each service is a crate: linking it installs it, the parameters of its start function are what it depends on, and what
//! that function returns is what its dependents get.
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//!
//! const CLOCK: ServiceId = ServiceId::new(0x9c0d_5a3e_77b1_4f20);
//! const GREETER: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
//!
//! app_core::service! { id: CLOCK, name: "clock", start: start_clock }
//! app_core::service! { id: GREETER, name: "greeter", start: start_greeter }
//!
//! struct Clock;
//! impl Exposed for Clock { const SERVICE: ServiceId = CLOCK; }
//!
//! async fn start_clock() -> Result<Clock, Error> { Ok(Clock) }
//!
//! // The clock runs when this is called, and stops after it.
//! async fn start_greeter(service: Service, _clock: Dep<Clock>) -> Result<(), Error> {
//!     service.every(Duration::from_secs(1), |log| info!(log, "hello"));
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() { // In `main.rs` this is `app_core::main!`; in a test:
//! let app = TestApp::with([GREETER]).await;
//! assert!(app.readiness().ready());
//! app.stop().await.expect_clean();
//! # }
//! ```
//!
//! A service that fails takes its dependents along. Its [`Restart`] says whether the kernel starts them again, each with the
//! new handles of its dependencies. What stays out: config, metrics, health and RPC, in crates of their own.

mod app;
pub mod commands;
pub mod compat;
mod context;
mod current;
pub mod duration;
pub mod events;
pub mod flags;
mod graph;
mod handover;
mod identity;
mod ids;
mod lifecycle;
pub mod limits;
pub mod listeners;
pub mod log;
mod observation;
pub mod operations;
mod operator;
mod output;
mod package;
pub mod panics;
pub mod plugins;
pub mod prelude;
mod provided;
mod restart;
mod ring;
mod run;
mod service;
pub mod service_graph;
mod signals;
mod spec;
mod stacks;
pub mod status;
mod stop;
pub mod testing;
pub mod threads;
pub mod trace;

pub use self::{
    app::{App, KillOutcome},
    context::ErrorContext,
    flags::{Flags, Subcommand, args},
    identity::Identity,
    ids::APP_SERVICE,
    log::{Log, LogLevel},
    output::write_output,
    package::Package,
    plugins::{Dep, Flag, Provided, ServiceDescriptor},
    restart::Restart,
    run::{AppBuilder, parse, run, run_with},
    service::{Exposed, Host, Service, TaskOutput},
    status::ServiceState,
    stop::{Abandoned, ExitStatus, StopCause, StopReport},
};

/// Short paths inside of the kernel.
pub(crate) use self::{
    duration::{counted, parse_duration, show_duration},
    flags::{FlagGroup, FlagSource},
    log::{LogFormat, LogRecordLimit},
    plugins::{HandleType, Planned, Start, StartContext, StartFuture, linked_services},
    restart::SERVICE_RESTARTS_EXHAUSTED,
    spec::{DEFAULT_STOP_TIMEOUT, Origin},
    status::{Readiness, ServiceStatus},
};

/// The command line parser, for your own flags and subcommands.
pub use clap;

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        log::is_enabled,
        plugins::{CheckedStart, checked_operation, checked_start},
        spec::Origin,
    };
    pub use app_ids::{IdKind, IdName};
    pub use inventory;
    pub use slog;
}

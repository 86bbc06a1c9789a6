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
mod commands;
mod context;
mod duration;
pub mod events;
mod facade;
mod flags;
mod graph;
mod identity;
mod ids;
mod lifecycle;
mod log;
mod output;
mod package;
mod panics;
mod plugins;
pub mod prelude;
mod provided;
mod restart;
mod run;
mod service;
mod signals;
mod spec;
mod stacks;
mod status;
mod stop;
pub mod testing;
mod threads;

pub use self::{
    app::{App, KillOutcome},
    commands::{
        Command, CommandReceiver, CommandServer, CommandServerBuilder, CommandServerStatus,
        DEFAULT_CALL_DEADLINE, ServiceCommandChannel, TimeHistogram,
    },
    context::ErrorContext,
    duration::{counted, parse_duration, show_duration},
    events::{AppEvent, KillReason, ServiceEventKind},
    facade::{
        alive, current, dead, domain, dump_all_stacks, dying, id, install, instance, kill, log_level, logger,
        release, reset, reset_with_config_dir, services, started_on,
    },
    flags::{FlagGroup, FlagSource, Flags, Given, GroupValues, ServiceLevel, Subcommand, args},
    identity::Identity,
    ids::APP_SERVICE,
    log::{
        AuditLog, CapturedLog, LevelChange, LevelSetting, LevelSettings, Log, LogFormat, LogLevel,
        LogRecordLimit, ParseLogFormatError, ParseLogLevelError, ParseLogRecordLimitError, Receipt, Serde,
        capture_dependencies,
    },
    output::write_output,
    package::Package,
    panics::{Panicked, catch_panic},
    plugins::{
        DEFAULT_START_TIMEOUT, Dep, Flag, HandleType, Param, Params, Planned, Preflight, Provided,
        ServiceDescriptor, Signature, Start, StartContext, StartFuture, StartOutput, linked_services,
    },
    restart::{Restart, SERVICE_RESTARTS_EXHAUSTED},
    run::{
        AppBuilder, DEFAULT_APP_STOP_TIMEOUT, check_descriptors, check_stack_limit, descriptor_limit, parse,
        run, run_with,
    },
    service::{Exposed, Host, Service, TaskOutput},
    spec::{DEFAULT_STOP_TIMEOUT, Origin, ServiceSpec},
    status::{LastFailure, Readiness, Restarting, ServiceState, ServiceStatus},
    stop::{Abandoned, ExitStatus, StopCause, StopReport},
    threads::{run_blocking, spawn_thread, start_thread, thread_refused},
};

/// The command line parser, for flags and subcommands of one's own.
pub use clap;

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use crate::{log::is_enabled, plugins::checked_start};
    pub use app_ids::{IdKind, IdName};
    pub use inventory;
    pub use slog;
}

//! What nearly every service uses: `use app_core::prelude::*;`.

pub use std::time::Duration;

pub use app_errors::{Error, errors};
pub use app_ids::{ErrorId, HealthCheckId, LogEventId, MetricId, ServiceId, ids};
pub use slog::Logger;

pub use crate::{
    App, Dep, ErrorContext, Exposed, Flag, Provided, Service,
    commands::{CommandServer, ServiceCommands},
    debug, error, info,
    operations::{Args, Caller, Job},
    plugins::Param,
    warn,
};

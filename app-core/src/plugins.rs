//! What other crates plug in: services with their parameters, and checks before a start.

mod descriptor;
mod param;
mod planned;
mod preflight;

pub(crate) use self::param::StartHistory;
#[doc(hidden)]
pub use self::param::{CheckedStart, checked_start};
pub use self::{
    descriptor::{DEFAULT_START_TIMEOUT, ServiceDescriptor, StartFuture, linked_services},
    param::{Dep, Flag, Param, Params, Provided, Signature, Start, StartContext, StartOutput},
    planned::{HandleType, Planned},
    preflight::Preflight,
};
pub use crate::{
    restart::SERVICE_RESTARTS_EXHAUSTED,
    spec::{DEFAULT_STOP_TIMEOUT, Origin, ServiceSpec},
};

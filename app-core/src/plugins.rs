//! What other crates plug in: services with their parameters, and checks before a start.

mod descriptor;
mod param;
mod planned;
mod preflight;

pub(crate) use self::param::StartHistory;
pub use self::{
    descriptor::{DEFAULT_START_TIMEOUT, ServiceDescriptor, StartFuture, linked_services},
    param::{
        CheckedStart, Dep, Flag, Param, Params, Provided, Signature, Start, StartContext, StartOutput,
        checked_start,
    },
    planned::{HandleType, Planned},
    preflight::Preflight,
};

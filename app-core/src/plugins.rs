//! What other crates plug in: services with their parameters, what listens, and checks before a start.

mod descriptor;
pub mod discovery;
mod listening;
mod operation;
mod param;
mod planned;
mod preflight;
mod readiness;

pub use self::{
    descriptor::{DEFAULT_START_TIMEOUT, ServiceDescriptor, StartFuture, linked_services},
    listening::ListeningService,
    operation::{
        CheckedOperation, Operation, OperationContext, OperationOutput, OperationParam, OperationParams,
    },
    param::{Dep, Flag, Param, Params, Provided, Signature, Start, StartContext, StartOutput},
    planned::{HandleType, Planned},
    preflight::Preflight,
    readiness::ReadyWhen,
};
#[doc(hidden)]
pub use self::{
    operation::checked_operation,
    param::{CheckedStart, checked_start},
};
pub(crate) use self::{
    operation::{LinkedOperation, Mistake, linked_operations},
    param::StartHistory,
};
pub use crate::{
    restart::SERVICE_RESTARTS_EXHAUSTED,
    spec::{DEFAULT_STOP_TIMEOUT, Origin, ServiceSpec},
};

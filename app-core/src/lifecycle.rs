//! The life of an app: its start, its supervision and its stop.

mod descriptors;
mod node;
mod operation_checks;
mod operations;
mod service_start;
mod start;
mod startable;
mod stop;
mod supervise;
mod supervisor;
mod takeover;

pub(crate) use self::{descriptors::Descriptors, startable::plan};

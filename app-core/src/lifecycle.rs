//! How an app starts, runs and stops.

mod start;
mod stop;
mod story;
mod supervise;

pub(crate) use self::{
    start::start,
    story::{Stage, log_event, log_service_event, service_level},
};

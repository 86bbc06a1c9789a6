//! How an app starts, runs and stops.

mod start;
mod stop;
mod story;
mod supervise;

pub(crate) use self::{
    start::start,
    story::{level, log_event},
};

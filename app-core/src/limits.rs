//! Limits of the process that can be too low to run, each with its check, and the longest stop.

pub use crate::run::{DEFAULT_APP_STOP_TIMEOUT, check_descriptors, check_stack_limit, descriptor_limit};

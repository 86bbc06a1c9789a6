//! Support for tests: an isolated app with a captured log, services that fail on purpose, and whole processes.

mod faults;
mod process;
mod program;
mod replacement;
mod test_app;

pub use self::{
    faults::{
        fails_after, fails_to_start, hangs_at_start, hangs_at_stop, panics_after, panics_at_start, runs,
    },
    process::{Ended, Process},
    program::Program,
    replacement::Replacement,
    test_app::{TestApp, TestAppBuilder},
};
pub use crate::log::CapturedLog;
/// The signals that a test sends to a [`Process`].
pub use nix::sys::signal::Signal;

//! Support for tests: an isolated app with a captured log, and services that fail on purpose.

mod faults;
mod test_app;

pub use self::{
    faults::{
        fails_after, fails_to_start, hangs_at_start, hangs_at_stop, panics_after, panics_at_start, runs,
    },
    test_app::{TestApp, TestAppBuilder},
};
pub use crate::log::CapturedLog;

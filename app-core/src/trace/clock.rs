//! Times of spans: the monotonic clock, placed on the system's clock.
//!
//! A thread reads the system's clock once a second, and adds what the monotonic clock counted since. That is one reading of
//! a clock for each time, and no span ends before it begins.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// How long a thread uses one reading of the system's clock.
const PERIOD: Duration = Duration::from_secs(1);

thread_local! {
    static READ: Cell<Option<(SystemTime, Instant)>> = const { Cell::new(None) };
}

/// The time of now, on both clocks.
pub(super) fn now() -> (SystemTime, Instant) {
    let now = Instant::now();
    match READ.get() {
        Some((time, at)) if now.saturating_duration_since(at) < PERIOD => {
            (time + now.saturating_duration_since(at), now)
        }
        _ => {
            let time = SystemTime::now();
            READ.set(Some((time, now)));
            (time, now)
        }
    }
}

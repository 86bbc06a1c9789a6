//! A clock that is plainly wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2025-01-01. A machine that runs this code has a later date, unless its clock is wrong.
const OLDEST: Duration = Duration::from_secs(1_735_689_600);

/// Whether the clock is plainly wrong, like that of a machine without a battery that has not heard of the time yet.
///
/// Reading a config refuses nothing by such a clock. Each handshake decides anew, and the clock may be right by then.
pub(crate) fn is_wrong(now: SystemTime) -> bool {
    now < UNIX_EPOCH + OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_1970_is_wrong_and_one_of_today_is_not() {
        assert!(is_wrong(UNIX_EPOCH + Duration::from_secs(100)));
        assert!(!is_wrong(SystemTime::now()));
    }
}

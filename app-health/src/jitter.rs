//! Random delays before first runs.

use std::time::Duration;

/// Upper bound of the delay. Short intervals have a lower bound: a tenth of the interval.
const MAX_JITTER: Duration = Duration::from_millis(50);

/// The delay from the registration of a check to its first run.
///
/// It keeps checks that are registered together from running together. Critical checks have no delay, because
/// readiness waits for their first result.
pub(crate) fn jitter(interval: Duration, critical: bool) -> Duration {
    if critical {
        return Duration::ZERO;
    }
    let most = u64::try_from(MAX_JITTER.min(interval / 10).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(app_ids::random_u64() % (most + 1))
}

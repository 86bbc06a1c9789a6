//! When a message is tried again.

use std::time::Duration;

/// When a message whose handler failed is tried again, and how many times.
///
/// ```
/// use std::time::Duration;
/// use app_messaging::Retry;
///
/// let retry = Retry::after(Duration::from_secs(1)).doubling_to(Duration::from_secs(60)).times(8);
/// assert_eq!(retry.delay(1), Some(Duration::from_secs(1)));
/// assert_eq!(retry.delay(7), Some(Duration::from_secs(60)));
/// assert_eq!(retry.delay(8), None, "the eighth attempt was the last one");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    first: Duration,
    longest: Duration,
    attempts: u64,
}

impl Retry {
    /// The same delay before each retry, 8 attempts in all.
    #[must_use]
    pub const fn after(delay: Duration) -> Self {
        Self { first: delay, longest: delay, attempts: 8 }
    }

    /// Doubles the delay after each attempt, up to this one.
    #[must_use]
    pub const fn doubling_to(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How many attempts there are in all. After the last one the message becomes a dead letter. At least 1.
    #[must_use]
    pub const fn times(mut self, attempts: u64) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The delay after this many attempts. `None` after the last one.
    #[must_use]
    pub fn delay(&self, attempts: u64) -> Option<Duration> {
        if attempts >= self.attempts {
            return None;
        }
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        Some(self.first.saturating_mul(1 << doublings).min(self.longest.max(self.first)))
    }
}

/// One second, doubling to a minute, 8 attempts.
impl Default for Retry {
    fn default() -> Self {
        Self::after(Duration::from_secs(1)).doubling_to(Duration::from_secs(60))
    }
}

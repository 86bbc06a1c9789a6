//! The pace of log records about messages: others decide how many messages come, so they must not decide how many records there are.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two records.
const EVERY: Duration = Duration::from_secs(10);

/// Counts what happens, and says when a record may tell of it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    told: Option<Instant>,
    untold: u64,
}

impl Pace {
    /// Counts. Returns all that no record has told yet, if a record may be written now.
    pub(crate) fn take(&mut self, more: u64) -> Option<u64> {
        self.untold += more;
        if self.told.is_some_and(|told| told.elapsed() < EVERY) {
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_rest_as_a_count_every_ten_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.take(1), Some(1));
        for _ in 0..100 {
            assert_eq!(pace.take(1), None);
        }
        tokio::time::advance(EVERY).await;
        assert_eq!(pace.take(1), Some(101));
        assert_eq!(pace.take(1), None);
    }
}

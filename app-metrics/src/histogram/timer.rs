//! A timer that observes the time until it is dropped.

use super::Histogram;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// Observes the time since its start when it is dropped. Made by [`Histogram::start_timer`].
pub struct HistogramTimer {
    /// `None` once the time was observed or discarded.
    histogram: Option<Histogram>,
    started: Instant,
}

impl HistogramTimer {
    pub(super) fn new(histogram: Histogram) -> Self {
        Self { histogram: Some(histogram), started: Instant::now() }
    }

    /// The time since the start of the timer.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Observes the elapsed time now, and returns it.
    pub fn observe(mut self) -> Duration {
        self.finish()
    }

    /// Drops the timer without an observation. Returns the elapsed time.
    pub fn discard(mut self) -> Duration {
        self.histogram = None;
        self.elapsed()
    }

    fn finish(&mut self) -> Duration {
        let elapsed = self.elapsed();
        if let Some(histogram) = self.histogram.take() {
            histogram.observe(elapsed.as_secs_f64());
        }
        elapsed
    }
}

impl fmt::Debug for HistogramTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramTimer").field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

impl Drop for HistogramTimer {
    fn drop(&mut self) {
        self.finish();
    }
}

//! The handle of the service: what is in effect, and the sampling for a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use app_core::prelude::*;
use app_core::trace::{self, InstalledSink};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::exporter::Outcomes;
use crate::ids::{OTEL_VARIABLE, SAMPLING_CHANGED, SPANS_GO, SPANS_NOT_EXPORTED, TRACING_SERVICE_ID};
use crate::metrics::TracingMetrics;
use crate::sampling::SamplingRule;
use crate::settings::Settings;
use crate::sink::{QueueSampler, QueueSink};
use crate::thread::ExportParts;

/// The longest time for which the sampling may be set.
pub(crate) const MAX_SAMPLING_TIME: Duration = Duration::from_secs(24 * 3600);

/// A ratio that holds for a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Temporary {
    pub(crate) ratio: f64,
    pub(crate) until: Instant,
}

/// Exports spans. Cheap to clone.
#[derive(Clone)]
pub struct Tracing {
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) sink: Arc<QueueSink>,
    pub(crate) metrics: TracingMetrics,
    /// Kept as long as there is a collector.
    installed: Arc<Mutex<Option<InstalledSink>>>,
    temporary: watch::Sender<Option<Temporary>>,
    changes: watch::Sender<u64>,
    log: Logger,
}

impl Exposed for Tracing {
    const SERVICE: ServiceId = TRACING_SERVICE_ID;
}

impl Tracing {
    pub(crate) fn new(
        settings: Arc<Settings>,
        sink: Arc<QueueSink>,
        metrics: TracingMetrics,
        log: &Logger,
    ) -> Self {
        Self {
            settings: Arc::new(ArcSwap::new(settings)),
            sink,
            metrics,
            installed: Arc::default(),
            temporary: watch::Sender::new(None),
            changes: watch::Sender::new(0),
            log: log.clone(),
        }
    }

    /// The URL that spans go to, without its query. `None` if nothing is exported.
    #[must_use]
    pub fn destination(&self) -> Option<String> {
        self.settings.load().destination.as_ref().ok().map(|to| to.endpoint.to_string())
    }

    /// The part of new traces that is sampled: 0 to 1.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.temporary.borrow().map_or_else(|| self.settings.load().rule.ratio, |temporary| temporary.ratio)
    }

    /// The ratio that holds for a time, and the rest of that time.
    pub(crate) fn temporary(&self) -> Option<(f64, Duration)> {
        let temporary = *self.temporary.borrow();
        temporary
            .map(|temporary| (temporary.ratio, temporary.until.saturating_duration_since(Instant::now())))
    }

    /// What the exporter works with.
    pub(crate) fn export_parts(&self, log: &Logger) -> ExportParts {
        ExportParts {
            sink: Arc::clone(&self.sink),
            settings: Arc::clone(&self.settings),
            changes: self.changes.subscribe(),
            metrics: self.metrics.clone(),
            log: log.clone(),
        }
    }

    /// Takes the first settings, or those of a new config.
    ///
    /// # Errors
    /// Spans can't be had: the program has a subscriber of its own.
    pub(crate) fn apply(&self, settings: &Arc<Settings>) -> Result<(), Error> {
        for warning in &settings.warnings {
            warn!(self.log, "{warning}"; "event" => OTEL_VARIABLE.hex());
        }
        let exports = settings.destination.is_ok();
        match &settings.destination {
            Ok(to) => {
                info!(self.log, "spans go to the collector"; "event" => SPANS_GO.hex(), "collector" => to.endpoint.to_string(), "ratio" => settings.rule.ratio, "filter" => settings.filter.to_string());
            }
            Err(why) => info!(self.log, "no spans are made: {why}"; "event" => SPANS_GO.hex()),
        }
        self.sink.filter.store(Arc::new(settings.filter.clone()));
        self.sink.queue.set_limit(settings.queue_spans);
        self.settings.store(Arc::clone(settings));
        self.sink.exports.store(exports, Ordering::Relaxed);
        self.set_rule();
        self.changes.send_modify(|change| *change += 1);
        let mut installed = self.installed.lock();
        match (&*installed, exports) {
            (Some(installed), true) => installed.filter_changed(),
            (None, true) => {
                let sampler = Arc::new(QueueSampler(Arc::clone(&self.sink)));
                *installed = Some(trace::install(Arc::<QueueSink>::clone(&self.sink), sampler)?);
            }
            (_, false) => *installed = None,
        }
        Ok(())
    }

    /// Takes the sink away: spans are off.
    pub(crate) fn remove(&self) {
        let installed = self.installed.lock().take();
        drop(installed);
    }

    /// Takes the sink away for good, and says why.
    pub(crate) fn give_up(&self, why: &str) {
        self.remove();
        self.sink.close();
        self.metrics.trouble(Some(why));
        error!(self.log, "{why}"; "event" => SPANS_NOT_EXPORTED.hex());
    }

    /// Samples by the rule that is in effect now.
    fn set_rule(&self) {
        // Held until the rule is set, so that of two threads the second one reads what both have changed.
        let installed = self.installed.lock();
        let rule = self.settings.load().rule;
        self.sink.sampling.set(SamplingRule { ratio: self.ratio(), ..rule });
        if let Some(installed) = &*installed {
            installed.sampling_changed();
        }
    }

    /// Samples by another ratio for a time. A later call replaces it.
    pub(crate) fn sample_for(&self, ratio: f64, time: Duration) {
        self.temporary.send_replace(Some(Temporary { ratio, until: Instant::now() + time }));
        self.set_rule();
        info!(self.log, "sampling is changed for a time"; "event" => SAMPLING_CHANGED.hex(), "ratio" => ratio, "seconds" => time.as_secs_f64());
    }

    /// Samples as the config says from now on.
    pub(crate) fn sample_as_configured(&self) {
        if self.temporary.send_replace(None).is_some() {
            self.set_rule();
            info!(self.log, "sampling is as configured again"; "event" => SAMPLING_CHANGED.hex(), "ratio" => self.ratio());
        }
    }

    /// Ends what holds for a time when the time is over. Runs until the service is killed.
    pub(crate) async fn end_temporary(&self, service: &Service) {
        let mut temporary = self.temporary.subscribe();
        loop {
            let until = temporary.borrow_and_update().map(|temporary| temporary.until);
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = service.dying() => return,
                () = over => self.sample_as_configured(),
                _ = temporary.changed() => {}
            }
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("destination", &self.destination()).finish_non_exhaustive()
    }
}

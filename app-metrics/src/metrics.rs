//! The handle of the metrics service: what services register their metrics with.

use crate::exposition::{Exposition, Format, ProcessMetrics, Scrape};
use crate::family::Spec;
use crate::platform::Platform;
use crate::spec::Origin;
use crate::{
    Counter, CounterSpec, CounterVector, CounterVectorSpec, Gauge, GaugeSpec, GaugeVector, GaugeVectorSpec,
    Histogram, HistogramSpec, HistogramVector, HistogramVectorSpec, METRICS_SERVICE_ID, MetricRegistry,
    MetricsConfig,
};
use app_config::Configured;
use app_core::prelude::*;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The metrics of the application. A cheap handle; a service takes it as a parameter: `metrics: Dep<Metrics>`.
///
/// Registering a metric again with an equal spec gives the same metric, so a service need not know whether the config
/// declared it already.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    service: Service,
    config: Configured<MetricsConfig>,
    registry: MetricRegistry,
    platform: Platform,
    address: OnceLock<SocketAddr>,
    /// Bytes of the last exposition: the next is about as long.
    last_bytes: AtomicUsize,
}

impl Exposed for Metrics {
    const SERVICE: ServiceId = METRICS_SERVICE_ID;
}

macro_rules! register {
    ($method:ident, $spec:ident, $metric:ident, $what:literal) => {
        #[doc = concat!("Registers ", $what, ".")]
        ///
        /// # Errors
        /// [`METRIC_SPEC_INVALID`](crate::errors::METRIC_SPEC_INVALID) with every broken rule;
        /// [`METRIC_SPEC_CONFLICT`](crate::errors::METRIC_SPEC_CONFLICT) when that service and id have a metric of
        /// another spec; `ServiceNotAlive` once the metrics service was killed.
        pub fn $method(&self, spec: $spec) -> Result<$metric, Error> {
            self.register(spec)
        }
    };
}

impl Metrics {
    pub(crate) fn new(service: Service, config: Configured<MetricsConfig>) -> Result<Self, Error> {
        let registry = MetricRegistry::new(*service.app().identity(), config.max_series_per_vector)
            .carrying(&config.constant_labels)
            .hiding_values(config.is_sealed());
        let platform = Platform::register(&registry, service.app().package())?;
        config.register(&registry)?;
        let (address, last_bytes) = (OnceLock::new(), AtomicUsize::new(0));
        Ok(Self(Arc::new(Inner { service, config, registry, platform, address, last_bytes })))
    }

    register!(counter, CounterSpec, Counter, "a counter");
    register!(counter_vector, CounterVectorSpec, CounterVector, "counters told apart by labels");
    register!(gauge, GaugeSpec, Gauge, "a gauge");
    register!(gauge_vector, GaugeVectorSpec, GaugeVector, "gauges told apart by labels");
    register!(histogram, HistogramSpec, Histogram, "a histogram");
    register!(histogram_vector, HistogramVectorSpec, HistogramVector, "histograms told apart by labels");

    fn register<S: Spec>(&self, spec: S) -> Result<S::Metric, Error> {
        self.0.service.ensure_alive()?;
        self.0.registry.register(spec, Origin::Service)
    }

    /// Every registered metric: lookups by service and id.
    #[must_use]
    pub fn registry(&self) -> &MetricRegistry {
        &self.0.registry
    }

    /// The config that the service runs on.
    #[must_use]
    pub fn config(&self) -> &MetricsConfig {
        &self.0.config
    }

    /// Where the HTTP server listens; `None` until it does.
    #[must_use]
    pub fn bound_address(&self) -> Option<SocketAddr> {
        self.0.address.get().copied()
    }

    /// What a scrape reads: all metrics, the platform's and the process' too, in the text format 0.0.4.
    #[must_use]
    pub fn encode(&self) -> String {
        // Room for a little growth, so that the text is seldom copied while it is written.
        let room = self.0.last_bytes.load(Ordering::Relaxed);
        let mut text = String::with_capacity(room + room / 16);
        self.scrape(Format::Text).write(&mut text, usize::MAX);
        self.0.last_bytes.store(text.len(), Ordering::Relaxed);
        text
    }

    /// What a scrape reads, in any format, to be read in pieces: the memory of a slice, however long it is.
    #[must_use]
    pub fn exposition(&self, format: Format) -> Exposition {
        Exposition::new(self.scrape(format))
    }

    /// A scrape of all that there is now.
    pub(crate) fn scrape(&self, format: Format) -> Scrape {
        let Inner { service, registry, platform, .. } = &*self.0;
        let snapshot = platform.refresh(service.app(), registry);
        let labels = registry.sample_labels(app_core::APP_SERVICE);
        Scrape::new(format, snapshot, ProcessMetrics::read(labels))
    }

    pub(crate) fn listens_on(&self, address: SocketAddr) {
        // There is one server, which binds once.
        let _ = self.0.address.set(address);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("registry", &self.0.registry)
            .field("address", &self.0.address.get())
            .finish_non_exhaustive()
    }
}

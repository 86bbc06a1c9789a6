//! The handle of the metrics service. Services register their metrics with it.

mod others;

use crate::documented::MetricDoc;
use crate::exposition::{Exposition, Format, ProcessMetrics, Scrape};
use crate::family::Spec;
use crate::included::{Facade, ForeignFamily, IncludedMeters, Sources};
use crate::names::Names;
use crate::platform::PlatformMetrics;
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

/// The metrics of the application. A cheap handle; clones share the metrics.
///
/// A service takes it as a parameter: `metrics: Dep<Metrics>`. A service need not know whether the config has declared
/// a metric already: registering a metric again with an equal spec returns the same metric.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    service: Service,
    config: Configured<MetricsConfig>,
    registry: MetricRegistry,
    platform: PlatformMetrics,
    sources: Arc<Sources>,
    facade: Option<Facade>,
    address: OnceLock<SocketAddr>,
    /// Bytes of the last exposition, as an estimate for the next.
    last_bytes: AtomicUsize,
}

impl Exposed for Metrics {
    const SERVICE: ServiceId = METRICS_SERVICE_ID;
}

macro_rules! register {
    ($method:ident, $spec:ident, $metric:ident, $what:literal, [$($new:literal),+], $use:literal) => {
        #[doc = concat!("Registers ", $what, ".")]
        ///
        /// Registering a metric again with an equal spec returns the same metric.
        ///
        /// # Errors
        /// - [`METRIC_SPEC_INVALID`](crate::errors::METRIC_SPEC_INVALID) with every broken rule.
        /// - [`METRIC_SPEC_CONFLICT`](crate::errors::METRIC_SPEC_CONFLICT) if the service has a metric with this id and
        ///   another spec.
        /// - `ServiceNotAlive` once the metrics service was killed.
        ///
        /// # Examples
        ///
        /// ```
        /// use app_core::prelude::*;
        #[doc = concat!("use app_metrics::{", stringify!($spec), ", Metrics};")]
        ///
        /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
        /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
        /// async fn start(metrics: Dep<Metrics>) -> Result<(), Error> {
        $(#[doc = $new])+
        #[doc = $use]
        ///     Ok(())
        /// }
        /// # let _ = app_core::ServiceDescriptor::of(STORE, "store", start);
        /// ```
        pub fn $method(&self, spec: $spec) -> Result<$metric, Error> {
            self.register(spec)
        }
    };
}

impl Metrics {
    pub(crate) fn new(service: Service, config: Configured<MetricsConfig>) -> Result<Self, Error> {
        let registry = MetricRegistry::new(*App::of(&service).identity(), config.max_series_per_vector)
            .carrying(&config.constant_labels)
            .hiding_values(config.is_sealed())
            .speaking(MetricDoc::vocabulary(&App::of(&service)));
        MetricDoc::reserve_names(&registry);
        let platform = PlatformMetrics::register(&registry, App::of(&service).package())?;
        config.register(&registry)?;
        let sources = Sources::new(config.max_series_per_vector, IncludedMeters::register(&registry)?);
        let facade = others::recorder(&config)?;
        let (address, last_bytes) = (OnceLock::new(), AtomicUsize::new(0));
        Ok(Self(Arc::new(Inner {
            service,
            config,
            registry,
            platform,
            sources,
            facade,
            address,
            last_bytes,
        })))
    }

    register!(
        counter,
        CounterSpec,
        Counter,
        "a counter",
        ["    let writes = metrics.counter(CounterSpec::new(STORE, METRIC, \"Writes.\"))?;"],
        "    writes.inc();"
    );
    register!(
        counter_vector,
        CounterVectorSpec,
        CounterVector,
        "counters that differ in their labels",
        [
            "    let spec = CounterVectorSpec::new(STORE, METRIC, \"Writes, by outcome.\", [\"outcome\"]);",
            "    let failed = metrics.counter_vector(spec)?.with([\"failed\"])?;"
        ],
        "    failed.inc();"
    );
    register!(
        gauge,
        GaugeSpec,
        Gauge,
        "a gauge",
        ["    let open = metrics.gauge(GaugeSpec::new(STORE, METRIC, \"Open files.\"))?;"],
        "    let _file = open.guard();"
    );
    register!(
        gauge_vector,
        GaugeVectorSpec,
        GaugeVector,
        "gauges that differ in their labels",
        [
            "    let spec = GaugeVectorSpec::new(STORE, METRIC, \"Free bytes, by disk.\", [\"disk\"]);",
            "    let free = metrics.gauge_vector(spec)?;"
        ],
        "    free.set([\"sda\"], 4096.0)?;"
    );
    register!(
        histogram,
        HistogramSpec,
        Histogram,
        "a histogram",
        [
            "    let spec = HistogramSpec::new(STORE, METRIC, \"Seconds that writes took.\", [0.01, 0.1, 1.0]);",
            "    let seconds = metrics.histogram(spec)?;"
        ],
        "    let _timer = seconds.start_timer();"
    );
    register!(
        histogram_vector,
        HistogramVectorSpec,
        HistogramVector,
        "histograms that differ in their labels",
        [
            "    let help = \"Seconds that writes took, by disk.\";",
            "    let spec = HistogramVectorSpec::new(STORE, METRIC, help, [\"disk\"], [0.01, 0.1, 1.0]);",
            "    let seconds = metrics.histogram_vector(spec)?;"
        ],
        "    seconds.observe([\"sda\"], 0.003)?;"
    );

    fn register<S: Spec>(&self, spec: S) -> Result<S::Metric, Error> {
        self.0.service.ensure_alive()?;
        self.0.registry.register(spec, Origin::Service)
    }

    /// The registry of all metrics, for lookups by service and id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// metrics.counter(CounterSpec::new(STORE, METRIC, "Writes."))?.inc();
    /// let writes = metrics.registry().counter(STORE, METRIC).unwrap();
    /// assert_eq!(writes.get(), 1.0);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn registry(&self) -> &MetricRegistry {
        &self.0.registry
    }

    /// The config of the metrics service.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// assert_eq!(metrics.config().max_series_per_vector, app_metrics::DEFAULT_MAX_SERIES_PER_VECTOR);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn config(&self) -> &MetricsConfig {
        &self.0.config
    }

    /// Where the HTTP server listens; `None` until it does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// assert!(metrics.bound_address().is_some_and(|address| address.port() > 0));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn bound_address(&self) -> Option<SocketAddr> {
        self.0.address.get().copied()
    }

    /// The text that a scrape reads, in text format 0.0.4. It includes the metrics of the platform and of the process.
    ///
    /// Blocks while what was [included](Self::include) answers, for a few seconds at most.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// metrics.counter(CounterSpec::new(STORE, METRIC, "Writes."))?.inc();
    /// assert!(metrics.encode().contains("# HELP op_b1d302a97c55e011_9d1f6a4055c27b38 Writes."));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn encode(&self) -> String {
        // Space for a little growth, so that the text is seldom copied while it is written.
        let room = self.0.last_bytes.load(Ordering::Relaxed);
        let mut text = String::with_capacity(room + room / 16);
        self.scrape(Format::Text, Names::Ids).write(&mut text, usize::MAX);
        self.0.last_bytes.store(text.len(), Ordering::Relaxed);
        text
    }

    /// Begins a scrape in a chosen format, for reading in pieces. It needs the memory of one piece, whatever its
    /// length.
    ///
    /// Blocks while what was [included](Self::include) answers, for a few seconds at most.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const METRIC: MetricId = MetricId::new(0x9d1f_6a40_55c2_7b38);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// let mut exposition = metrics.exposition(app_metrics::Format::OpenMetrics);
    /// let mut text = Vec::new();
    /// while !exposition.read(&mut text, 64 * 1024) {}
    /// assert!(text.ends_with(b"# EOF\n"));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn exposition(&self, format: Format) -> Exposition {
        Exposition::new(self.scrape(format, Names::Ids))
    }

    /// Like [`exposition`](Self::exposition), with a choice of names.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{CounterSpec, METRICS_SERVICE_ID, Metrics};
    /// use app_metrics::{Format, Names};
    ///
    /// ids! {
    ///     /// The depot.
    ///     pub DEPOT: ServiceId = 0x5a94_c3e7_0b68_f12d, "depot";
    ///     /// Writes.
    ///     pub WRITES: MetricId = 0x6e07_d8b2_41fa_953c, "writes";
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// metrics.counter(CounterSpec::new(DEPOT, WRITES, "Writes."))?.inc();
    /// let mut text = Vec::new();
    /// metrics.exposition_named(Format::Text, Names::Readable).read(&mut text, usize::MAX);
    /// assert!(String::from_utf8_lossy(&text).contains("\ndepot_writes_total{"));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn exposition_named(&self, format: Format, names: Names) -> Exposition {
        Exposition::new(self.scrape(format, names))
    }

    /// Begins a scrape of the current metrics. Blocks while the sources of other libraries answer, which is bounded.
    pub(crate) fn scrape(&self, format: Format, names: Names) -> Scrape {
        let foreign = self.foreign();
        self.scrape_with(format, names, foreign)
    }

    fn scrape_with(&self, format: Format, names: Names, foreign: Vec<ForeignFamily>) -> Scrape {
        let Inner { service, registry, platform, .. } = &*self.0;
        let snapshot = platform.refresh(&App::of(service), registry);
        let labels = registry.sample_labels(app_core::APP_SERVICE);
        Scrape::new(format, names, snapshot, ProcessMetrics::read(labels)).with_foreign(foreign)
    }

    pub(crate) fn listens_on(&self, address: SocketAddr) {
        // The only server binds once.
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

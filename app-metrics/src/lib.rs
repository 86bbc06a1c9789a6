//! Metrics: what services measure, under ids that outlive renamed code, and the HTTP server that exposes it.
//!
//! A service declares a metric once, with a spec: service, id, help, labels, buckets. It keeps the handle that it gets
//! and counts with it, which is an atomic addition. Registration validates specs, because the exposition formats check
//! nothing. A metric that is declared as a [`MetricDoc`] is also on the page that the subcommand `metrics` prints: the
//! names of metrics are ids, which people cannot read. Vectors are capped, because label values may come from outside.
//! Scraping takes no lock that counting needs. A scrape may ask for [readable names](Names). It shows metrics of other
//! libraries, too: what [`Metrics::include`] takes, and what dependencies record through the crate `metrics`, if the config
//! names them. The dashboard and the rules come from the code: see [`Panel`] and [`Rule`].
//!
//! The crate also has the application's HTTP server, with `/metrics`. Other crates contribute [`Route`]s. The functions of
//! the Go library that this project follows are in [`compat`]. Not in this crate: health checks and probes (app-health), and
//! changes of any kind, because HTTP changes nothing.
//!
//! ```
//! use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
//! use app_metrics::{CounterVectorSpec, METRICS_SERVICE_ID, Metrics, testing::TestMetrics as _};
//!
//! const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
//! const GRANTS: MetricId = MetricId::new(0x8408_7d0f_1533_d4a6);
//!
//! async fn start(metrics: Dep<Metrics>) -> Result<(), Error> {
//!     let spec = CounterVectorSpec::new(QUOTA, GRANTS, "Permits, by rule and outcome.", ["rule", "outcome"]);
//!     let granted = metrics.counter_vector(spec)?.with(["default", "granted"])?;
//!     granted.inc();
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let quota = ServiceDescriptor::of(QUOTA, "quota", start);
//! let app = TestApp::builder().service(quota).linked([METRICS_SERVICE_ID]).start().await;
//! assert_eq!(app.metric(QUOTA, GRANTS, ["default", "granted"]), 1.0);
//! assert!(app.scrape().contains("op_ce1f32c680e1ef0b_84087d0f1533d4a6{"));
//! app.stop().await.expect_clean();
//! # }
//! ```

mod address;
mod command;
pub mod compat;
mod config;
mod counter;
mod dashboards;
mod documented;
pub mod errors;
mod exposition;
mod family;
mod gauge;
mod histogram;
mod http;
mod ids;
mod included;
pub mod log_events;
mod metrics;
mod names;
pub mod platform;
mod preflight;
mod registry;
mod route;
mod service;
mod spec;
mod stripe;
mod striped;
mod striped_float;
mod sync;
pub mod testing;
mod vector;
mod written;

pub use address::MetricsFlags;
pub use config::{DEFAULT_METRICS_HTTP_PORT, DeclaredMetrics, MetricsConfig};
pub use counter::Counter;
pub use dashboards::{Group, Panel, Row, Rule, RuleKind, Severity, Target, grafana_dashboard, rules_file};
pub use documented::{METRIC_PLACEHOLDER, MetricDoc, metrics_page};
pub use exposition::{Exposition, Format};
pub use family::{
    CounterMetric, CounterVectorMetric, GaugeMetric, GaugeVectorMetric, HistogramMetric,
    HistogramVectorMetric, Registered,
};
pub use gauge::{Gauge, GaugeGuard};
pub use histogram::{Histogram, HistogramSnapshot, HistogramTimer};
pub use ids::{
    HTTP_CONNECTIONS, HTTP_CONNECTIONS_OPEN, HTTP_REQUESTS, METRICS_SERVICE_ID, SCRAPE_DURATION, SCRAPE_SIZE,
    SCRAPES_REFUSED,
};
pub use included::{INCLUDED_DROPPED, Included, Source};
pub use metrics::Metrics;
pub use names::Names;
pub use registry::{ConstantLabels, DEFAULT_MAX_SERIES_PER_VECTOR, MetricRegistry};
pub use route::{Route, RouteFuture, RouteRequest, RouteResponse};
pub use spec::{
    CONSTANT_LABELS, CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec,
    HistogramVectorSpec, Kind, MetricSpec, MetricVectorSpec, prometheus_name,
};
pub use vector::{
    CounterVector, GaugeVector, HistogramVector, MAX_LABEL_VALUE_BYTES, OVERFLOW_LABEL_VALUE, Vector,
};

/// The library whose metrics [`Metrics::include`] takes, in the version that it takes.
pub use prometheus_client;

/// Names that the expansions of this crate's macros need.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

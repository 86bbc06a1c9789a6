//! The config of the metrics service: the address of its HTTP server, the limit of series, and metrics that the config
//! declares.

mod declared;
#[cfg(test)]
mod tests;

use crate::included::DEFAULT_BUCKETS;
use crate::spec::{Origin, buckets_problem};
use crate::{
    CONSTANT_LABELS, CounterSpec, CounterVectorSpec, DEFAULT_MAX_SERIES_PER_VECTOR, GaugeSpec,
    GaugeVectorSpec, HistogramSpec, HistogramVectorSpec, METRICS_SERVICE_ID, MetricRegistry,
};
use app_config::{Config, Expected, Place, Problems, quoted};
use app_core::listeners::{ListenPlace, SetBy};
use app_core::prelude::*;
use schema::metrics_capnp::metrics_service_spec;
use std::net::IpAddr;
use std::time::Duration;

/// The port of the HTTP server, unless the config sets one.
pub const DEFAULT_METRICS_HTTP_PORT: u16 = 4444;

/// The config of the metrics service, validated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// Port of the HTTP server; 0 for any free port.
    pub http_port: u16,
    /// Address to listen on; `None` for every address of the machine.
    pub bind_address: Option<IpAddr>,
    /// Upper bound of the series of a vector whose spec sets none.
    pub max_series_per_vector: usize,
    /// Metrics that exist from the start.
    pub metrics: DeclaredMetrics,
    /// The constant labels of every sample, in the order of [`CONSTANT_LABELS`]. `build_info` always has all of them.
    pub constant_labels: Vec<&'static str>,
    /// How the names begin that dependencies record through the crate `metrics` and that scrapes show; none by default.
    pub facade_prefixes: Vec<String>,
    /// Upper bounds of the buckets of the histograms that dependencies record.
    pub facade_buckets: Vec<f64>,
    /// After how long a series that no dependency records is removed; `None` for never.
    pub facade_idle: Option<Duration>,
}

/// The metrics that a config declares, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeclaredMetrics {
    /// Counters.
    pub counters: Vec<CounterSpec>,
    /// Vectors of counters.
    pub counter_vectors: Vec<CounterVectorSpec>,
    /// Gauges.
    pub gauges: Vec<GaugeSpec>,
    /// Vectors of gauges.
    pub gauge_vectors: Vec<GaugeVectorSpec>,
    /// Histograms.
    pub histograms: Vec<HistogramSpec>,
    /// Vectors of histograms.
    pub histogram_vectors: Vec<HistogramVectorSpec>,
}

app_config::config! { MetricsConfig, "The metrics HTTP server, and metrics that are there from the start." }

impl Config for MetricsConfig {
    const SERVICE: ServiceId = METRICS_SERVICE_ID;
    type Schema = metrics_service_spec::Owned;

    fn read(spec: metrics_service_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let bind_address = read_address(&spec, &mut problems.at("bindAddress"));
        let max_series_per_vector = spec.get_max_series_per_vector();
        if max_series_per_vector == 0 {
            problems.at("maxSeriesPerVector").add("must be 1 or more");
        }
        let constant_labels = read_labels(&spec, &mut problems.at("constantLabels"));
        let facade_prefixes = read_prefixes(&spec, &mut problems.at("facadePrefixes"));
        let facade_buckets = read_buckets(&spec, &mut problems.at("facadeBuckets"));
        let idle = spec.get_facade_idle_seconds();
        let mut place = problems.at("metricSpecs");
        let metrics = DeclaredMetrics::read(place.value(spec.get_metric_specs())?, &mut place)?;
        Some(Self {
            http_port: spec.get_http_port(),
            bind_address,
            max_series_per_vector: usize::try_from(max_series_per_vector).unwrap_or(usize::MAX),
            metrics,
            constant_labels,
            facade_prefixes,
            facade_buckets,
            facade_idle: (idle > 0).then(|| Duration::from_secs(idle.into())),
        })
    }

    fn without_file() -> Self {
        Self {
            http_port: DEFAULT_METRICS_HTTP_PORT,
            bind_address: None,
            max_series_per_vector: DEFAULT_MAX_SERIES_PER_VECTOR,
            metrics: DeclaredMetrics::default(),
            constant_labels: CONSTANT_LABELS.to_vec(),
            facade_prefixes: Vec::new(),
            facade_buckets: DEFAULT_BUCKETS.to_vec(),
            facade_idle: None,
        }
    }
}

impl MetricsConfig {
    /// Where the HTTP server of this app listens. The flag `--metrics-address` goes before the config.
    #[must_use]
    pub fn listen_place(&self, app: &App) -> ListenPlace {
        let set_by = SetBy::Config { service: METRICS_SERVICE_ID, port: "httpPort" };
        crate::address::listen_place(
            app,
            ListenPlace { address: self.bind_address, port: self.http_port, set_by },
        )
    }
}

fn read_address(spec: &metrics_service_spec::Reader<'_>, place: &mut Place<'_>) -> Option<IpAddr> {
    let text = place.text(spec.get_bind_address())?;
    if text.is_empty() {
        return None;
    }
    let address = text.parse();
    if address.is_err() {
        place.add_found("must be an IP address, such as 127.0.0.1 or ::1", quoted(text));
    }
    address.ok()
}

/// The labels that the config names; all of them if it names none.
fn read_labels(spec: &metrics_service_spec::Reader<'_>, place: &mut Place<'_>) -> Vec<&'static str> {
    let Some(list) = place.value(spec.get_constant_labels()) else { return Vec::new() };
    let mut named: Vec<&str> = Vec::new();
    for (index, name) in list.iter().enumerate() {
        let mut place = place.index(index);
        let Some(name) = place.text(name) else { continue };
        if !CONSTANT_LABELS.contains(&name) {
            let rule = Expected::of_code(format_args!("must be one of {}", CONSTANT_LABELS.join(", ")));
            place.add_found(rule, quoted(name));
        } else if named.contains(&name) {
            place.add_in_full("is listed twice", format_args!("{} is listed twice", quoted(name)));
        }
        named.push(name);
    }
    CONSTANT_LABELS.into_iter().filter(|label| named.is_empty() || named.contains(label)).collect()
}

/// The prefixes that the config names.
fn read_prefixes(spec: &metrics_service_spec::Reader<'_>, place: &mut Place<'_>) -> Vec<String> {
    let Some(list) = place.value(spec.get_facade_prefixes()) else { return Vec::new() };
    let mut prefixes: Vec<String> = Vec::new();
    for (index, prefix) in list.iter().enumerate() {
        let mut place = place.index(index);
        let Some(prefix) = place.text(prefix) else { continue };
        if prefix.is_empty() {
            place.add("must not be empty: it would be every name");
        } else if prefix.len() > MAX_PREFIX_BYTES {
            place.add("must have at most 200 bytes");
        } else if prefixes.iter().any(|other| other == prefix) {
            place.add_in_full("is listed twice", format_args!("{} is listed twice", quoted(prefix)));
        }
        prefixes.push(prefix.to_owned());
    }
    prefixes
}

/// The bounds that the config names, or the default if it names none.
fn read_buckets(spec: &metrics_service_spec::Reader<'_>, place: &mut Place<'_>) -> Vec<f64> {
    let Some(list) = place.value(spec.get_facade_buckets()) else { return Vec::new() };
    let bounds: Vec<f64> = list.iter().collect();
    if bounds.is_empty() {
        return DEFAULT_BUCKETS.to_vec();
    }
    for (index, rule, reason) in buckets_problem(&bounds) {
        match index {
            Some(index) => place.index(index).add_in_full(rule, reason),
            None => place.add_in_full(rule, reason),
        }
    }
    bounds
}

/// Longest prefix of names, in bytes.
const MAX_PREFIX_BYTES: usize = 200;

impl MetricsConfig {
    /// Registers the declared metrics.
    pub(crate) fn register(&self, registry: &MetricRegistry) -> Result<(), Error> {
        let DeclaredMetrics {
            counters,
            counter_vectors,
            gauges,
            gauge_vectors,
            histograms,
            histogram_vectors,
        } = self.metrics.clone();
        counters.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        counter_vectors
            .into_iter()
            .try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        gauges.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        gauge_vectors.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        histograms.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        histogram_vectors.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))
    }
}

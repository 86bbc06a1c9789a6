//! Documented metrics: each is declared once, beside the code that counts it.
//!
//! A [`MetricDoc`] is a constant. The spec under which the metric is registered is made from it, so the two agree.
//! [`document!`](crate::document) adds it to the page of all metrics, which the subcommand `metrics` of every
//! application prints ([`metrics_page`]).

mod page;
#[cfg(test)]
mod tests;

pub use page::metrics_page;

use crate::MetricRegistry;
use crate::names::{Names, TOTAL, Vocabulary, readable, service_name};
use crate::spec::Origin;
use crate::{
    CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec, Kind,
};
use app_core::App;
use app_errors::Error;
use app_ids::{MetricId, ServiceId};

/// The placeholder for the metric's name in the queries of a [`MetricDoc`]: `rate(METRIC[5m])`, `METRIC_bucket`.
pub const METRIC_PLACEHOLDER: &str = "METRIC";

/// The documentation of a metric: its spec, its unit, its meaning, and queries.
///
/// ```
/// use app_core::prelude::*;
/// use app_metrics::{MetricDoc, Metrics};
///
/// const MAIL: ServiceId = ServiceId::new(0x8f2c_66a1_03d5_be94);
/// ids! {
///     /// Mails sent.
///     pub MAILS: MetricId = 0x1f7a_90c3_55d2_8e06, "mails";
/// }
///
/// const MAILS_DOC: MetricDoc =
///     MetricDoc::counter_vector(MAIL, MAILS, "Mails sent, by outcome.", &[("outcome", "`taken` or `refused`")])
///         .unit("mails")
///         .meaning("Refused mails are not tried again.")
///         .queries(&[("Mails refused a second", "sum(rate(METRIC{outcome=\"refused\"}[5m]))")]);
///
/// app_metrics::document! { MAILS_DOC }
///
/// async fn start(metrics: Dep<Metrics>) -> Result<(), Error> {
///     metrics.counter_vector(MAILS_DOC.counter_vector_spec())?.with(["taken"])?.inc();
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MetricDoc {
    service: ServiceId,
    name: Name,
    kind: Kind,
    help: &'static str,
    labels: &'static [(&'static str, &'static str)],
    buckets: &'static [f64],
    unit: &'static str,
    meaning: &'static str,
    queries: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug)]
enum Name {
    Id(MetricId),
    /// A process metric: the name that all Prometheus client libraries use.
    Given(&'static str),
}

inventory::collect!(MetricDoc);

/// Adds [`MetricDoc`] constants, separated by commas, to the page of metrics of every application that links this
/// crate.
#[macro_export]
macro_rules! document {
    ($($doc:expr),+ $(,)?) => {
        $( $crate::__private::inventory::submit! { $doc } )+
    };
}

macro_rules! kinds {
    ($($what:literal, $new:ident, $kind:ident, $spec:ident, $of:ident, ($($label:ident)?), ($($bucket:ident)?);)+) => {
        /// A constructor and a spec for each kind. Labels are pairs of the name and a description of its values.
        impl MetricDoc {
            $(
                #[doc = concat!("A ", $what, ".")]
                #[must_use]
                pub const fn $new(
                    service: ServiceId,
                    metric: MetricId,
                    help: &'static str,
                    $($label: &'static [(&'static str, &'static str)],)?
                    $($bucket: &'static [f64],)?
                ) -> Self {
                    Self {
                        $($label,)?
                        $($bucket,)?
                        ..Self::new(service, Name::Id(metric), Kind::$kind, help)
                    }
                }

                #[doc = concat!("The spec of what is documented as a ", $what, ".")]
                #[must_use]
                pub fn $of(&self) -> $spec {
                    $spec::new(
                        self.service,
                        self.metric(),
                        self.help,
                        $(self.$label.iter().map(|(name, _)| *name),)?
                        $(self.$bucket,)?
                    )
                }
            )+
        }
    };
}

kinds! {
    "counter", counter, Counter, CounterSpec, counter_spec, (), ();
    "vector of counters", counter_vector, CounterVector, CounterVectorSpec, counter_vector_spec, (labels), ();
    "gauge", gauge, Gauge, GaugeSpec, gauge_spec, (), ();
    "vector of gauges", gauge_vector, GaugeVector, GaugeVectorSpec, gauge_vector_spec, (labels), ();
    "histogram", histogram, Histogram, HistogramSpec, histogram_spec, (), (buckets);
    "vector of histograms", histogram_vector, HistogramVector, HistogramVectorSpec, histogram_vector_spec, (labels), (buckets);
}

impl MetricDoc {
    /// Registers the metric, whatever its kind. A metric with a given name has no id, and is not registered.
    pub(crate) fn register(&self, registry: &MetricRegistry, origin: Origin) -> Result<(), Error> {
        if matches!(self.name, Name::Given(_)) {
            return Ok(());
        }
        match self.kind {
            Kind::Counter => registry.register(self.counter_spec(), origin).map(drop),
            Kind::CounterVector => registry.register(self.counter_vector_spec(), origin).map(drop),
            Kind::Gauge => registry.register(self.gauge_spec(), origin).map(drop),
            Kind::GaugeVector => registry.register(self.gauge_vector_spec(), origin).map(drop),
            Kind::Histogram => registry.register(self.histogram_spec(), origin).map(drop),
            Kind::HistogramVector => registry.register(self.histogram_vector_spec(), origin).map(drop),
        }
    }

    const fn new(service: ServiceId, name: Name, kind: Kind, help: &'static str) -> Self {
        Self { service, name, kind, help, labels: &[], buckets: &[], unit: "", meaning: "", queries: &[] }
    }

    /// A process metric with a name of Prometheus.
    pub(crate) const fn given(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self::new(app_core::APP_SERVICE, Name::Given(name), kind, help)
    }

    /// The same metric for another service. Use it in code that measures in the name of several services.
    #[must_use]
    pub const fn of_service(mut self, service: ServiceId) -> Self {
        self.service = service;
        self
    }

    /// Sets the unit of the values: `seconds`, `bytes`, or what is counted. For a flag it is `1 or 0`.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Sets what people should know beyond the help: when the value changes, what a high value means. Markdown.
    #[must_use]
    pub const fn meaning(mut self, meaning: &'static str) -> Self {
        self.meaning = meaning;
        self
    }

    /// Sets queries for Prometheus, each with a title. [`METRIC`](METRIC_PLACEHOLDER) stands for the name.
    #[must_use]
    pub const fn queries(mut self, queries: &'static [(&'static str, &'static str)]) -> Self {
        self.queries = queries;
        self
    }

    /// The service of the metric; service 0 is the platform.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// The kind of the metric.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The name in text format 0.0.4. OpenMetrics appends `_total` for counters.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        match self.name {
            Name::Id(metric) => metric.prometheus_name(self.service),
            Name::Given(name) => name.to_owned(),
        }
    }

    /// The name of the samples in Prometheus, which prefers OpenMetrics: counters end in `_total`. The samples of a
    /// histogram end in `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn series_name(&self) -> String {
        let name = self.prometheus_name();
        if self.kind.is_counter() && !name.ends_with(TOTAL) { name + TOTAL } else { name }
    }

    /// The name of the samples in a scrape with readable names, such as `quota_grants_total`: `None` if no name is
    /// recorded for the id or for its service. The samples of a histogram end in `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn readable_name(&self) -> Option<String> {
        let Name::Id(metric) = self.name else { return Some(self.name().to_owned()) };
        let name = readable(service_name(self.service)?, metric.name()?, self.unit, self.kind)?;
        let suffix = if self.kind.is_counter() { TOTAL } else { "" };
        Some(name.base + suffix)
    }

    /// The name of the samples in Prometheus, if it scrapes with these names. A metric without a readable name keeps its
    /// id name.
    #[must_use]
    pub fn series_name_in(&self, names: Names) -> String {
        match names {
            Names::Ids => self.series_name(),
            Names::Readable => self.readable_name().unwrap_or_else(|| self.series_name()),
        }
    }

    /// The name that is recorded for the id; empty if there is none.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.name {
            Name::Id(metric) => metric.name().unwrap_or_default(),
            Name::Given(name) => name,
        }
    }

    /// The help of the spec: one line.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// The unit of the values.
    #[must_use]
    pub const fn unit_of_values(&self) -> &'static str {
        self.unit
    }

    /// Names of the labels, without the constant labels.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.labels.iter().map(|(name, _)| *name)
    }

    /// The id of the metric; `None` for a metric of the process.
    #[must_use]
    pub const fn id(&self) -> Option<MetricId> {
        match self.name {
            Name::Id(metric) => Some(metric),
            Name::Given(_) => None,
        }
    }

    /// Whether the metric is of the process, with a name that all Prometheus client libraries use.
    pub(crate) const fn is_of_the_process(&self) -> bool {
        matches!(self.name, Name::Given(_))
    }

    /// What the readable names of an app's metrics are made of.
    pub(crate) fn vocabulary(app: &App) -> Vocabulary {
        let services = app.service_specs().iter().map(|spec| (spec.id(), spec.name().to_owned()));
        let units = inventory::iter::<Self>.into_iter().map(|doc| ((doc.service, doc.metric()), doc.unit));
        Vocabulary { services: services.collect(), units: units.collect() }
    }

    /// Keeps the names of the process's metrics from others.
    pub(crate) fn reserve_names(registry: &MetricRegistry) {
        let given = inventory::iter::<Self>.into_iter().filter_map(|doc| match doc.name {
            Name::Given(name) if doc.kind.is_counter() => Some((name.strip_suffix(TOTAL)?, doc.kind)),
            Name::Given(name) => Some((name, doc.kind)),
            Name::Id(_) => None,
        });
        registry.reserve(given.map(|(base, kind)| (base, kind.suffixes())));
    }

    /// Titles and queries, ready for Prometheus.
    pub fn example_queries(&self) -> impl Iterator<Item = (&'static str, String)> {
        let name = self.series_name();
        self.queries.iter().map(move |(what, query)| (*what, query.replace(METRIC_PLACEHOLDER, &name)))
    }

    /// All linked documents, by service and name.
    #[must_use]
    pub fn linked() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_cached_key(|doc| (doc.service, doc.name(), doc.prometheus_name()));
        all
    }

    /// The id; 0, which no registration accepts, for a metric with a given name.
    const fn metric(&self) -> MetricId {
        match self.name {
            Name::Id(metric) => metric,
            Name::Given(_) => MetricId::new(0),
        }
    }
}

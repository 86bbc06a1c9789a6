//! Metrics that a config declares: converts the structs of the schema to specs, and reports every problem with its
//! path.

use super::DeclaredMetrics;
use crate::family::Spec;
use crate::spec::{Field, Origin, Problem, problems};
use crate::{
    CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec,
    METRICS_SERVICE_ID, MetricSpec, MetricVectorSpec,
};
use app_config::{Expected, Place, Problems};
use app_core::prelude::*;
use capnp::{primitive_list, struct_list, text, text_list, traits::OwnedStruct};
use schema::metrics_capnp::{
    counter_metric_spec, counter_vector_metric_spec, gauge_metric_spec, gauge_vector_metric_spec,
    histogram_metric_spec, histogram_vector_metric_spec, metric_specs,
};
use std::collections::HashMap;

impl DeclaredMetrics {
    /// Reads the valid specs, and reports the problems of the others. Returns `None` only if the lists cannot be read.
    pub(super) fn read(specs: metric_specs::Reader<'_>, place: &mut Place<'_>) -> Option<Self> {
        let mut list = List { place, seen: HashMap::new() };
        Some(Self {
            counters: list.read("counterSpecs", specs.get_counter_specs())?,
            counter_vectors: list.read("counterVectorSpecs", specs.get_counter_vector_specs())?,
            gauges: list.read("gaugeSpecs", specs.get_gauge_specs())?,
            gauge_vectors: list.read("gaugeVectorSpecs", specs.get_gauge_vector_specs())?,
            histograms: list.read("histogramSpecs", specs.get_histogram_specs())?,
            histogram_vectors: list.read("histogramVectorSpecs", specs.get_histogram_vector_specs())?,
        })
    }
}

/// Reads the lists of a config, one after another.
struct List<'a, 'p> {
    place: &'a mut Place<'p>,
    /// Where each metric was declared.
    seen: HashMap<(ServiceId, MetricId), String>,
}

impl List<'_, '_> {
    fn read<'m, O, S>(
        &mut self,
        name: &'static str,
        specs: capnp::Result<struct_list::Reader<'m, O>>,
    ) -> Option<Vec<S>>
    where
        O: OwnedStruct,
        S: Declared<O::Reader<'m>>,
    {
        let mut list = self.place.field(name);
        let mut read = Vec::new();
        for (index, reader) in list.value(specs)?.iter().enumerate() {
            let mut place = list.index(index);
            let Some(spec) = S::declared(reader, &mut place) else { continue };
            let MetricSpec { service, metric, .. } = *spec.shape().spec;
            if service.is_zero() || metric.is_zero() {
                // Has no name. The zero was reported already.
            } else if let Some(other) = self.seen.get(&(service, metric)) {
                let rule = Expected::of_code(format_args!("is already declared by {other}"));
                let name = metric.prometheus_name(service);
                place.add_in_full(rule, format_args!("{name} is already declared by {other}"));
            } else {
                self.seen.insert((service, metric), format!("{name}[{index}]"));
            }
            read.push(spec);
        }
        Some(read)
    }
}

/// A spec that is read from a struct of the schema.
trait Declared<R>: Spec {
    /// Reads the struct. Returns `None` only if Cap'n Proto cannot read it.
    fn read(reader: &R, place: &mut Place<'_>) -> Option<Self>;

    /// Reads and checks the struct, and reports every problem. May return a spec with a problem, so that the rest is
    /// checked too.
    fn declared(reader: R, place: &mut Place<'_>) -> Option<Self> {
        let spec = Self::read(&reader, place)?;
        let shape = spec.shape();
        for problem in problems(&shape, Origin::Service) {
            report(&problem, shape.labels.is_some(), place);
        }
        Some(spec)
    }
}

/// Reports a problem at the field of the schema. For a vector, most fields are in its `metricSpec`.
fn report(problem: &Problem, vector: bool, place: &mut Place<'_>) {
    let add = |place: &mut Place<'_>| place.add_in_full(problem.rule, &problem.reason);
    let field = problem.field;
    match field {
        Field::Labels => return add(&mut place.field("labelNames")),
        Field::Label(index) => return add(&mut place.field("labelNames").index(index)),
        _ => {}
    }
    let add = |place: &mut Place<'_>| match field {
        Field::Service => add(&mut place.field("serviceId")),
        Field::Metric => add(&mut place.field("metricId")),
        Field::Buckets => add(&mut place.field("buckets")),
        Field::Bucket(index) => add(&mut place.field("buckets").index(index)),
        _ => add(&mut place.field("help")),
    };
    if vector { add(&mut place.field("metricSpec")) } else { add(place) }
}

fn read_spec(
    service: u64,
    metric: u64,
    help: capnp::Result<text::Reader<'_>>,
    place: &mut Place<'_>,
) -> Option<MetricSpec> {
    let help = place.field("help").text(help)?.trim();
    Some(MetricSpec::new(ServiceId::new(service), MetricId::new(metric), help))
}

fn read_vector(
    spec: MetricSpec,
    labels: capnp::Result<text_list::Reader<'_>>,
    max_series: u32,
    place: &mut Place<'_>,
) -> Option<MetricVectorSpec> {
    let mut place = place.field("labelNames");
    let mut names = Vec::new();
    for (index, label) in place.value(labels)?.iter().enumerate() {
        names.push(place.index(index).text(label)?);
    }
    let max_series = (max_series > 0).then(|| usize::try_from(max_series).unwrap_or(usize::MAX));
    Some(MetricVectorSpec { max_series, ..MetricVectorSpec::new(spec, names) })
}

fn read_buckets(
    buckets: capnp::Result<primitive_list::Reader<'_, f64>>,
    place: &mut Place<'_>,
) -> Option<Vec<f64>> {
    Some(place.field("buckets").value(buckets)?.iter().collect())
}

macro_rules! declared {
    ($spec:ident, $module:ident, |$reader:ident, $place:ident| $read:expr) => {
        impl Declared<$module::Reader<'_>> for $spec {
            fn read($reader: &$module::Reader<'_>, $place: &mut Place<'_>) -> Option<Self> {
                $read
            }
        }

        /// Like the factory of the Go library: the declared spec, or `ConfigFailure` with every problem.
        impl TryFrom<$module::Reader<'_>> for $spec {
            type Error = Error;

            fn try_from(reader: $module::Reader<'_>) -> Result<Self, Error> {
                let mut problems = Problems::new();
                let spec = Self::declared(reader, &mut problems.at(""));
                match spec {
                    Some(spec) if problems.is_empty() => Ok(spec),
                    _ => Err(errors::CONFIG_FAILURE
                        .error(METRICS_SERVICE_ID)
                        .message(format!("{}: {problems}", stringify!($module)))
                        .build()),
                }
            }
        }
    };
}

declared!(CounterSpec, counter_metric_spec, |reader, place| Some(Self {
    spec: read_spec(reader.get_service_id(), reader.get_metric_id(), reader.get_help(), place)?,
}));
declared!(GaugeSpec, gauge_metric_spec, |reader, place| Some(Self {
    spec: read_spec(reader.get_service_id(), reader.get_metric_id(), reader.get_help(), place)?,
}));
declared!(HistogramSpec, histogram_metric_spec, |reader, place| Some(Self {
    spec: read_spec(reader.get_service_id(), reader.get_metric_id(), reader.get_help(), place)?,
    buckets: read_buckets(reader.get_buckets(), place)?,
}));
declared!(CounterVectorSpec, counter_vector_metric_spec, |reader, place| {
    let metric = place.field("metricSpec").value(reader.get_metric_spec())?;
    let CounterSpec { spec } = Declared::read(&metric, &mut place.field("metricSpec"))?;
    Some(Self { vector: read_vector(spec, reader.get_label_names(), reader.get_max_series(), place)? })
});
declared!(GaugeVectorSpec, gauge_vector_metric_spec, |reader, place| {
    let metric = place.field("metricSpec").value(reader.get_metric_spec())?;
    let GaugeSpec { spec } = Declared::read(&metric, &mut place.field("metricSpec"))?;
    Some(Self { vector: read_vector(spec, reader.get_label_names(), reader.get_max_series(), place)? })
});
declared!(HistogramVectorSpec, histogram_vector_metric_spec, |reader, place| {
    let metric = place.field("metricSpec").value(reader.get_metric_spec())?;
    let HistogramSpec { spec, buckets } = Declared::read(&metric, &mut place.field("metricSpec"))?;
    Some(Self {
        vector: read_vector(spec, reader.get_label_names(), reader.get_max_series(), place)?,
        buckets,
    })
});

//! The text format, written by the library's encoder.

use super::ProcessMetrics;
use crate::counter::Value;
use crate::family::Instrument;
use crate::registry::{Family, Snapshot};
use crate::spec::Kind;
use crate::vector::{Metric, Vector};
use crate::{Counter, Gauge, Histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Whole numbers below this are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends every family of the snapshot, then those of the process, each once with its HELP and TYPE.
///
/// # Errors
/// Only what writing to a string gives: nothing.
pub(crate) fn encode(
    out: &mut String,
    snapshot: Arc<Snapshot>,
    process: Option<ProcessMetrics>,
) -> Result<(), fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { snapshot, process }));
    text::encode_registry(out, &registry)
}

#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    process: Option<ProcessMetrics>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut buckets = Vec::new();
        for family in &self.snapshot.families {
            encode_family(family, &mut encoder, &mut buckets)?;
        }
        let Some(process) = &self.process else { return Ok(()) };
        for sample in &process.samples {
            let kind = if sample.counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(sample.name, sample.help, None, kind)?;
            let labels = Labels { constant: process.labels.as_ref(), names: &[], values: &[] };
            encode_float(sample.value, metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn encode_family(
    family: &Family,
    encoder: &mut DescriptorEncoder<'_>,
    buckets: &mut Vec<(f64, u64)>,
) -> Result<(), fmt::Error> {
    let help = escaped(&family.instrument.shape().spec.help);
    let metric_type = match family.instrument.kind() {
        Kind::Counter | Kind::CounterVector => MetricType::Counter,
        Kind::Gauge | Kind::GaugeVector => MetricType::Gauge,
        Kind::Histogram | Kind::HistogramVector => MetricType::Histogram,
    };
    let encoder = encoder.encode_descriptor(&family.name, &help, None, metric_type)?;
    match &family.instrument {
        Instrument::Counter(counter) => single(family, counter.metric(), encoder, buckets),
        Instrument::Gauge(gauge) => single(family, gauge.metric(), encoder, buckets),
        Instrument::Histogram(histogram) => single(family, histogram.metric(), encoder, buckets),
        Instrument::CounterVector(vector) => several(family, vector.metric(), encoder, buckets),
        Instrument::GaugeVector(vector) => several(family, vector.metric(), encoder, buckets),
        Instrument::HistogramVector(vector) => several(family, vector.metric(), encoder, buckets),
    }
}

/// The sample of a metric without labels of its own.
fn single<M: Sample>(
    family: &Family,
    metric: &M,
    mut encoder: MetricEncoder<'_>,
    buckets: &mut Vec<(f64, u64)>,
) -> Result<(), fmt::Error> {
    let labels = Labels { constant: family.labels.as_ref(), names: &[], values: &[] };
    metric.encode(encoder.encode_family(&labels)?, buckets)
}

/// The samples of a vector.
fn several<M: Metric + Sample>(
    family: &Family,
    vector: &Vector<M>,
    mut encoder: MetricEncoder<'_>,
    buckets: &mut Vec<(f64, u64)>,
) -> Result<(), fmt::Error> {
    vector.series().try_for_each(|series| {
        let labels =
            Labels { constant: family.labels.as_ref(), names: vector.labels(), values: &series.values };
        series.metric.encode(encoder.encode_family(&labels)?, buckets)
    })
}

/// A metric that writes the sample or samples of one series.
trait Sample {
    fn encode(&self, encoder: MetricEncoder<'_>, buckets: &mut Vec<(f64, u64)>) -> Result<(), fmt::Error>;
}

impl Sample for Counter {
    fn encode(&self, mut encoder: MetricEncoder<'_>, _: &mut Vec<(f64, u64)>) -> Result<(), fmt::Error> {
        match self.value() {
            Value::Whole(value) => encoder.encode_gauge(&value),
            Value::Float(value) => encode_float(value, encoder),
        }
    }
}

impl Sample for Gauge {
    fn encode(&self, encoder: MetricEncoder<'_>, _: &mut Vec<(f64, u64)>) -> Result<(), fmt::Error> {
        encode_float(self.get(), encoder)
    }
}

impl Sample for Histogram {
    fn encode(
        &self,
        mut encoder: MetricEncoder<'_>,
        buckets: &mut Vec<(f64, u64)>,
    ) -> Result<(), fmt::Error> {
        let sum = self.read_into(buckets);
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

/// Whole numbers without a point: shorter, quicker, and what people expect of counts.
fn encode_float(value: f64, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    if value.abs() < EXACT && value.fract() == 0.0 {
        encoder.encode_gauge(&(value as i64))
    } else {
        encoder.encode_gauge(&value)
    }
}

/// A family's constant labels, then a series' own.
struct Labels<'a> {
    constant: &'a [(&'static str, String)],
    names: &'a [String],
    values: &'a [Box<str>],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, value) in self.constant {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        for (name, value) in self.names.iter().zip(self.values) {
            (name.as_str(), &**value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The help text as the format wants it: backslash and newline escaped.
fn escaped(help: &str) -> Cow<'_, str> {
    if help.contains(['\\', '\n']) {
        help.replace('\\', "\\\\").replace('\n', "\\n").into()
    } else {
        help.into()
    }
}

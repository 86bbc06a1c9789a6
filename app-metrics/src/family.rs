//! A registered metric: its spec and its values.

use crate::spec::{Kind, MetricSpec, MetricVectorSpec, Shape};
use crate::vector::{Metric, Vector, VectorParts};
use crate::{
    Counter, CounterSpec, CounterVector, CounterVectorSpec, Gauge, GaugeSpec, GaugeVector, GaugeVectorSpec,
    Histogram, HistogramSpec, HistogramVector, HistogramVectorSpec,
};
use std::ops::Deref;
use std::sync::Arc;

/// A metric and the spec under which it is registered. Dereferences to the metric.
#[derive(Clone, Debug)]
pub struct Registered<S, M> {
    spec: Arc<S>,
    metric: M,
}

impl<S, M> Registered<S, M> {
    /// The spec of the metric.
    #[must_use]
    pub fn spec(&self) -> &S {
        &self.spec
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &M {
        &self.metric
    }
}

impl<S, M> Deref for Registered<S, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.metric
    }
}

/// A registered counter.
pub type CounterMetric = Registered<CounterSpec, Counter>;
/// A registered vector of counters.
pub type CounterVectorMetric = Registered<CounterVectorSpec, CounterVector>;
/// A registered gauge.
pub type GaugeMetric = Registered<GaugeSpec, Gauge>;
/// A registered vector of gauges.
pub type GaugeVectorMetric = Registered<GaugeVectorSpec, GaugeVector>;
/// A registered histogram.
pub type HistogramMetric = Registered<HistogramSpec, Histogram>;
/// A registered vector of histograms.
pub type HistogramVectorMetric = Registered<HistogramVectorSpec, HistogramVector>;

/// A registered metric of any kind.
#[derive(Clone, Debug)]
pub(crate) enum Instrument {
    Counter(CounterMetric),
    CounterVector(CounterVectorMetric),
    Gauge(GaugeMetric),
    GaugeVector(GaugeVectorMetric),
    Histogram(HistogramMetric),
    HistogramVector(HistogramVectorMetric),
}

impl Instrument {
    pub(crate) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Counter(metric) => metric.spec().shape(),
            Self::CounterVector(metric) => metric.spec().shape(),
            Self::Gauge(metric) => metric.spec().shape(),
            Self::GaugeVector(metric) => metric.spec().shape(),
            Self::Histogram(metric) => metric.spec().shape(),
            Self::HistogramVector(metric) => metric.spec().shape(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.shape().kind
    }

    /// The value of one series, or 0 if it does not exist; `None` if the number of labels differs.
    pub(crate) fn value(&self, labels: &[&str]) -> Option<f64> {
        let single = |value: f64| labels.is_empty().then_some(value);
        match self {
            Self::Counter(metric) => single(metric.get()),
            Self::Gauge(metric) => single(metric.get()),
            Self::Histogram(metric) => single(metric.snapshot().count() as f64),
            Self::CounterVector(metric) => metric.value(labels, Counter::get),
            Self::GaugeVector(metric) => metric.value(labels, Gauge::get),
            Self::HistogramVector(metric) => metric.value(labels, |series| series.snapshot().count() as f64),
        }
    }

    /// Number of a vector's lookups that returned the overflow series; `None` for a metric that is not a vector.
    pub(crate) fn overflowed(&self) -> Option<u64> {
        match self {
            Self::CounterVector(metric) => Some(metric.overflowed()),
            Self::GaugeVector(metric) => Some(metric.overflowed()),
            Self::HistogramVector(metric) => Some(metric.overflowed()),
            Self::Counter(_) | Self::Gauge(_) | Self::Histogram(_) => None,
        }
    }
}

/// What the registry needs of a spec, for all kinds.
pub(crate) trait Spec: Clone + PartialEq + Sized {
    type Metric: Clone;

    fn shape(&self) -> Shape<'_>;
    fn spec_mut(&mut self) -> &mut MetricSpec;
    /// The limit of series in the spec of a vector; `None` for other kinds.
    fn max_series_mut(&mut self) -> Option<&mut Option<usize>>;
    /// Creates the metric of a valid spec. `cap` is the limit of series for vectors whose spec sets none.
    fn build(&self, cap: usize) -> Self::Metric;
    fn wrap(registered: Registered<Self, Self::Metric>) -> Instrument;
    fn unwrap(instrument: &Instrument) -> Option<&Registered<Self, Self::Metric>>;

    fn register(self, cap: usize) -> Registered<Self, Self::Metric> {
        let metric = self.build(cap);
        Registered { spec: Arc::new(self), metric }
    }
}

macro_rules! simple {
    ($spec:ident, $kind:ident, |$self:ident| $build:expr, $buckets:expr) => {
        impl Spec for $spec {
            type Metric = $kind;

            fn shape(&self) -> Shape<'_> {
                let $self = self;
                Shape { kind: Kind::$kind, spec: &self.spec, labels: None, buckets: $buckets }
            }

            fn spec_mut(&mut self) -> &mut MetricSpec {
                &mut self.spec
            }

            fn max_series_mut(&mut self) -> Option<&mut Option<usize>> {
                None
            }

            fn build(&self, _: usize) -> $kind {
                let $self = self;
                $build
            }

            fn wrap(registered: Registered<Self, $kind>) -> Instrument {
                Instrument::$kind(registered)
            }

            fn unwrap(instrument: &Instrument) -> Option<&Registered<Self, $kind>> {
                if let Instrument::$kind(registered) = instrument { Some(registered) } else { None }
            }
        }
    };
}

simple!(CounterSpec, Counter, |_spec| Counter::default(), None);
simple!(GaugeSpec, Gauge, |_spec| Gauge::default(), None);
simple!(HistogramSpec, Histogram, |spec| Histogram::new(spec.buckets.as_slice().into()), Some(&spec.buckets));

macro_rules! vector {
    ($spec:ident, $kind:ident, |$self:ident| $buckets:expr) => {
        impl Spec for $spec {
            type Metric = $kind;

            fn shape(&self) -> Shape<'_> {
                let $self = self;
                let labels = Some(self.vector.labels.as_slice());
                Shape { kind: Kind::$kind, spec: &self.vector.spec, labels, buckets: $buckets }
            }

            fn spec_mut(&mut self) -> &mut MetricSpec {
                &mut self.vector.spec
            }

            fn max_series_mut(&mut self) -> Option<&mut Option<usize>> {
                Some(&mut self.vector.max_series)
            }

            fn build(&self, cap: usize) -> $kind {
                let $self = self;
                let buckets: Option<&[f64]> = $buckets;
                new_vector(&self.vector, buckets.unwrap_or_default(), cap)
            }

            fn wrap(registered: Registered<Self, $kind>) -> Instrument {
                Instrument::$kind(registered)
            }

            fn unwrap(instrument: &Instrument) -> Option<&Registered<Self, $kind>> {
                if let Instrument::$kind(registered) = instrument { Some(registered) } else { None }
            }
        }
    };
}

vector!(CounterVectorSpec, CounterVector, |_spec| None);
vector!(GaugeVectorSpec, GaugeVector, |_spec| None);
vector!(HistogramVectorSpec, HistogramVector, |spec| Some(&spec.buckets));

fn new_vector<M: Metric>(spec: &MetricVectorSpec, buckets: &[f64], cap: usize) -> Vector<M> {
    Vector::new(VectorParts {
        service: spec.spec.service,
        name: spec.spec.prometheus_name(),
        labels: spec.labels.clone(),
        bounds: buckets.into(),
        cap: spec.max_series.unwrap_or(cap),
    })
}

//! The other crates, as their users set them up.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, set_global_recorder,
};
use metrics_util::registry::{AtomicStorage, Registry};
use std::sync::Arc;

/// The recorder of `metrics`: that crate's own registry, on which its exporters are built.
pub(crate) type MetricsRegistry = Registry<Key, AtomicStorage>;

struct Recording(Arc<MetricsRegistry>);

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.0.get_or_create_counter(key, |counter| Arc::clone(counter).into())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.0.get_or_create_gauge(key, |gauge| Arc::clone(gauge).into())
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.0.get_or_create_histogram(key, |histogram| Arc::clone(histogram).into())
    }
}

/// Installs the recorder, once.
pub(crate) fn install() -> Arc<MetricsRegistry> {
    static REGISTRY: std::sync::OnceLock<Arc<MetricsRegistry>> = std::sync::OnceLock::new();
    Arc::clone(REGISTRY.get_or_init(|| {
        let registry = Arc::new(Registry::new(AtomicStorage));
        assert!(set_global_recorder(Recording(Arc::clone(&registry))).is_ok());
        registry
    }))
}

/// Labels as users of `prometheus-client` write them.
pub(crate) type Labels = [(&'static str, String); 2];

pub(crate) fn labels(rule: &str) -> Labels {
    [("rule", rule.to_owned()), ("outcome", "granted".to_owned())]
}

//! What can be included, and the handle that removes it.

use super::collect::Sources;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// What [`Metrics::include`](crate::Metrics::include) takes, of `prometheus_client` 0.25:
///
/// - a `Collector`,
/// - a metric with its name and help, `("jobs_done", "Jobs that are done", counter)`, and with a unit:
///   `("job_time", "Time of jobs", Unit::Seconds, histogram)`,
/// - a `Registry`, an `Arc<Registry>`, or one that grows: `Arc<Mutex<Registry>>`, `Arc<RwLock<Registry>>`.
///
/// `K` tells these apart, and the compiler infers it.
pub trait Source<K> {
    /// Encodes the metrics of this source.
    #[doc(hidden)]
    fn encoder(self) -> Encoder;
}

/// Writes a source in the library's encoding.
#[doc(hidden)]
pub struct Encoder(pub(super) Box<Encode>);

type Encode = dyn Fn(&mut dyn fmt::Write) -> fmt::Result + Send + Sync;

impl Encoder {
    fn of(registry: Registry) -> Self {
        Self(Box::new(move |mut out| encode_registry(&mut out, &registry)))
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub enum ByCollector {}
#[doc(hidden)]
#[derive(Debug)]
pub enum ByMetric {}
#[doc(hidden)]
#[derive(Debug)]
pub enum ByMetricWithUnit {}
#[doc(hidden)]
#[derive(Debug)]
pub enum ByRegistry {}
#[doc(hidden)]
#[derive(Debug)]
pub enum BySharedRegistry {}
#[doc(hidden)]
#[derive(Debug)]
pub enum ByMutex {}
#[doc(hidden)]
#[derive(Debug)]
pub enum ByRwLock {}

impl<C: Collector> Source<ByCollector> for C {
    fn encoder(self) -> Encoder {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        Encoder::of(registry)
    }
}

impl<N: Into<String>, H: Into<String>, M: Metric> Source<ByMetric> for (N, H, M) {
    fn encoder(self) -> Encoder {
        let mut registry = Registry::default();
        registry.register(self.0, self.1, self.2);
        Encoder::of(registry)
    }
}

impl<N: Into<String>, H: Into<String>, M: Metric> Source<ByMetricWithUnit> for (N, H, Unit, M) {
    fn encoder(self) -> Encoder {
        let mut registry = Registry::default();
        registry.register_with_unit(self.0, self.1, self.2, self.3);
        Encoder::of(registry)
    }
}

impl Source<ByRegistry> for Registry {
    fn encoder(self) -> Encoder {
        Encoder::of(self)
    }
}

impl Source<BySharedRegistry> for Arc<Registry> {
    fn encoder(self) -> Encoder {
        Encoder(Box::new(move |mut out| encode_registry(&mut out, &self)))
    }
}

impl Source<ByMutex> for Arc<Mutex<Registry>> {
    fn encoder(self) -> Encoder {
        Encoder(Box::new(move |mut out| {
            encode_registry(&mut out, &self.lock().unwrap_or_else(PoisonError::into_inner))
        }))
    }
}

impl Source<ByRwLock> for Arc<RwLock<Registry>> {
    fn encoder(self) -> Encoder {
        Encoder(Box::new(move |mut out| {
            encode_registry(&mut out, &self.read().unwrap_or_else(PoisonError::into_inner))
        }))
    }
}

/// What was included. Its metrics are in scrapes until this value is dropped.
#[derive(Debug)]
#[must_use = "dropping it removes the metrics from scrapes; `keep` keeps them there"]
pub struct Included {
    pub(super) id: u64,
    pub(super) sources: Weak<Sources>,
}

impl Included {
    /// Keeps the metrics in scrapes for as long as the application runs.
    pub fn keep(self) {
        let mut this = self;
        this.sources = Weak::new();
    }
}

impl Drop for Included {
    fn drop(&mut self) {
        if let Some(sources) = self.sources.upgrade() {
            sources.remove(self.id);
        }
    }
}

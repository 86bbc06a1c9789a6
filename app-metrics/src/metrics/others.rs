//! Metrics of other libraries in the scrapes of an app.

use super::{Inner, Metrics};
use crate::errors::FACADE_TAKEN;
use crate::exposition::{Format, Scrape};
use crate::included::{Facade, FacadeSettings, ForeignFamily, Included, Source, merged};
use crate::names::Names;
use crate::{METRICS_SERVICE_ID, MetricsConfig};
use app_core::prelude::*;
use app_core::threads::run_blocking;
use tokio::sync::Semaphore;

impl Metrics {
    /// Includes metrics of another library in every scrape: a collector, a metric with its name and help, or a registry
    /// of `prometheus_client`. See [`Source`].
    ///
    /// They are there until the returned value is dropped. [`Included::keep`] keeps them for good. They keep their names,
    /// with ids and with readable names. They carry the constant labels of the application, service 0;
    /// [`include_for`](Self::include_for) chooses another service.
    ///
    /// What cannot be shown is left out, counted in [`INCLUDED_DROPPED`](crate::INCLUDED_DROPPED) and logged once: a name
    /// that another metric has, a series past `maxSeriesPerVector`, a collector that panics, or one that takes more than
    /// a second. A label with the name of a constant label becomes `exported_{name}`.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the metrics service was killed.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_metrics::prometheus_client::{metrics::counter::Counter, registry::Registry};
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{METRICS_SERVICE_ID, Metrics};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    ///
    /// let hits = <Counter>::default();
    /// metrics.include(("cache_hits", "Hits of the cache", hits.clone()))?.keep();
    /// hits.inc();
    ///
    /// let mut registry = Registry::with_prefix("pool");
    /// registry.register("connects", "Connections made", <Counter>::default());
    /// let of_the_pool = metrics.include(registry)?;
    ///
    /// assert!(metrics.encode().contains("\ncache_hits_total{"));
    /// assert!(metrics.encode().contains("\npool_connects_total{"));
    /// drop(of_the_pool);
    /// assert!(!metrics.encode().contains("pool_connects"));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn include<K>(&self, source: impl Source<K>) -> Result<Included, Error> {
        self.include_for(app_core::APP_SERVICE, source)
    }

    /// Like [`include`](Self::include), with the constant labels of a service.
    ///
    /// # Errors
    /// Those of [`include`](Self::include).
    ///
    /// # Examples
    ///
    /// ```
    /// use app_metrics::prometheus_client::{metrics::gauge::Gauge, registry::Unit};
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// let used = <Gauge>::default();
    /// let included = metrics.include_for(STORE, ("disk_used", "Used space", Unit::Bytes, used.clone()))?;
    /// used.set(4096);
    /// assert!(metrics.encode().contains("\ndisk_used_bytes{"));
    /// # drop(included);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn include_for<K>(&self, service: ServiceId, source: impl Source<K>) -> Result<Included, Error> {
        self.0.service.ensure_alive()?;
        let constant = self.0.registry.sample_labels(service);
        Ok(self.0.sources.include(service.describe().to_string(), constant, source))
    }

    /// Like [`scrape`](Self::scrape), without blocking. Cancel safe: a thread that asks sources ends by itself.
    pub(crate) async fn scraped(&self, format: Format, names: Names, turns: &Semaphore) -> Scrape {
        let foreign = if self.0.sources.is_empty() {
            self.foreign()
        } else {
            let this = self.clone();
            let asked = run_blocking("metrics-include", move || this.foreign()).await;
            asked.unwrap_or_else(|error| {
                self.0.sources.failed(self.0.service.log(), &error.to_string());
                Vec::new()
            })
        };
        // The semaphore is never closed.
        let turn = turns.acquire().await;
        let scrape = self.scrape_with(format, names, foreign);
        drop(turn);
        scrape
    }

    /// The metrics of other libraries, each family once.
    pub(super) fn foreign(&self) -> Vec<ForeignFamily> {
        let Inner { service, config, registry, sources, facade, .. } = &*self.0;
        let log = service.log();
        let mut all = if sources.is_empty() { Vec::new() } else { sources.collect(log) };
        if let Some(facade) = facade {
            let (families, drops) = facade.collect(&registry.sample_labels(app_core::APP_SERVICE));
            sources.dropped(log, FACADE, &drops);
            all.push((FACADE.to_owned(), families));
        }
        if all.is_empty() {
            return Vec::new();
        }
        let merged = merged(registry, config.max_series_per_vector, all);
        for (source, drops) in &merged.drops {
            sources.dropped(log, source, drops);
        }
        merged.families
    }
}

/// The name of what dependencies record, in the log.
const FACADE: &str = "the crate metrics";

/// The recorder of the crate `metrics`, if the config names prefixes.
pub(super) fn recorder(config: &MetricsConfig) -> Result<Option<Facade>, Error> {
    if config.facade_prefixes.is_empty() {
        return Ok(None);
    }
    let settings = FacadeSettings {
        prefixes: config.facade_prefixes.clone(),
        buckets: config.facade_buckets.as_slice().into(),
        idle: config.facade_idle,
        max_series: config.max_series_per_vector,
    };
    let facade = Facade::installed(settings).map_err(|why| {
        let message = format!(
            "config {METRICS_SERVICE_ID:#x}: facadePrefixes: {why}; remove it from the program, or leave facadePrefixes empty"
        );
        FACADE_TAKEN.error(METRICS_SERVICE_ID).message(message).build()
    })?;
    Ok(Some(facade))
}

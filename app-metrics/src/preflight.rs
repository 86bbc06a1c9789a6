//! Checks before a start: metrics and routes that conflict, and an address that cannot be used.
//!
//! A start and `--check` run them. Only the start checks whether the port is busy, because `--check` often runs beside
//! the application that listens there.

use crate::http::{HttpMetrics, check_routes};
use crate::included::IncludedMeters;
use crate::platform::PlatformMetrics;
use crate::route::Route;
use crate::service::bind_failed;
use crate::spec::Origin;
use crate::{METRICS_SERVICE_ID, MetricDoc, MetricRegistry, MetricsConfig};
use app_config::{Configured, upcoming};
use app_core::listeners::try_address;
use app_core::prelude::*;
use app_core::{plugins::Preflight, preflight};

preflight! { Preflight::new("metrics", check) }

fn check(app: &App) -> Vec<Error> {
    let has = |id: ServiceId| app.service_specs().iter().any(|service| service.id() == id);
    // The check of configs reports a config that is refused.
    let Some(config) = upcoming::<MetricsConfig>(app).filter(|_| has(METRICS_SERVICE_ID)) else {
        return Vec::new();
    };
    let mut problems = metrics(app, &config, has);
    let results = [check_routes(Route::linked()), address(app, &config)];
    problems.extend(results.into_iter().filter_map(Result::err));
    problems
}

/// Registers every known metric in a registry of its own, to find conflicts of specs and of readable names.
fn metrics(app: &App, config: &Configured<MetricsConfig>, has: impl Fn(ServiceId) -> bool) -> Vec<Error> {
    let registry = MetricRegistry::new(*app.identity(), config.max_series_per_vector)
        .carrying(&config.constant_labels)
        .hiding_values(config.is_sealed())
        .speaking(MetricDoc::vocabulary(app));
    MetricDoc::reserve_names(&registry);
    let own = [
        PlatformMetrics::register(&registry, app.package()).map(drop),
        config.register(&registry),
        HttpMetrics::register(&registry).map(drop),
        IncludedMeters::register(&registry).map(drop),
    ];
    let of_services = MetricDoc::linked().into_iter().filter(|doc| has(doc.service()));
    let of_services = of_services.map(|doc| doc.register(&registry, Origin::Service));
    own.into_iter().chain(of_services).filter_map(Result::err).collect()
}

fn address(app: &App, config: &MetricsConfig) -> Result<(), Error> {
    let service = app.service_specs().iter().find(|service| service.id() == METRICS_SERVICE_ID);
    let has_listener = service.is_some_and(|service| app.has_listener_for(service.name()));
    let place = config.listen_place(app);
    if place.port == 0 || has_listener {
        return Ok(());
    }
    try_address(place.address, place.port).map_err(|error| bind_failed(&error, place.set_by))
}

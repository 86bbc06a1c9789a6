//! Checks the addresses of endpoints before anything starts. Reading the configs checks everything else.
//!
//! A start and `--check` both run this. Only a start finds out that a port is busy, because `--check` often runs beside the
//! application that uses the port.

use std::net::{IpAddr, SocketAddr};

use app_config::upcoming;
use app_core::listeners::{ListenPlace, try_address};
use app_core::prelude::*;
use app_core::{plugins::Preflight, preflight};
use app_metrics::{METRICS_SERVICE_ID, MetricsConfig};

use super::{LinkedEndpoint, in_config, not_listening};
use crate::RpcServerConfig;

preflight! { Preflight::new("rpc endpoints", check) }

/// A service that will listen.
struct Listens {
    service: ServiceId,
    place: ListenPlace,
}

impl Listens {
    fn overlaps(&self, other: &Self) -> bool {
        let every = |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
        let (one, other) = (self.place, other.place);
        let same = one.address == other.address || every(one.address) || every(other.address);
        one.port != 0 && one.port == other.port && same
    }
}

fn check(app: &App) -> Vec<Error> {
    let endpoints = LinkedEndpoint::all(app).into_iter();
    let configs: Vec<_> = endpoints.filter_map(|of| Some((of.service(), of.upcoming(app)?))).collect();
    let mut problems: Vec<_> =
        configs.iter().filter_map(|(service, config)| problem(app, *service, config)).collect();
    if !app.any_port() {
        problems.extend(shared_ports(&listening(app, &configs)));
    }
    problems
}

/// Why the endpoint can't listen on the address of its config, if it can't.
fn problem(app: &App, service: ServiceId, config: &RpcServerConfig) -> Option<Error> {
    let name = app.service_specs().iter().find(|spec| spec.id() == service).map(|spec| spec.name());
    if app.any_port() || config.port == 0 || name.is_some_and(|name| app.has_listener_for(name)) {
        return None;
    }
    let failed = try_address(config.bind_address, config.port);
    failed.err().map(|failed| not_listening(service, &failed))
}

/// The endpoints and the HTTP server of the metrics.
fn listening(app: &App, configs: &[(ServiceId, RpcServerConfig)]) -> Vec<Listens> {
    let has_metrics = app.service_specs().iter().any(|service| service.id() == METRICS_SERVICE_ID);
    let metrics = upcoming::<MetricsConfig>(app)
        .filter(|_| has_metrics)
        .map(|config| Listens { service: METRICS_SERVICE_ID, place: config.listen_place(app) });
    let endpoints = configs.iter().map(|(service, config)| Listens {
        service: *service,
        place: ListenPlace { address: config.bind_address, port: config.port, set_by: in_config(*service) },
    });
    metrics.into_iter().chain(endpoints).collect()
}

/// A problem for each pair of services that can't listen at the same time.
fn shared_ports(all: &[Listens]) -> Vec<Error> {
    let mut problems = Vec::new();
    for (i, first) in all.iter().enumerate() {
        for second in all[i + 1..].iter().filter(|second| first.overlaps(second)) {
            let ListenPlace { address, port, set_by } = second.place;
            let address = SocketAddr::new(address.unwrap_or(IpAddr::from([0, 0, 0, 0])), port);
            let message = format!(
                "{set_by}: {} {address} is also where service {} listens ({} in {}): give one of them another port",
                set_by.port(),
                first.service.describe(),
                first.place.set_by.port(),
                first.place.set_by,
            );
            problems.push(errors::CONFIG_FAILURE.error(second.service).message(message).build());
        }
    }
    problems
}

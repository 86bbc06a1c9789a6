//! The service `metrics`: the registry, and the HTTP server that serves it.

use crate::errors::HTTP_BIND_FAILED;
use crate::http::{Bound, HttpMetrics, Limits, Scrapes, router};
use crate::log_events::{
    METRICS_HTTP_REPORTER_SHUTDOWN_WHILE_SERVICE_RUNNING, METRICS_HTTP_REPORTER_START_ERROR,
    METRICS_HTTP_SERVER_STARTED, METRICS_HTTP_SERVER_STARTING, METRICS_HTTP_SERVER_STOPPED,
};
use crate::route::Route;
use crate::{METRICS_SERVICE_ID, Metrics, MetricsConfig};
use app_config::Configured;
use app_core::listeners::{ListenError, ListenPlace, SetBy};
use app_core::plugins::ListeningService;
use app_core::prelude::*;
use serde_json::json;

app_core::service! { id: METRICS_SERVICE_ID, name: "metrics", start: start, infrastructure: true }

inventory::submit! { ListeningService::new(METRICS_SERVICE_ID, listen_place) }

/// Where the HTTP server will listen.
fn listen_place(app: &App) -> Option<ListenPlace> {
    Some(app_config::upcoming::<MetricsConfig>(app)?.listen_place(app))
}

async fn start(service: Service, config: Configured<MetricsConfig>) -> Result<Metrics, Error> {
    let metrics = Metrics::new(service.clone(), config.clone())?;
    let meters = HttpMetrics::register(metrics.registry())?;
    let limits = Limits::default();
    let scrapes = Scrapes::new(metrics.clone(), meters.clone(), limits);
    let router = router(&App::of(&service), scrapes, Route::linked())?;

    let log = service.log().clone();
    debug!(log, "metrics HTTP server is starting"; "event" => METRICS_HTTP_SERVER_STARTING.hex());
    let app = App::of(&service);
    let place = config.listen_place(&app);
    let listener = app.listen(service.name(), place.address, place.port).map_err(|error| {
        let failed = bind_failed(&error, place.set_by);
        error!(log, "metrics HTTP server cannot start"; "event" => METRICS_HTTP_REPORTER_START_ERROR.hex(), "err" => #&failed);
        failed
    })?;
    let (address, origin) = (listener.address(), listener.origin());
    if let Some(error) = listener.without_ipv6() {
        info!(log, "metrics HTTP server listens on IPv4 alone: IPv6 is not available"; "err" => error.to_string());
    }
    let bound = Bound::new(listener, Some(app)).context("watch the listener of the metrics HTTP server")?;
    metrics.listens_on(address);
    let (token, me) = (service.token(), service.clone());
    service.spawn("http server", async move {
        info!(log, "metrics HTTP server started"; "event" => METRICS_HTTP_SERVER_STARTED.hex(), "addr" => address.to_string(),
            "origin" => origin.label());
        bound.serve(router, limits, meters, log.clone(), token).await;
        debug!(log, "metrics HTTP server stopped"; "event" => METRICS_HTTP_SERVER_STOPPED.hex());
        if me.alive() {
            let event = METRICS_HTTP_REPORTER_SHUTDOWN_WHILE_SERVICE_RUNNING;
            error!(log, "metrics HTTP server ended while its service was running"; "event" => event.hex());
            return Err(errors::BUG.error(METRICS_SERVICE_ID).message("the HTTP server ended by itself").build());
        }
        Ok(())
    })?;
    Ok(metrics)
}

pub(crate) fn bind_failed(failed: &ListenError, set_by: SetBy) -> Error {
    let message = failed.explain("metrics HTTP server", set_by);
    let event = METRICS_HTTP_REPORTER_START_ERROR.hex();
    HTTP_BIND_FAILED
        .error(METRICS_SERVICE_ID)
        .message(message)
        .context(json!({ "event": event, "addr": failed.address.to_string() }))
        .build()
}

//! The probes as routes of the HTTP server.

use app_core::App;
use app_metrics::{Route, RouteFuture, RouteRequest, RouteResponse};

use crate::{
    probes,
    report::{self, CONTENT_TYPE, Report},
};

/// Path of the liveness probe.
pub const LIVEZ_PATH: &str = "/livez";
/// Path of the readiness probe.
pub const READYZ_PATH: &str = "/readyz";
/// Path of the report on all checks.
pub const HEALTHZ_PATH: &str = "/healthz";
/// Path of the startup probe.
pub const STARTUP_PATH: &str = "/healthz/startup";

const NAME: &str = "name";

app_metrics::route! { Route::new(LIVEZ_PATH, livez) }
app_metrics::route! { Route::new(READYZ_PATH, readyz) }
app_metrics::route! { Route::new(HEALTHZ_PATH, healthz) }
app_metrics::route! { Route::with_parameters("/healthz/{name}", healthz_of) }

fn livez(app: App) -> RouteFuture {
    Box::pin(async move { answer(&report::verdict(&app, probes::liveness(&app))) })
}

fn readyz(app: App) -> RouteFuture {
    Box::pin(async move { answer(&report::readiness(&app)) })
}

fn healthz(app: App) -> RouteFuture {
    Box::pin(async move { answer(&report::health(&app)) })
}

fn healthz_of(app: App, request: RouteRequest) -> RouteFuture {
    Box::pin(async move { answer(&report::named(&app, request.parameter(NAME).unwrap_or_default())) })
}

fn answer(report: &Report) -> RouteResponse {
    // Indented and with a newline, because people read it with curl. Serializing cannot fail: all keys are strings.
    let mut body = serde_json::to_vec_pretty(&report.document).unwrap_or_default();
    body.push(b'\n');
    RouteResponse::new(report.http_status, CONTENT_TYPE, body).header("Cache-Control", "no-store")
}

//! From paths to handlers: `/metrics`, and the routes that other crates contribute.

#[cfg(test)]
mod tests;

use crate::errors::ROUTE_INVALID;
use crate::route::{Route, RouteResponse};
use crate::{METRICS_SERVICE_ID, Metrics};
use app_core::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use std::collections::BTreeMap;

/// The path of the metrics.
pub(crate) const METRICS_PATH: &str = "/metrics";

/// All routes: GET and HEAD, others are a 405 with `Allow`; unknown paths are a 404.
///
/// # Errors
/// `ROUTE_INVALID` when a path is none, or there twice.
pub(crate) fn router<'a>(
    app: &App,
    metrics: &Metrics,
    routes: impl IntoIterator<Item = &'a Route>,
) -> Result<Router, Error> {
    let metrics = metrics.clone();
    // The request's headers come in here once formats and encodings are negotiated.
    let scrape = get(move || async move { response(metrics.exposition()) });
    let mut router = Router::new().route(METRICS_PATH, scrape);
    for (path, route) in checked(routes)? {
        let (app, handler) = (app.clone(), route.handler);
        router = router.route(path, get(move || async move { response(handler(app).await) }));
    }
    Ok(router.fallback(|| async { response(RouteResponse::text(404, "not found\n")) }))
}

fn checked<'a>(
    routes: impl IntoIterator<Item = &'a Route>,
) -> Result<BTreeMap<&'static str, &'a Route>, Error> {
    let mut checked: BTreeMap<&'static str, &'a Route> = BTreeMap::new();
    let refused = |message: String| Err(ROUTE_INVALID.error(METRICS_SERVICE_ID).message(message).build());
    for route in routes {
        let Route { path, place, .. } = route;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(plain) {
            return refused(format!(
                "HTTP route {path:?} ({place}): a path is / and letters, digits, / - _ ."
            ));
        }
        if *path == METRICS_PATH {
            return refused(format!("HTTP route {path} ({place}): that path is the metrics service's own"));
        }
        if let Some(other) = checked.insert(path, route) {
            return refused(format!("HTTP route {path} is there twice: {} and {place}", other.place));
        }
    }
    Ok(checked)
}

/// An answer that can't be sent, because its status or a header is none, is a 500.
fn response(answer: RouteResponse) -> Response<Body> {
    let RouteResponse { status, content_type, headers, body } = answer;
    let mut response = Response::new(Body::from(body));
    let content_type = HeaderValue::try_from(content_type.as_ref());
    let (Ok(status), Ok(content_type)) = (StatusCode::from_u16(status), content_type) else {
        return unanswerable();
    };
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value))
        else {
            return unanswerable();
        };
        response.headers_mut().insert(name, value);
    }
    response
}

fn unanswerable() -> Response<Body> {
    let mut response = Response::new(Body::from("the route's answer is no HTTP\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

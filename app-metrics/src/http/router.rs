//! Maps paths to handlers: `/metrics`, and the routes that other crates contribute.

#[cfg(test)]
mod tests;

use super::Scrapes;
use super::caller::within_callers_context;
use crate::METRICS_SERVICE_ID;
use crate::errors::ROUTE_INVALID;
use crate::route::{Handler, Route, RouteRequest, RouteResponse};
use app_core::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Request, Response, StatusCode, Uri};
use axum::middleware::map_request;
use axum::routing::{MethodRouter, get};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The path of the metrics.
pub(crate) const METRICS_PATH: &str = "/metrics";

/// All routes. Methods other than GET and HEAD get a 405 with `Allow`, and unknown paths get a 404.
///
/// # Errors
/// `ROUTE_INVALID` if a path is not valid, or two routes match the same paths.
pub(crate) fn router<'a>(
    app: &App,
    scrapes: Scrapes,
    routes: impl IntoIterator<Item = &'a Route>,
) -> Result<Router, Error> {
    let scrape = get(move |uri: Uri, headers: HeaderMap| scrapes.answer(uri, headers));
    let mut router = Router::new().route(METRICS_PATH, marked(METRICS_PATH, scrape));
    for route in checked(routes)? {
        router = router.route(route.path, marked(route.path, answered_by(app.clone(), route.handler)));
    }
    Ok(router.fallback(|| async { not_found() }))
}

/// Checks the routes without making a router.
///
/// # Errors
/// Those of [`router`].
pub(crate) fn check_routes<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Result<(), Error> {
    checked(routes).map(drop)
}

/// The route of a request. The sender of the request can read it, even if the request is never answered.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteMark(Arc<OnceLock<&'static str>>);

impl RouteMark {
    /// The path under which the route was registered; `None` if no route matches the request.
    pub(super) fn path(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}

/// Marks the requests of a route with its path, for all methods, including refused ones.
pub(super) fn marked(path: &'static str, methods: MethodRouter) -> MethodRouter {
    methods.layer(map_request(move |request: Request<Body>| async move {
        if let Some(RouteMark(mark)) = request.extensions().get() {
            // A request has one route.
            let _ = mark.set(path);
        }
        request
    }))
}

pub(super) fn answered_by(app: App, handler: Handler) -> MethodRouter {
    match handler {
        Handler::Exact(handler) => get(move |headers: HeaderMap| async move {
            response(within_callers_context(&headers, async { handler(app).await }).await)
        }),
        Handler::Parameters(handler) => {
            get(move |uri: Uri, headers: HeaderMap, parameters: Result<RawPathParams, _>| async move {
                let Ok(parameters) = parameters else {
                    return response(RouteResponse::text(400, "the path is not valid UTF-8\n"));
                };
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                let (path, parameters) =
                    (uri.path().to_owned(), Vec::from_iter(parameters.iter().map(owned)));
                if parameters.iter().any(|(_, value)| value.is_empty()) {
                    // The router accepts an empty segment unless it is the last.
                    return not_found();
                }
                let request = RouteRequest { path, parameters };
                response(within_callers_context(&headers, async { handler(app, request).await }).await)
            })
        }
    }
}

/// The routes in the order of their paths, or an error if a path is not valid or two routes match the same paths.
fn checked<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Result<Vec<&'a Route>, Error> {
    let mut checked: BTreeMap<String, &'a Route> = BTreeMap::new();
    let refused = |message: String| Err(ROUTE_INVALID.error(METRICS_SERVICE_ID).message(message).build());
    for route in routes {
        let Route { path, place, .. } = route;
        let shape = match shape(route) {
            Ok(shape) => shape,
            Err(reason) => return refused(format!("HTTP route {path:?} ({place}): {reason}")),
        };
        if shape == METRICS_PATH {
            return refused(format!(
                "HTTP route {path} ({place}): the metrics service has this path; choose another"
            ));
        }
        if let Some(other) = checked.insert(shape, route) {
            let same = if other.path == *path { String::new() } else { format!(" (as {})", other.path) };
            return refused(format!(
                "HTTP route {path}: declared twice{same}, at {} and {place}",
                other.place
            ));
        }
    }
    Ok(checked.into_values().collect())
}

/// The path without the names of its parameters, so that equal shapes match the same paths. Or the reason why the path
/// is not valid.
fn shape(route: &Route) -> Result<String, String> {
    let Some(path) = route.path.strip_prefix('/') else {
        return Err("a path must begin with /".to_owned());
    };
    let (mut shape, mut names) = (String::new(), Vec::new());
    for segment in path.split('/') {
        shape.push('/');
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                return Err("a path may contain only letters, digits and / - _ .".to_owned());
            }
            shape.push_str(segment);
            continue;
        };
        if name.is_empty() || !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            return Err(format!("the name of a parameter may contain only a-z, 0-9 and _: {segment}"));
        }
        if matches!(route.handler, Handler::Exact(_)) {
            return Err(format!("{segment} is a parameter; use Route::with_parameters"));
        }
        if names.contains(&name) {
            return Err(format!("{segment} is used twice"));
        }
        names.push(name);
        shape.push_str("{}");
    }
    Ok(shape)
}

fn not_found() -> Response<Body> {
    response(RouteResponse::text(404, "not found\n"))
}

/// Converts an answer. An answer with a bad status or header becomes a 500.
pub(super) fn response(answer: RouteResponse) -> Response<Body> {
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
    let mut response = Response::new(Body::from("the answer of the route is not valid HTTP\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

//! Routes that other crates contribute to the HTTP server.

use app_core::App;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;

/// A path of the HTTP server and its handler, contributed by a linked crate.
///
/// Only GET and HEAD reach a handler, and no request body does: HTTP changes nothing. A handler should answer from a
/// snapshot. If it takes longer than 10 s, the client gets a 503. It runs within the [trace](app_core::trace) of its client, if the
/// request has the header `traceparent`.
///
/// ```
/// use app_core::App;
/// use app_metrics::{Route, RouteFuture, RouteResponse};
///
/// fn version(app: App) -> RouteFuture {
///     Box::pin(async move { RouteResponse::text(200, format!("{}\n", app.release())) })
/// }
///
/// app_metrics::route! { Route::new("/version", version) }
/// ```
///
/// A path may have parameters, one segment each. The handler reads them from the request:
///
/// ```
/// # use app_core::App;
/// use app_metrics::{Route, RouteFuture, RouteRequest, RouteResponse};
///
/// fn greet(_: App, request: RouteRequest) -> RouteFuture {
///     Box::pin(async move {
///         let name = request.parameter("name").unwrap_or_default();
///         RouteResponse::text(200, format!("hello {name}\n"))
///     })
/// }
///
/// app_metrics::route! { Route::with_parameters("/hello/{name}", greet) }
/// ```
///
/// If several routes match a path, a literal segment takes precedence over a parameter, from left to right. Two routes
/// that differ only in the names of parameters are a start error.
pub struct Route {
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
    /// Where the route was contributed, for the error that names two equal routes.
    pub(crate) place: &'static Location<'static>,
}

/// The handler of a route.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Exact(fn(App) -> RouteFuture),
    Parameters(fn(App, RouteRequest) -> RouteFuture),
}

/// The result of a handler: `Box::pin(async move { .. })`.
pub type RouteFuture = Pin<Box<dyn Future<Output = RouteResponse> + Send>>;

inventory::collect!(Route);

impl Route {
    /// Creates a route. The path begins with `/` and has only letters, digits and `/ - _ .`. The whole path must match.
    #[must_use]
    #[track_caller]
    pub const fn new(path: &'static str, handler: fn(App) -> RouteFuture) -> Self {
        Self { path, handler: Handler::Exact(handler), place: Location::caller() }
    }

    /// Creates a route whose path may have parameters: segments such as `{name}`. The name has only lower-case letters,
    /// digits and `_`.
    ///
    /// Each parameter matches one segment that is not empty. Percent-encoding is decoded. A segment that is not UTF-8
    /// then gets a 400.
    #[must_use]
    #[track_caller]
    pub const fn with_parameters(path: &'static str, handler: fn(App, RouteRequest) -> RouteFuture) -> Self {
        Self { path, handler: Handler::Parameters(handler), place: Location::caller() }
    }

    /// All linked routes.
    pub(crate) fn linked() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Self>.into_iter()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("path", &self.path).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Contributes a [`Route`] to the HTTP server of every application that links this crate.
#[macro_export]
macro_rules! route {
    ($route:expr) => {
        $crate::__private::inventory::submit! { $route }
    };
}

/// The request to a [`Route`] with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRequest {
    pub(crate) path: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl RouteRequest {
    /// The path as it was sent, with its percent-encoding and without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The decoded value of a parameter, never empty; `None` if the route has no such parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The answer of a [`Route`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteResponse {
    /// The HTTP status, such as 200.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: Cow<'static, str>,
    /// Further headers, names and values.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; not sent to a HEAD request.
    pub body: Vec<u8>,
}

impl RouteResponse {
    /// Creates an answer.
    #[must_use]
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: content_type.into(), headers: Vec::new(), body: body.into() }
    }

    /// Creates an answer of plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.into())
    }

    /// Creates an answer of JSON.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

//! Checks each request before anything else: the host and the origin that the browser names, and the session.
//!
//! A page of another site can send requests to loopback. It can also give its own name the address of loopback (DNS rebinding), so
//! that the browser counts the requests as its own. The first has a foreign `Origin`, the second a foreign `Host`. Neither has a
//! session, because the session is in no cookie.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::sessions::Tokens;

/// The rules of the browser for this page: its own files only, no inline script, no frame, no form.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What requests are checked against.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The hosts of this server, with the port.
    pub(crate) hosts: Arc<[String]>,
    pub(crate) tokens: Tokens,
}

/// Answers a request if it passes all checks.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some((status, why)) => text(status, why),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// Why the request is refused.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        let named = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let host = only(headers, &header::HOST);
        if !host.is_some_and(|host| self.is_here(host)) || !named.is_none_or(|named| self.is_here(named)) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "the request names another host"));
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            if !origin.is_some_and(|origin| self.is_here(origin)) {
                return Some((StatusCode::FORBIDDEN, "the request comes from a page of another site"));
            }
        }
        let path = request.uri().path();
        if path != "/session" && path != "/api" && !path.starts_with("/api/") {
            // Static files, the same for all.
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            return (!reads).then_some((StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"));
        }
        if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
            return Some((StatusCode::FORBIDDEN, "the request comes from a page of another site"));
        }
        if path == "/session" {
            return None;
        }
        let session = only(headers, &header::AUTHORIZATION).and_then(bearer);
        if !session.is_some_and(|session| self.tokens.holds(session)) {
            let why = "no session: open the URL that appctl dashboard prints";
            return Some((StatusCode::UNAUTHORIZED, why));
        }
        None
    }

    fn is_here(&self, host: &str) -> bool {
        self.hosts.iter().any(|here| here.eq_ignore_ascii_case(host))
    }
}

/// The value of a header that must be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// The session of `Bearer <session>`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, session) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(session)
}

/// An answer for people and programs alike: `{"error": ".."}`.
pub(crate) fn text(status: StatusCode, why: &str) -> Response {
    let mut response = Response::new(Body::from(serde_json::json!({ "error": why }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

//! Tests of valid and invalid routes and answers.

use super::{checked, response};
use crate::errors::ROUTE_INVALID;
use crate::route::{Route, RouteFuture, RouteRequest, RouteResponse};

fn answer(_: app_core::App) -> RouteFuture {
    Box::pin(async { RouteResponse::text(200, "") })
}

fn say(_: app_core::App, _: RouteRequest) -> RouteFuture {
    Box::pin(async { RouteResponse::text(200, "") })
}

#[test]
fn a_path_that_is_none_is_refused() {
    for path in ["", "livez", "/{id}", "/*rest", "/a b", "/:id", "/é", "/a?b"] {
        let error = checked(&[Route::new(path, answer)]).unwrap_err();
        assert!(error.is(&ROUTE_INVALID) && error.to_string().contains("router/tests.rs"), "{error}");
    }
    for path in
        ["{id}", "/{}", "/a{id}", "/{id}b", "/{Id}", "/{*rest}", "/{id}/{id}", "/{a}{b}", "/{a:b}", "/%7b"]
    {
        let error = checked(&[Route::with_parameters(path, say)]).unwrap_err();
        assert!(error.is(&ROUTE_INVALID) && error.to_string().contains("router/tests.rs"), "{error}");
    }
    assert!(checked(&[Route::new("/livez", answer), Route::new("/a/b-c_d.e", answer)]).is_ok());
    assert!(checked(&[Route::with_parameters("/{a}/b/{c_1}", say), Route::new("/", answer)]).is_ok());
}

#[test]
fn a_path_is_there_once() {
    let error = checked(&[Route::new("/livez", answer), Route::new("/livez", answer)]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("/livez: declared twice") && text.matches("router/tests.rs").count() == 2,
        "{text}"
    );
    assert!(checked(&[Route::new("/metrics", answer)]).unwrap_err().is(&ROUTE_INVALID));
    assert!(checked(&[Route::with_parameters("/metrics", say)]).unwrap_err().is(&ROUTE_INVALID));
}

#[test]
fn two_that_match_the_same_paths_are_refused_and_both_named() {
    let routes = [Route::with_parameters("/a/{name}/b", say), Route::with_parameters("/a/{id}/b", say)];
    let text = checked(&routes).unwrap_err().to_string();
    assert!(text.contains("/a/{id}/b: declared twice (as /a/{name}/b)"), "{text}");
    assert_eq!(text.matches("router/tests.rs").count(), 2, "{text}");
    let apart =
        [Route::with_parameters("/a/{name}", say), Route::new("/a/b", answer), Route::new("/a", answer)];
    assert!(checked(&apart).is_ok());
}

#[test]
fn an_answer_that_is_no_http_is_a_500() {
    for answer in [
        RouteResponse::new(42, "text/plain", ""),
        RouteResponse::new(200, "text/plain\r\nx: y", ""),
        RouteResponse::text(200, "").header("a b", "c"),
        RouteResponse::text(200, "").header("a", "b\r\nc: d"),
    ] {
        assert_eq!(response(answer).status(), 500);
    }
    let plain = response(RouteResponse::text(404, "gone").header("x-a", "b"));
    assert_eq!((plain.status().as_u16(), plain.headers()["x-a"].as_bytes()), (404, b"b".as_slice()));
}

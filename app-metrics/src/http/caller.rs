//! The trace context that a request brings: the headers of W3C Trace Context.

use app_core::trace::TraceContext;
use axum::http::HeaderMap;

/// Runs the handler of a request within the context of its sender. Without one, or with a malformed one, runs it as it is.
///
/// The sender counts as unverified: the server asks for no certificate.
pub(super) async fn within_callers_context<F: Future>(headers: &HeaderMap, handler: F) -> F::Output {
    match of(headers) {
        Some(caller) => caller.scope(handler).await,
        None => handler.await,
    }
}

/// The context of a sender. A request with several headers `traceparent` has none, because they contradict each other.
fn of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").into_iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all("tracestate").into_iter();
    let states: Option<Vec<_>> = states.map(|state| state.to_str().ok()).collect();
    TraceContext::parse(parent, states.map(|states| states.join(",")).as_deref())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn sent(headers: &[(&'static str, &str)]) -> Option<(String, Option<String>)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        of(&map).map(|context| (context.traceparent(), context.tracestate().map(str::to_owned)))
    }

    #[test]
    fn headers_are_joined_in_their_order_and_contradictions_count_as_absent() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let with = |state: Option<&str>| Some((PARENT.to_owned(), state.map(str::to_owned)));
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&[("tracestate", "a=1")]), None);
        assert_eq!(sent(&[("traceparent", PARENT)]), with(None));
        assert_eq!(sent(&[("traceparent", PARENT), ("tracestate", "")]), with(None));
        let states = [("traceparent", PARENT), ("tracestate", "a=1,b=2"), ("tracestate", "c=3")];
        assert_eq!(sent(&states), with(Some("a=1,b=2,c=3")));
        assert_eq!(
            sent(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "\u{e4}")]),
            with(None)
        );
        assert_eq!(sent(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
        assert_eq!(sent(&[("traceparent", "\u{e4}")]), None);
        assert_eq!(sent(&[("traceparent", "00-0-0-01"), ("tracestate", "a=1")]), None);
    }
}

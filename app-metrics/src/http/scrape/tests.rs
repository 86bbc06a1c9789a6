//! Tests of the limits of a scrape.

use super::{SLICE, Scrapes, WHOLE};
use crate::http::{HttpMetrics, Limits};
use crate::testing::TestMetrics as _;
use crate::{GaugeVectorSpec, METRICS_SERVICE_ID, Metrics, SCRAPES_REFUSED};
use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use axum::http::header::{ACCEPT_ENCODING, HeaderValue};
use axum::http::{HeaderMap, Uri};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// About 2 MB of text.
const SERIES: usize = 15_000;

async fn long(scrapes: usize) -> (TestApp, Scrapes) {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = app.get::<Metrics>();
    let spec = GaugeVectorSpec::new(ServiceId::new(0xa), MetricId::new(0xb), "Gauges.", ["key"]);
    let gauges = metrics.gauge_vector(spec.max_series(SERIES)).unwrap();
    for key in 0..SERIES {
        gauges.with([&key.to_string()]).unwrap();
    }
    // The running server has registered these metrics, so these are the same.
    let meters = HttpMetrics::register(metrics.registry()).unwrap();
    let limits = Limits { scrapes, ..Limits::default() };
    (app, Scrapes::new(Metrics::clone(&metrics), meters, limits))
}

#[tokio::test]
async fn an_answer_that_is_not_taken_in_time_is_broken_off() {
    let (app, scrapes) = long(1).await;
    let mut pieces = scrapes.answer(Uri::default(), HeaderMap::new()).await.into_body().into_data_stream();
    assert!(pieces.next().await.expect("a piece").is_ok());
    tokio::time::pause();
    // Some time has passed already.
    tokio::time::advance(Limits::default().write_total / 2).await;
    assert!(pieces.next().await.expect("a piece").is_ok(), "it is within the deadline");
    tokio::time::advance(Limits::default().write_total / 2).await;
    let error = pieces.next().await.expect("an end").unwrap_err();
    assert!(error.to_string().contains("does not take the answer"), "{error}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn one_scrape_more_than_there_may_be_is_told_to_come_again() {
    let (app, scrapes) = long(1).await;
    // The body is not read, so the scrape stays in progress.
    let first = scrapes.clone().answer(Uri::default(), HeaderMap::new()).await;
    assert_eq!(first.status(), 200);
    let second = scrapes.clone().answer(Uri::default(), HeaderMap::new()).await;
    assert_eq!(
        (second.status().as_u16(), &second.headers()["retry-after"]),
        (503, &HeaderValue::from_static("1"))
    );
    assert_eq!(app.metric(METRICS_SERVICE_ID, SCRAPES_REFUSED, []), 1.0);
    drop(first);
    assert_eq!(scrapes.answer(Uri::default(), HeaderMap::new()).await.status(), 200);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_long_answer_is_never_there_as_a_whole_and_others_run_meanwhile() {
    let (app, scrapes) = long(1).await;
    for gzip in [false, true] {
        let mut headers = HeaderMap::new();
        if gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let slice_permits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&slice_permits);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let answer = scrapes.clone().answer(Uri::default(), headers).await;
        let pieces: Vec<usize> =
            answer.into_body().into_data_stream().map(|piece| piece.unwrap().len()).collect().await;
        other.abort();
        assert!(pieces[0] < WHOLE + 2 * SLICE, "{pieces:?}");
        assert!(pieces[1..].iter().all(|piece| (1..2 * SLICE).contains(piece)), "{pieces:?}");
        let text: usize = if gzip { 2_000_000 } else { pieces.iter().sum() };
        assert!(
            slice_permits.load(Ordering::Relaxed) >= text / (2 * SLICE),
            "{slice_permits:?} for {text} bytes"
        );
    }
    app.stop().await.expect_clean();
}

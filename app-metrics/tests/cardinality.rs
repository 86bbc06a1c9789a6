//! A million distinct label values: series and memory stay bounded. A program of its own, because it counts
//! allocations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::testing::TestMetrics as _;
use app_metrics::{
    CounterVectorSpec, DEFAULT_MAX_SERIES_PER_VECTOR, METRICS_SERVICE_ID, Metrics, OVERFLOW_LABEL_VALUE,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const METRIC: MetricId = MetricId::new(0x5eed);
const VALUES: usize = 1_000_000;

#[tokio::test]
async fn a_million_label_values_make_the_series_of_the_cap_and_one_more() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let spec = CounterVectorSpec::new(SERVICE, METRIC, "Counted.", ["key"]);
    let vector = app.get::<Metrics>().counter_vector(spec).unwrap();

    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let mut key = String::with_capacity(16);
    for value in 0..VALUES {
        use std::fmt::Write as _;
        key.clear();
        write!(key, "{value}").unwrap();
        vector.inc([&key]).unwrap();
    }
    let most = ALLOCATOR.peak_usage() - before;

    assert_eq!(vector.series_count(), DEFAULT_MAX_SERIES_PER_VECTOR);
    assert_eq!(vector.overflowed(), (VALUES - DEFAULT_MAX_SERIES_PER_VECTOR) as u64);
    assert!(most < 512 * DEFAULT_MAX_SERIES_PER_VECTOR, "{most} bytes for a thousand series");
    let name = METRIC.prometheus_name(SERVICE);
    let scrape = app.scrape();
    let series = scrape.lines().filter(|line| line.starts_with(&name));
    assert_eq!(series.count(), DEFAULT_MAX_SERIES_PER_VECTOR + 1);
    let overflow = app.metric(SERVICE, METRIC, [OVERFLOW_LABEL_VALUE]);
    assert_eq!(overflow, (VALUES - DEFAULT_MAX_SERIES_PER_VECTOR) as f64);

    // In the same test, because another test would allocate meanwhile.
    assert_eq!(least_allocated(|| vector.inc(["1"]).unwrap()), 0, "a hit allocates nothing");
    assert_eq!(least_allocated(|| drop(vector.with(["1"]).unwrap())), 0, "a handle allocates nothing");
    assert_eq!(
        least_allocated(|| vector.inc(["beyond the cap"]).unwrap()),
        0,
        "nor does the overflow series"
    );
    app.stop().await.expect_clean();
}

/// The fewest bytes that `work` allocates in several attempts. Threads of the application may allocate meanwhile.
fn least_allocated(work: impl Fn()) -> usize {
    let times = (0..20).map(|_| {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        work();
        ALLOCATOR.peak_usage() - before
    });
    times.min().unwrap()
}

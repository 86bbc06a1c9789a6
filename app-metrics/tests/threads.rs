//! What several threads count, add and observe is what a scrape shows, to the last digit.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::testing::TestMetrics as _;
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeSpec, HistogramSpec, METRICS_SERVICE_ID, MetricSpec, Metrics,
};
use proptest::prelude::*;
use std::thread;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const KEYS: [&str; 3] = ["a", "b", "c"];

/// The work of one thread, repeated many times.
#[derive(Clone, Debug)]
struct Work {
    /// Quarters, so that sums of floats are exact in any order.
    quarters: Vec<i32>,
    rounds: u32,
}

fn work() -> impl Strategy<Value = Work> {
    (prop::collection::vec(-40..400_i32, 1..8), 1..400_u32)
        .prop_map(|(quarters, rounds)| Work { quarters, rounds })
}

/// The value of the line with this name and these last labels.
fn shown(scrape: &str, name: &str, labels_end: &str) -> f64 {
    let of =
        |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(&format!("{labels_end}}} "));
    let line = scrape.lines().find(of);
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_threads_add_is_what_a_scrape_shows(works in prop::collection::vec(work(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
        let metrics = app.get::<Metrics>();
        let spec = |id| MetricSpec::new(SERVICE, MetricId::new(id), "Added to.");
        let name = |id| spec(id).prometheus_name();
        let counter = metrics.counter(CounterSpec::new(SERVICE, MetricId::new(1), "Added to.")).unwrap();
        let gauge = metrics.gauge(GaugeSpec::new(SERVICE, MetricId::new(2), "Added to.")).unwrap();
        let bounds = [0.0, 10.0, 50.0];
        let histogram = HistogramSpec::new(SERVICE, MetricId::new(3), "Added to.", bounds);
        let histogram = metrics.histogram(histogram).unwrap();
        let vector = CounterVectorSpec::new(SERVICE, MetricId::new(4), "Added to.", ["key"]);
        let vector = metrics.counter_vector(vector).unwrap();

        thread::scope(|scope| {
            for work in &works {
                scope.spawn(|| {
                    for quarter in work.quarters.repeat(work.rounds as usize) {
                        let value = f64::from(quarter) / 4.0;
                        counter.add_f64(value);
                        gauge.add(value);
                        histogram.observe(value);
                        vector.inc([KEYS[quarter.unsigned_abs() as usize % KEYS.len()]]).unwrap();
                    }
                });
            }
        });

        let all: Vec<i32> = works.iter().flat_map(|work| work.quarters.repeat(work.rounds as usize)).collect();
        let sum = |quarters: &mut dyn Iterator<Item = i32>| f64::from(quarters.sum::<i32>()) / 4.0;
        let scrape = app.scrape();
        let positive = sum(&mut all.iter().copied().filter(|quarter| *quarter > 0));
        prop_assert_eq!(shown(&scrape, &name(1), ""), positive);
        prop_assert_eq!(shown(&scrape, &name(2), ""), sum(&mut all.iter().copied()));
        prop_assert_eq!(shown(&scrape, &format!("{}_sum", name(3)), ""), sum(&mut all.iter().copied()));
        prop_assert_eq!(shown(&scrape, &format!("{}_count", name(3)), ""), all.len() as f64);
        for bound in bounds {
            let within = all.iter().filter(|quarter| f64::from(**quarter) / 4.0 <= bound).count();
            let seen = shown(&scrape, &format!("{}_bucket", name(3)), &format!("le=\"{bound:.1}\""));
            prop_assert_eq!(seen, within as f64, "at most {}", bound);
        }
        for (index, key) in KEYS.iter().enumerate() {
            let counted = all.iter().filter(|quarter| quarter.unsigned_abs() as usize % KEYS.len() == index);
            let expected = counted.count();
            let seen = shown(&scrape, &name(4), &format!("key=\"{key}\""));
            prop_assert!(seen == expected as f64 || (expected == 0 && seen.is_nan()), "{} is {}", key, seen);
        }
        runtime.block_on(app.stop()).expect_clean();
    }
}

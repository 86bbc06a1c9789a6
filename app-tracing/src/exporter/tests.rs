//! The exporter against collectors of every kind, on paused time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use app_core::testing::TestApp;
use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use crate::queue::BATCH;

/// A collector: a function of the number of the request.
struct FakeCollector<F>(F, Rc<RefCell<Vec<(Instant, usize)>>>);

impl<F: FnMut(usize) -> (Duration, Answer)> Transport for FakeCollector<F> {
    async fn send(&mut self, body: Body, limit: Duration) -> Answer {
        let number = self.1.borrow().len();
        self.1.borrow_mut().push((Instant::now(), body.bytes.len()));
        let (takes, answer) = (self.0)(number);
        let answered = timeout(limit, tokio::time::sleep(takes)).await;
        answered.map_or_else(|_| Answer::later("no answer in time"), |()| answer)
    }
}

/// A body with a byte for each span.
struct Counts;

impl Encode for Counts {
    type Span = u64;

    fn request(&mut self, spans: &[u64]) -> Body {
        Body { bytes: Bytes::from(vec![0; spans.len()]), gzip: false }
    }
}

#[derive(Clone, Default)]
struct Seen(Rc<RefCell<SeenNow>>);

#[derive(Default)]
struct SeenNow {
    exported: u64,
    failed: BTreeMap<&'static str, u64>,
    trouble: Option<String>,
}

impl Outcomes for Seen {
    fn exported(&self, spans: u64) {
        self.0.borrow_mut().exported += spans;
    }

    fn failed(&self, spans: u64, reason: &'static str) {
        *self.0.borrow_mut().failed.entry(reason).or_default() += spans;
    }

    fn waiting(&self, _: usize) {}

    fn trouble(&self, trouble: Option<&str>) {
        self.0.borrow_mut().trouble = trouble.map(str::to_owned);
    }
}

impl Seen {
    fn failed_by(&self, reason: &str) -> u64 {
        self.0.borrow().failed.get(reason).copied().unwrap_or_default()
    }

    fn all(&self) -> u64 {
        let seen = self.0.borrow();
        seen.exported + seen.failed.values().sum::<u64>()
    }
}

/// An exporter with what its test needs of it.
struct Bench {
    queue: Arc<Queue<u64>>,
    seen: Seen,
    requests: Rc<RefCell<Vec<(Instant, usize)>>>,
    stop: watch::Sender<Option<Instant>>,
    changes: watch::Sender<u64>,
}

const STOP: Duration = Duration::from_secs(2);

impl Bench {
    /// Runs `drive` beside an exporter with this collector, and then stops the exporter.
    async fn run<F: FnMut(usize) -> (Duration, Answer) + Clone>(
        app: &TestApp,
        limit: usize,
        collector: F,
        drive: impl AsyncFnOnce(&Self),
    ) -> (Self, Duration) {
        let (stop, stopped) = watch::channel(None);
        let (change, changes) = watch::channel(0);
        let bench = Self {
            queue: Arc::new(Queue::new(limit)),
            seen: Seen::default(),
            requests: Rc::default(),
            stop,
            changes: change,
        };
        let requests = Rc::clone(&bench.requests);
        let work = move || {
            let transport = FakeCollector(collector.clone(), Rc::clone(&requests));
            Some(Work { transport, encoder: Counts, timeout: Duration::from_secs(10) })
        };
        let exporter = Exporter {
            queue: Arc::clone(&bench.queue),
            work: work(),
            changes,
            stop: stopped,
            outcomes: bench.seen.clone(),
            complaints: Complaints::new(app.logger().clone()),
            not_before: None,
            told_dropped: 0,
            pending: None,
        };
        let driven = async {
            drive(&bench).await;
            let now = Instant::now();
            bench.stop.send_replace(Some(now + STOP));
            now
        };
        let (asked, ended) = tokio::join!(driven, async {
            exporter.run(work).await;
            Instant::now()
        });
        (bench, ended - asked)
    }

    fn push(&self, spans: u64) {
        for span in 0..spans {
            let _ = self.queue.push(span);
        }
    }
}

fn accepted() -> Answer {
    Answer::Accepted { rejected: 0, said: String::new() }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn records(app: &TestApp) -> usize {
    app.captured().text().matches("spans do not reach the collector").count()
}

#[tokio::test(start_paused = true)]
async fn a_span_waits_for_others_for_a_second_and_a_full_batch_does_not_wait() {
    let app = TestApp::empty().await;
    let began = Instant::now();
    let (bench, _) = Bench::run(
        &app,
        8192,
        |_| (Duration::ZERO, accepted()),
        async |bench: &Bench| {
            bench.push(3);
            seconds(2).await;
            bench.push(1_030);
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(bench.requests.borrow().len(), 3, "two full batches");
            seconds(2).await;
        },
    )
    .await;
    let requests: Vec<_> = bench
        .requests
        .borrow()
        .iter()
        .map(|(at, spans)| ((*at - began).as_millis() / 1000, *spans))
        .collect();
    assert_eq!(requests, [(1, 3), (2, BATCH), (2, BATCH), (3, 6)]);
    assert_eq!((bench.seen.0.borrow().exported, bench.seen.all()), (1_033, 1_033));
    assert_eq!(records(&app), 0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_collector_is_asked_again_and_when_it_said() {
    let app = TestApp::empty().await;
    let busy =
        |after: Option<u64>| Answer::Later { after: after.map(Duration::from_secs), why: "503".to_owned() };
    let answers = move |number| match number {
        0 => (Duration::ZERO, busy(None)),
        1 => (Duration::ZERO, busy(Some(7))),
        _ => (Duration::ZERO, accepted()),
    };
    let (bench, _) = Bench::run(&app, 8192, answers, async |bench: &Bench| {
        bench.push(5);
        seconds(20).await;
    })
    .await;
    let at: Vec<_> = bench.requests.borrow().iter().map(|(at, _)| *at).collect();
    assert_eq!(at.len(), 3);
    assert!((125..=251).contains(&(at[1] - at[0]).as_millis()), "{:?}", at[1] - at[0]);
    assert!((7_000..7_010).contains(&(at[2] - at[1]).as_millis()), "{:?}", at[2] - at[1]);
    assert_eq!(bench.seen.0.borrow().exported, 5);
    assert_eq!(bench.seen.0.borrow().trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_costs_counters_and_a_record_a_minute() {
    let app = TestApp::empty().await;
    let away = |_| (Duration::ZERO, Answer::later("connection refused"));
    let (bench, took) = Bench::run(&app, 1_000, away, async |bench: &Bench| {
        for _ in 0..600 {
            bench.push(10);
            seconds(1).await;
        }
    })
    .await;
    let dropped = bench.queue.dropped();
    assert_eq!(bench.seen.all() + dropped, 6_000, "{:?}", bench.seen.0.borrow().failed);
    assert!(bench.seen.failed_by("unanswered") > 4_000, "{:?}", bench.seen.0.borrow().failed);
    assert!((8..=11).contains(&records(&app)), "{} records in ten minutes", records(&app));
    assert!(app.captured().text().contains("connection refused"));
    assert!(took <= STOP + Duration::from_millis(10), "the stop took {took:?}");
    // 8 s of pauses at the longest: it is asked for ever, and not all the time.
    let requests = bench.requests.borrow().len();
    assert!((60..400).contains(&requests), "{requests} requests");
}

#[tokio::test(start_paused = true)]
async fn what_a_collector_refuses_is_not_sent_again_and_what_it_rejects_is_counted() {
    let app = TestApp::empty().await;
    let answers = |number| {
        let answer = match number {
            0 => Answer::Refused("400".to_owned()),
            1 => Answer::Accepted { rejected: 2, said: "\"too old\"".to_owned() },
            _ => Answer::Accepted { rejected: u64::MAX, said: String::new() },
        };
        (Duration::ZERO, answer)
    };
    let (bench, _) = Bench::run(&app, 8192, answers, async |bench: &Bench| {
        for _ in 0..3 {
            bench.push(5);
            seconds(2).await;
        }
    })
    .await;
    assert_eq!(bench.requests.borrow().len(), 3);
    assert_eq!((bench.seen.failed_by("refused"), bench.seen.failed_by("rejected")), (5, 7));
    assert_eq!(bench.seen.0.borrow().exported, 3);
    assert_eq!(records(&app), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_collector_costs_what_the_queue_does_not_hold() {
    let app = TestApp::empty().await;
    let (bench, took) = Bench::run(
        &app,
        1_000,
        |_| (Duration::from_secs(60), accepted()),
        async |bench: &Bench| {
            bench.push(600);
            seconds(5).await;
            bench.push(2_000);
            seconds(1).await;
        },
    )
    .await;
    // The first batch is on its way; 88 wait with 912 of the others.
    assert_eq!(bench.queue.dropped(), 2_000 - 912);
    assert_eq!(bench.seen.all() + bench.queue.dropped(), 2_600);
    assert_eq!(bench.seen.failed_by("stopped"), 1_512);
    assert!(took <= STOP + Duration::from_millis(10), "the stop took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stop_exports_what_waits_and_waits_for_no_pause() {
    let app = TestApp::empty().await;
    let answers = |number| match number {
        0 => (Duration::ZERO, Answer::Later { after: Some(Duration::from_secs(50)), why: "503".to_owned() }),
        _ => (Duration::from_millis(10), accepted()),
    };
    let (bench, took) = Bench::run(&app, 8192, answers, async |bench: &Bench| {
        bench.push(2_000);
        seconds(2).await;
        assert_eq!(bench.seen.all(), 0);
    })
    .await;
    assert_eq!(bench.seen.0.borrow().exported, 2_000);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// The declared rate: 10,000 spans a second with a collector that answers a request within 50 ms.
#[tokio::test(start_paused = true)]
async fn no_span_is_lost_at_the_declared_rate_and_above_it_drops_are_counted_exactly() {
    for (a_second, lost) in [(10_000, false), (20_000, true)] {
        let app = TestApp::empty().await;
        let (bench, _) = Bench::run(
            &app,
            8192,
            |_| (Duration::from_millis(50), accepted()),
            async |bench: &Bench| {
                let mut ticks = tokio::time::interval(Duration::from_millis(10));
                for _ in 0..6_000 {
                    ticks.tick().await;
                    bench.push(a_second / 100);
                }
                // What waits is exported within the time of a stop.
                seconds(1).await;
            },
        )
        .await;
        let (exported, dropped) = (bench.seen.0.borrow().exported, bench.queue.dropped());
        assert_eq!(exported + dropped, a_second * 60);
        assert_eq!(dropped > 0, lost, "{a_second} spans a second: {dropped} dropped");
        assert_eq!(bench.seen.all(), exported);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_not_taken_is_sent_again_by_a_new_config_at_once() {
    let app = TestApp::empty().await;
    let answers = |number| match number {
        0 => (Duration::ZERO, Answer::later("connection refused")),
        1 => (Duration::ZERO, Answer::Later { after: Some(Duration::from_secs(20)), why: "503".to_owned() }),
        _ => (Duration::ZERO, accepted()),
    };
    let (bench, _) = Bench::run(&app, 8192, answers, async |bench: &Bench| {
        bench.push(7);
        seconds(5).await;
        assert_eq!((bench.requests.borrow().len(), bench.seen.all()), (2, 0));
        bench.changes.send_modify(|change| *change += 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(bench.seen.0.borrow().exported, 7);
    })
    .await;
    assert_eq!((bench.seen.all(), bench.queue.dropped()), (7, 0));
}

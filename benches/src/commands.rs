//! Submitting to a command server.

pub(crate) mod servers;

use std::time::{Duration, Instant};

use app_core::{App, LogLevel, prelude::*, testing::TestApp};
use tokio::{runtime::Runtime, time::timeout};

use self::servers::{
    ACTIX, Actix, BARE, BOUNDED, Bare, INLINE, KAMEO, Kameo, Ours, QUEUED, RACTOR_UNBOUNDED, Ractor, Server,
};
use crate::{
    driver::Rows,
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn, nanoseconds_each},
};

/// In one round; a fraction of a millisecond to some.
const COMMANDS: u64 = 2_000;
/// At most this share of the best bounded actor crate's time for a command that goes through the queue.
const QUEUED_SUBMIT: f64 = 0.8;
/// The same for a command that may run on the caller's thread: half as much throughput again is two thirds of the time.
const INLINE_SUBMIT: f64 = 1.0 / 1.5;
/// At most so many times the cost of a bare channel, which contains no panic and counts nothing.
pub(crate) const OVER_BARE: f64 = 1.3;
/// For one round of one; it takes some milliseconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// A runtime as `app_core::run` makes it, of two workers.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// An app that logs errors alone, and the service that everything is started on.
pub(crate) fn service(runtime: &Runtime) -> Result<(TestApp, Service), Failure> {
    let quiet = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = runtime.block_on(quiet.start());
    let service = registered(&app, ServiceId::new(7))?;
    Ok((app, service))
}

pub(crate) fn registered(app: &App, id: ServiceId) -> Result<Service, Error> {
    let service = Service::new(app, id, "measured")?;
    app.register(&service)?;
    Ok(service)
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let runtime = runtime()?;
    let (_app, service) = service(&runtime)?;
    for capacity in [1, 256] {
        let _entered = runtime.enter();
        let queued = Ours::queued(&service, capacity)?;
        let inline = Ours::inline(&service, capacity)?;
        let bare = Bare::start(capacity);
        let kameo = Kameo::start(capacity);
        let ractor = runtime.block_on(Ractor::start())?;
        let actix = Actix::in_a_thread(capacity, None)?;
        for producers in [1, 2, 8] {
            let work = format!("submit, queue {capacity}, {producers} producers")
                .replace(" 1 producers", " 1 producer");
            rows.begin(&work);
            let figures = in_turn(
                Budget::new(201, 8),
                vec![
                    Contender::new(QUEUED, || submitted(&runtime, &queued, producers)),
                    Contender::new(INLINE, || submitted(&runtime, &inline, producers)),
                    Contender::new(BARE, || submitted(&runtime, &bare, producers)),
                    Contender::new(KAMEO, || submitted(&runtime, &kameo, producers)),
                    Contender::new(RACTOR_UNBOUNDED, || submitted(&runtime, &ractor, producers)),
                    Contender::new(ACTIX, || submitted(&runtime, &actix, producers)),
                ],
            );
            let [queued, inline] = by_mode(&work, "ns", figures);
            rows.add(queued.target_of(QUEUED_SUBMIT, &BOUNDED).target_of(OVER_BARE, &[BARE]));
            rows.add(inline.target_of(INLINE_SUBMIT, &BOUNDED).target_of(OVER_BARE, &[BARE]));
        }
    }
    rows.add_those_of("allocations")
}

/// A row for each of our modes, out of the same rounds: the peers are in both.
pub(crate) fn by_mode(work: &str, unit: &str, figures: Vec<Figure>) -> [Row; 2] {
    let without = |mode: &str| figures.iter().filter(|figure| figure.who != mode).cloned().collect();
    let (queued, inline) = (without(INLINE), without(QUEUED));
    [Row::new(format!("{work}; queued"), unit, queued), Row::new(format!("{work}; inline"), unit, inline)]
}

/// Nanoseconds a command, from the first to the answer to one after the last.
fn submitted(runtime: &Runtime, server: &impl Server, producers: u64) -> Result<f64, Failure> {
    let each = COMMANDS / producers;
    let produce = |server| async move {
        for _ in 0..each {
            Server::submit(&server).await?;
        }
        Ok::<_, Failure>(())
    };
    let round = async {
        let began = Instant::now();
        let tasks: Vec<_> = (0..producers).map(|_| tokio::spawn(produce(server.clone()))).collect();
        for task in tasks {
            task.await??;
        }
        server.call().await?;
        Ok(nanoseconds_each(began.elapsed(), each * producers))
    };
    runtime.block_on(async { timeout(DEADLINE, round).await })?
}

//! Submitting commands to a command server.

pub(crate) mod servers;

use std::time::{Duration, Instant};

use app_core::{App, LogLevel, prelude::*, testing::TestApp};
use tokio::{runtime::Runtime, time::timeout};

use self::servers::{
    ACTIX, Actix, BARE, BOUNDED, Bare, INLINE, KAMEO, Kameo, Platform, QUEUED, RACTOR_UNBOUNDED, Ractor,
    Server,
};
use crate::{
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn, nanoseconds_each},
    rows::Rows,
};

/// Commands in one round, which takes a fraction of a millisecond for some servers.
const COMMANDS: u64 = 2_000;
/// Target for a queued command, as a share of the time of the best bounded actor crate.
const QUEUED_SUBMIT: f64 = 0.8;
/// Target for an inline command: 1.5 times the throughput of the best bounded actor crate, which is two thirds of its time.
const INLINE_SUBMIT: f64 = 1.0 / 1.5;
/// Target in times of a bare channel, which catches no panics and counts nothing.
pub(crate) const OVER_BARE: f64 = 1.3;
/// Deadline of one round. A round takes a few milliseconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// A runtime with two workers, as `app_core::run` makes it.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// An app that logs only errors, and the service that owns the servers.
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
        let queued = Platform::queued(&service, capacity)?;
        let inline = Platform::inline(&service, capacity)?;
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

/// Makes two rows of the same rounds, one for each mode of our server. The peers are in both.
pub(crate) fn by_mode(work: &str, unit: &str, figures: Vec<Figure>) -> [Row; 2] {
    let without = |mode: &str| figures.iter().filter(|figure| figure.who != mode).cloned().collect();
    let (queued, inline) = (without(INLINE), without(QUEUED));
    [Row::new(format!("{work}; queued"), unit, queued), Row::new(format!("{work}; inline"), unit, inline)]
}

/// Nanoseconds for each command, from the first submit to the answer of a call after the last one.
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

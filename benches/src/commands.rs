//! Submitting to a command server.

pub(crate) mod servers;

use std::time::{Duration, Instant};

use app_core::{App, LogLevel, prelude::*, testing::TestApp};
use tokio::{runtime::Runtime, time::timeout};

use self::servers::{
    ACTIX, Actix, BARE, BOUNDED, Bare, KAMEO, Kameo, OURS, Ours, RACTOR_UNBOUNDED, Ractor, Server,
};
use crate::{
    driver::Rows,
    report::Row,
    rounds::{Budget, Contender, Failure, in_turn, nanoseconds_each},
};

/// In one round; a fraction of a millisecond to some.
const COMMANDS: u64 = 2_000;
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
        let ours = Ours::start(&service, capacity)?;
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
                    Contender::new(OURS, || submitted(&runtime, &ours, producers)),
                    Contender::new(BARE, || submitted(&runtime, &bare, producers)),
                    Contender::new(KAMEO, || submitted(&runtime, &kameo, producers)),
                    Contender::new(RACTOR_UNBOUNDED, || submitted(&runtime, &ractor, producers)),
                    Contender::new(ACTIX, || submitted(&runtime, &actix, producers)),
                ],
            );
            // Half as much throughput again is two thirds of the time.
            rows.add(Row::new(work, "ns", figures).target_of(1.0 / 1.5, &BOUNDED).target_of(1.3, &[BARE]));
        }
    }
    rows.add_those_of("allocations")
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

//! The life of a service with a command server, from its start to its end. One service at a time, and many.

use std::{future::Future, time::Instant};

use actix::{System, SystemRunner};
use app_core::{App, prelude::*};
use tokio::{runtime::Runtime, sync::oneshot, time::timeout};
use tokio_graceful_shutdown::{NestedSubsystem, SubsystemBuilder, SubsystemHandle, Toplevel};

use crate::{
    commands::{
        DEADLINE, registered, runtime,
        servers::{ACTIX, ACTORS, Actix, KAMEO, Kameo, Platform, QUEUED, RACTOR, Ractor, Server as _},
        service,
    },
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn},
    rows::Rows,
};

const CAPACITY: u16 = 16;
/// The baseline: no queue, no name, no state.
const TASK: &str = "tokio spawn";
const LIFECYCLE: &str = "tokio-graceful-shutdown";

/// Starts this number of services, ends all of them and waits for all.
async fn ours(app: App, count: u64, calls: bool) -> Result<(), Failure> {
    let mut services = Vec::with_capacity(count as usize);
    for i in 0..count {
        let service = registered(&app, ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))?;
        let server = Platform::queued(&service, CAPACITY)?;
        services.push((service, server));
    }
    if calls {
        for (_, server) in &services {
            server.call().await?;
        }
    }
    services.iter().for_each(|(service, _)| service.kill("enough"));
    for (service, _) in services {
        service.wait().await?;
    }
    Ok(())
}

async fn kameo(count: u64, calls: bool) -> Result<(), Failure> {
    let actors: Vec<_> = (0..count).map(|_| Kameo::start(CAPACITY)).collect();
    if calls {
        for actor in &actors {
            actor.call().await?;
        }
    }
    for actor in &actors {
        actor.0.stop_gracefully().await.map_err(|problem| format!("{problem:?}"))?;
    }
    for actor in actors {
        actor.0.wait_for_shutdown().await;
    }
    Ok(())
}

async fn ractor(count: u64, calls: bool) -> Result<(), Failure> {
    let mut actors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        actors.push(Ractor::start().await?);
    }
    if calls {
        for actor in &actors {
            actor.call().await?;
        }
    }
    actors.iter().for_each(|actor| actor.0.stop(None));
    for actor in actors {
        actor.0.wait(None).await.map_err(|problem| format!("{problem:?}"))?;
    }
    Ok(())
}

async fn actix(count: u64, calls: bool) -> Result<(), Failure> {
    let actors: Vec<_> = (0..count).map(|_| Actix::start_mortal(CAPACITY)).collect();
    if calls {
        for (actor, _) in &actors {
            actor.call().await?;
        }
    }
    actors.iter().for_each(|(actor, _)| actor.stop());
    for (_, end) in actors {
        end.await?;
    }
    Ok(())
}

async fn tasks(count: u64) -> Result<(), Failure> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (kill, killed) = oneshot::channel::<()>();
            (kill, tokio::spawn(async { drop(killed.await) }))
        })
        .collect();
    let (kills, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    kills.into_iter().for_each(|kill| {
        let _ = kill.send(());
    });
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// Subsystems belong to a top level. Each round has its own.
async fn subsystems(lives: u64, at_once: u64) -> Result<(), Failure> {
    let (sender, done) = oneshot::channel();
    let top = Toplevel::new(async move |top: &mut SubsystemHandle| {
        let _ = sender.send(below(top, lives, at_once).await);
    });
    top.handle_shutdown_requests(DEADLINE).await?;
    done.await?
}

async fn below(top: &SubsystemHandle, lives: u64, at_once: u64) -> Result<(), Failure> {
    for _ in 0..lives {
        let all: Vec<NestedSubsystem> =
            (0..at_once).map(|_| top.start(SubsystemBuilder::new("measured", waits))).collect();
        all.iter().for_each(NestedSubsystem::initiate_shutdown);
        for subsystem in all {
            subsystem.join().await?;
        }
    }
    Ok(())
}

async fn waits(subsystem: &mut SubsystemHandle) -> Result<(), Failure> {
    subsystem.on_shutdown_requested().await;
    Ok(())
}

/// The rows: the number of lives, the number at the same time, whether each server gets a call, and the name.
const WORK: [(u64, u64, bool, &str); 4] = [
    (200, 1, false, "start, kill, wait"),
    (10, 100, false, "start 100, kill all, wait for all; of one"),
    (1, 10_000, false, "start 10,000, kill all, wait for all; of one"),
    (200, 1, true, "start, call, kill, wait"),
];

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let two_workers = runtime()?;
    on(rows, &two_workers, "2 workers", None)?;
    drop(two_workers);
    // The actors of `actix` share one thread and wake no other thread. So they are compared with others on one thread.
    let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    on(rows, &one_thread, "1 thread", Some(&System::new()))
}

fn on(
    rows: &mut Rows,
    runtime: &Runtime,
    threads: &str,
    arbiter: Option<&SystemRunner>,
) -> Result<(), Failure> {
    let (test, _service) = service(runtime)?;
    let mut each = Vec::new();
    for (lives, at_once, calls, what) in WORK {
        let work = format!("{what}, {threads}");
        rows.begin(&work);
        let round = Round { runtime, lives, at_once };
        let app = test.app();
        let mut contenders = vec![Contender::new(QUEUED, || {
            let app = app.clone();
            round.on_worker(move || ours(app.clone(), at_once, calls))
        })];
        // The other candidates accept no calls.
        if !calls {
            contenders.push(Contender::new(TASK, || round.on_worker(move || tasks(at_once))));
            contenders.push(Contender::new(LIFECYCLE, || {
                round.timed(|| runtime.block_on(runtime.spawn(subsystems(lives, at_once)))?)
            }));
        }
        contenders.push(Contender::new(KAMEO, || round.on_worker(move || kameo(at_once, calls))));
        contenders.push(Contender::new(RACTOR, || round.on_worker(move || ractor(at_once, calls))));
        if let Some(arbiter) = arbiter {
            contenders.push(Contender::new(ACTIX, || {
                round.timed(|| arbiter.block_on(repeated(lives, || actix(at_once, calls))))
            }));
        }
        let figures = in_turn(Budget::new(if at_once > 1_000 { 31 } else { 101 }, 12), contenders);
        each.extend(figures.first().map(|ours| ours.rounds.clone()));
        rows.add(Row::new(work, "us", figures).target_of(0.8, &ACTORS));
    }
    if let [_, few, many, _] = &each[..] {
        let rounds = few.iter().zip(many).map(|(few, many)| Some((*many)? / (*few)?)).collect();
        let figure = Figure { rounds, ..Figure::new(QUEUED) };
        rows.add(Row::new(format!("one of 10,000 to one of 100, {threads}"), "x", vec![figure]).target(1.5));
    }
    Ok(())
}

struct Round<'a> {
    runtime: &'a Runtime,
    lives: u64,
    at_once: u64,
}

impl Round<'_> {
    /// Microseconds of one life.
    fn timed(&self, run: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
        let began = Instant::now();
        run()?;
        Ok(began.elapsed().as_secs_f64() * 1e6 / (self.lives * self.at_once) as f64)
    }

    fn on_worker<F>(&self, life: impl Fn() -> F + Send + Sync + 'static) -> Result<f64, Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let lives = self.lives;
        self.timed(|| {
            self.runtime.block_on(self.runtime.spawn(async move { repeated(lives, life).await }))?
        })
    }
}

async fn repeated<F>(lives: u64, life: impl Fn() -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let all = async {
        for _ in 0..lives {
            life().await?;
        }
        Ok(())
    };
    timeout(DEADLINE, all).await?
}

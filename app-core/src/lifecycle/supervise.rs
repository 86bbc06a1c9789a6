//! Supervision, from the start of an app to its stop.
//!
//! One task runs the [`Supervisor`], which decides. This file does what takes time. Ends and starts run in parallel, so a
//! service that hangs delays neither the dependents of other services nor the stop after a FATAL error.

use std::time::Instant;

use app_errors::Error;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;

use super::{
    service_start::{start_service, until},
    stop,
    supervisor::{Step, Supervisor},
};
use crate::{App, Service, ServiceDescriptor, StartContext, graph::Plan, trace::Timeline};

/// A job that is done.
enum Done {
    Ended(Option<usize>, Service),
    Started(usize, Service, bool),
}

/// Supervises the services until the app is killed. `services` are those that the start made.
pub(super) async fn until_killed(app: &App, plan: &Plan, services: Vec<Service>) {
    let mailbox = &app.host().mailbox;
    let mut supervisor = Supervisor::new(app, plan, services);
    let mut work = FuturesUnordered::new();
    loop {
        work.extend(supervisor.settle().into_iter().map(|job| perform(app, plan, job)));
        let next_try = supervisor.next_try();
        tokio::select! {
            biased;
            () = app.dying() => break,
            // Before the mailbox, because a service that started and failed since did start.
            Some(done) = work.next() => {
                note(&mut supervisor, done);
                // One `settle` is enough for all jobs that are done by now.
                while let Some(Some(done)) = work.next().now_or_never() {
                    note(&mut supervisor, done);
                }
            }
            () = mailbox.changed() => {
                let killed = mailbox.take_killed();
                let jobs = killed.into_iter().filter_map(|service| supervisor.killed(service));
                work.extend(jobs.map(|job| perform(app, plan, job)));
                mailbox.take_restarts().into_iter().for_each(|request| supervisor.restart_requested(request));
            }
            () = until(next_try) => {}
        }
    }
    supervisor.abandon_starts();
}

fn note(supervisor: &mut Supervisor<'_>, done: Done) {
    match done {
        Done::Ended(node, service) => supervisor.ended(node, &service),
        Done::Started(node, service, well) => supervisor.started(node, &service, well),
    }
}

async fn perform(app: &App, plan: &Plan, job: Step) -> Done {
    match job {
        Step::End(node, service) => {
            stop::wait_for(&service, &Mutex::default()).await;
            Done::Ended(node, service)
        }
        Step::Start(node, context) => {
            let service = context.service().clone();
            let well = start_again(app, &plan.services()[node], context).await;
            Done::Started(node, service, well)
        }
    }
}

/// Starts an incarnation. Every failure kills it, and the supervisor learns of the kill.
async fn start_again(app: &App, descriptor: &ServiceDescriptor, context: StartContext) -> bool {
    let service = &context.service().clone();
    if let Err(refused) = app.host().register(std::slice::from_ref(service)) {
        service.kill(refused);
        return false;
    }
    tokio::select! {
        biased;
        () = service.dying() => {
            // The start function does not notice the kill, so it is dropped. What it spawned gets its time to stop.
            service.abort_start();
            false
        }
        started = restart_service(context, descriptor) => started.is_ok(),
    }
}

/// Starts a service again, with a trace of its own.
async fn restart_service(context: StartContext, descriptor: &ServiceDescriptor) -> Result<(), Error> {
    let timeline = Timeline::begin("service restart", Instant::now());
    let result = start_service(context, descriptor, &timeline).await;
    if let Err(error) = &result {
        timeline.change(|root| root.fail(error));
    }
    timeline.finish();
    result
}

#[cfg(test)]
mod tests;

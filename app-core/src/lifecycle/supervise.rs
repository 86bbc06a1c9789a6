//! Between start and stop: what the end of a service means for the rest, and restarts.
//!
//! One task decides, and only here; [`crew`] has the state and the decisions, this file has what takes time. Ends and
//! starts run beside each other: a service that hangs holds up neither the dependents of others, nor the end that a
//! FATAL error means.

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;

use self::crew::{Crew, Job};
use super::{start, stop};
use crate::{App, Service, ServiceDescriptor, StartContext, graph::Plan};

mod crew;
mod node;

/// What has come to its end.
enum Done {
    Ended(Option<usize>, Service),
    Started(usize, Service, bool),
}

/// Looks after the services until the app is killed. `services` are those that the start made.
pub(super) async fn until_killed(app: &App, plan: &Plan, services: Vec<Service>) {
    let mut crew = Crew::new(app, plan, services);
    let mut work = FuturesUnordered::new();
    loop {
        work.extend(crew.settle().into_iter().map(|job| perform(app, plan, job)));
        let next_try = crew.next_try();
        tokio::select! {
            biased;
            () = app.dying() => break,
            // Before what fell: a service that started and failed since did start.
            Some(done) = work.next() => {
                note(&mut crew, done);
                // What is done by now needs no look of its own at all the rest.
                while let Some(Some(done)) = work.next().now_or_never() {
                    note(&mut crew, done);
                }
            }
            () = app.inner.fell.notified() => {
                let fallen = app.take_fallen();
                work.extend(fallen.into_iter().filter_map(|service| crew.fell(service)).map(|job| perform(app, plan, job)));
                app.take_restarts().into_iter().for_each(|request| crew.asked(request));
            }
            () = start::passed(next_try) => {}
        }
    }
    crew.abandon_starts();
}

fn note(crew: &mut Crew<'_>, done: Done) {
    match done {
        Done::Ended(node, service) => crew.ended(node, &service),
        Done::Started(node, service, well) => crew.started(node, &service, well),
    }
}

async fn perform(app: &App, plan: &Plan, job: Job) -> Done {
    match job {
        Job::End(node, service) => {
            stop::wait_for(&service, &Mutex::default()).await;
            Done::Ended(node, service)
        }
        Job::Start(node, context) => {
            let service = context.service().clone();
            let well = start_again(app, &plan.services()[node], context).await;
            Done::Started(node, service, well)
        }
    }
}

/// Starts an incarnation. Whatever goes wrong kills it, which is how the supervisor learns of it.
async fn start_again(app: &App, descriptor: &ServiceDescriptor, context: StartContext) -> bool {
    let service = &context.service().clone();
    if let Err(refused) = app.enter(std::slice::from_ref(service)) {
        service.kill(refused);
        return false;
    }
    tokio::select! {
        biased;
        () = service.dying() => {
            // It knows nothing of it: it is dropped, what it spawned is stopped as usual.
            service.abort_start();
            false
        }
        started = start::start_one(context, descriptor) => started.is_ok(),
    }
}

#[cfg(test)]
mod tests;

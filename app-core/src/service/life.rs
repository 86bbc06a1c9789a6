//! The life of a service: what is alive in it, and when it is dead.
//!
//! Invariants, all kept under the one lock of [`Life`]:
//! 1. A service is dead when it was killed, it has no task and nobody holds it up; dead is for ever.
//! 2. A task is entered while the service is not dead, and taken out when its future is gone: a spawn can't race death.
//! 3. The first reason stays. Beside it the first failure is kept, unless a FATAL one comes after one that is less.
//! 4. Events are emitted in the order killed, stopped: whoever kills holds the service up until he has said so.
//!
//! (A task tracker alone can't give 2: it accepts spawns after it was closed.)

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use app_errors::{Error, ErrorSeverity, errors, service_not_alive_error};
use app_ids::ServiceId;
use parking_lot::Mutex;
use slog::{Drain, Logger, error};
use smallvec::SmallVec;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::{ByNumber, KillReason, Service, ServiceState, dormant::Dormant, once::Once};
use crate::{App, ServiceEventKind, panics};

pub(super) struct Inner {
    pub(super) id: ServiceId,
    pub(super) name: Cow<'static, str>,
    pub(super) app: App,
    /// Made when it is first asked for: many a service has nothing to say.
    pub(super) log: OnceLock<Logger>,
    /// The parent, and this child's number there.
    pub(super) parent: Option<(Service, u64)>,
    pub(super) stop_timeout: Duration,
    /// Whether it is one that the app was made of.
    pub(super) on_board: bool,
    /// Written under the lock of `life`, read anywhere: a reader that sees `Stopping` or later sees a killed service.
    pub(super) state: AtomicU8,
    pub(super) life: Mutex<Life>,
    pub(super) dying: Once,
    /// Made when it is first asked for: cancelled with `dying`.
    pub(super) token: OnceLock<CancellationToken>,
    pub(super) dead: Once,
}

#[derive(Default)]
pub(super) struct Life {
    pub(super) killed: bool,
    pub(super) dead: bool,
    /// Its time to stop is over: what it spawns is aborted.
    pub(super) given_up: bool,
    pub(super) reason: Option<KillReason>,
    pub(super) failure: Option<Error>,
    /// By number, in the order of their spawning.
    pub(super) tasks: ByNumber<Task>,
    /// Tasks that are not there yet, each under the number that it will have; none once it was killed.
    pub(super) asleep: SmallVec<[(u64, Box<dyn Dormant>); 1]>,
    /// The children that are not dead. Weak: one that everybody forgot is gone, and holds nothing up.
    pub(super) children: ByNumber<Weak<Inner>>,
    pub(super) next_number: u64,
    /// Whoever is about to emit an event.
    pub(super) holds: usize,
}

impl Life {
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn enter(&mut self, number: u64, name: Cow<'static, str>) {
        self.tasks.insert(number, Task { name, abort: None });
    }

    /// Keeps a failure (invariant 3). Whether it is FATAL, and what was known before was not.
    pub(super) fn learns(&mut self, reason: &KillReason) -> bool {
        let KillReason::Failed(failure) = reason else { return false };
        let fatal = |failure: &Error| failure.severity() == ErrorSeverity::Fatal;
        let turns_fatal = fatal(failure) && !self.failure.as_ref().is_some_and(fatal);
        if turns_fatal || self.failure.is_none() {
            self.failure = Some(failure.clone());
        }
        turns_fatal
    }

    fn deserted(&self) -> bool {
        self.tasks.is_empty() && self.children.is_empty() && self.holds == 0
    }
}

pub(super) struct Task {
    pub(super) name: Cow<'static, str>,
    pub(super) abort: Option<AbortHandle>,
}

/// The name of the task that a start function runs as.
const START: &str = "start";

impl Service {
    /// The names of its open tasks, those of its children included.
    pub(crate) fn open_tasks(&self) -> Vec<Cow<'static, str>> {
        let children: Vec<_> = self.inner.life.lock().children.values().filter_map(Weak::upgrade).collect();
        let mut tasks = self.tasks();
        for inner in children {
            let child = Self { inner };
            tasks.extend(
                child.open_tasks().into_iter().map(|task| format!("{}: {task}", child.name()).into()),
            );
        }
        tasks
    }

    /// Waits until it is dead, also inside one of its own tasks.
    pub(crate) async fn buried(&self) {
        self.inner.dead.wait().await;
    }

    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.name(), self.id())
    }

    /// Tells it from all others that are there.
    pub(crate) fn address(&self) -> u64 {
        Arc::as_ptr(&self.inner).addr() as u64
    }

    /// Its name, without a copy of one that is for ever.
    pub(crate) fn shared_name(&self) -> Cow<'static, str> {
        self.inner.name.clone()
    }

    /// Whether its id is one of those that the app was made of, which all are known before any is made.
    pub(crate) fn is_on_board(&self) -> bool {
        self.inner.on_board
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        self.inner.stop_timeout
    }

    pub(crate) fn parent(&self) -> Option<&Self> {
        self.inner.parent.as_ref().map(|(parent, _)| parent)
    }

    /// Has what it spawns from now on aborted. Whether nobody gave it up before.
    pub(crate) fn give_up(&self) -> bool {
        !std::mem::replace(&mut self.inner.life.lock().given_up, true)
    }

    /// Drops its tasks at their next await. What blocks a thread can't be aborted.
    pub(crate) fn abort_tasks(&self) {
        self.give_up();
        self.abort(|_| true);
        let children: Vec<_> = self.inner.life.lock().children.values().filter_map(Weak::upgrade).collect();
        children.into_iter().for_each(|inner| Self { inner }.abort_tasks());
    }

    /// Drops its start function at its next await. What that has spawned may finish its work.
    pub(crate) fn abort_start(&self) {
        self.abort(|task| task.name == START);
    }

    fn abort(&self, which: impl Fn(&Task) -> bool) {
        let handles: Vec<_> = {
            let life = self.inner.life.lock();
            life.tasks.values().filter(|task| which(task)).filter_map(|task| task.abort.clone()).collect()
        };
        // Outside the lock: dropping a future may run code of its own.
        handles.iter().for_each(AbortHandle::abort);
    }

    /// Runs its start function, as a task of it.
    pub(crate) fn spawn_start<F>(&self, start: F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.spawn_on(self.app().runtime(), START.into(), start)
    }

    /// Moves on to a later state, if the service was not killed in the meantime.
    pub(crate) fn advance(&self, state: ServiceState) -> bool {
        let life = self.inner.life.lock();
        if !life.killed {
            self.set_state(state);
        }
        !life.killed
    }

    pub(super) fn set_state(&self, state: ServiceState) {
        self.inner.state.store(state as u8, Ordering::Release);
    }

    pub(crate) fn emit(&self, kind: ServiceEventKind) {
        if self.inner.parent.is_none() {
            self.app().emit_service(self, kind);
        }
    }

    /// Whether records of this level are written, as far as can be said without a logger.
    pub(crate) fn tells(&self, level: slog::Level) -> bool {
        match self.inner.log.get() {
            Some(log) => log.is_enabled(level),
            None => self.app().log().admits_somewhere(level),
        }
    }

    /// Enters a task (invariant 2).
    pub(super) fn enter(&self, name: Cow<'static, str>) -> Result<u64, Error> {
        let mut life = self.inner.life.lock();
        if life.dead {
            return Err(service_not_alive_error(self.id()));
        }
        let number = life.number();
        life.enter(number, name);
        Ok(number)
    }

    /// Takes a task or a hold out, and declares the service dead if that was the last (invariant 1).
    /// Whether it was.
    pub(super) fn leave(&self, take_out: impl FnOnce(&mut Life)) -> bool {
        let (died, failure) = {
            let mut life = self.inner.life.lock();
            take_out(&mut life);
            let died = life.killed && !life.dead && life.deserted();
            if died {
                life.dead = true;
                self.set_state(if life.failure.is_some() {
                    ServiceState::Failed
                } else {
                    ServiceState::Stopped
                });
            }
            (died, life.failure.clone())
        };
        if died {
            if self.inner.parent.is_none() {
                self.app().buried(self, failure);
            }
            self.inner.dead.happens();
            self.inner.leave_parent();
        }
        died
    }

    /// The end of a task: called exactly once for each that was entered.
    pub(super) fn finished(&self, number: u64, result: Result<(), Error>) {
        if let Err(error) = result {
            self.kill(error);
        }
        self.leave(|life| {
            life.tasks.remove(&number);
        });
    }

    /// The failure of a task that was dropped before its end.
    pub(super) fn dropped(&self, number: u64) -> Result<(), Error> {
        let life = self.inner.life.lock();
        if life.killed {
            return Ok(());
        }
        let name = life.tasks.get(&number).map_or(Cow::Borrowed("?"), |task| task.name.clone());
        drop(life);
        let message = format!("task {name:?} of service {} was dropped before its end", self.describe());
        Err(errors::BUG.error(self.id()).message(message).build())
    }
}

impl Inner {
    fn leave_parent(&self) {
        if let Some((parent, number)) = &self.parent {
            parent.leave(|life| {
                life.children.remove(number);
            });
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What sleeps may hold what a next incarnation of the parent takes: it is gone before the parent is told. Its end is
        // the service's own code, and nobody is left to fail by it.
        let asleep = std::mem::take(&mut self.life.get_mut().asleep);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(asleep))) {
            let panic = panics::message(panic.as_ref());
            error!(self.app.logger(), "a command server's end panicked: {panic}"; "part" => &*self.name);
        }
        if !self.life.get_mut().dead {
            self.leave_parent();
        }
    }
}

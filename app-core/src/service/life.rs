//! The life of a service: which tasks it has, and when it is dead.
//!
//! The lock of [`Life`] keeps these invariants:
//! 1. A service is dead once it was killed and has no task, no child and no hold. A dead service stays dead.
//! 2. A task is added while the service is not dead, and removed when its future is dropped. So a spawn cannot race the
//!    death of the service.
//! 3. The first reason stays. The first failure stays too, unless it is not FATAL and a later failure is.
//! 4. The event "killed" comes before "stopped". The killer holds the service alive until it has emitted "killed".
//!
//! A task tracker alone cannot give invariant 2, because it accepts spawns after it was closed.

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use app_errors::{Error, ErrorSeverity, errors, service_not_alive_error};
use app_ids::ServiceId;
use parking_lot::Mutex;
use slog::{Drain, Logger};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::{ByNumber, Host, Once, Service};
use crate::{
    ServiceState,
    events::{EventSource, KillReason, ServiceEventKind},
};

/// What the handles of a service share.
pub(super) struct ServiceInner {
    pub(super) id: ServiceId,
    pub(super) name: Cow<'static, str>,
    pub(super) host: Arc<Host>,
    /// Made on first use, because many services log nothing.
    pub(super) log: OnceLock<Logger>,
    /// The parent, and the number of this child in it.
    pub(super) parent: Option<(Service, u64)>,
    pub(super) stop_timeout: Duration,
    /// Whether the app is made of it.
    pub(super) on_board: bool,
    /// Written under the lock of `life` and read anywhere. A reader that sees `Stopping` or later sees a killed service.
    pub(super) state: AtomicU8,
    pub(super) life: Mutex<Life>,
    pub(super) dying: Once,
    /// Made on first use, and cancelled with `dying`.
    pub(super) token: OnceLock<CancellationToken>,
    pub(super) dead: Once,
}

#[derive(Default)]
pub(super) struct Life {
    pub(super) killed: bool,
    pub(super) dead: bool,
    /// Its stop timeout has passed, so tasks that it spawns are aborted.
    pub(super) given_up: bool,
    pub(super) reason: Option<KillReason>,
    pub(super) failure: Option<Error>,
    /// By number, in the order of spawning.
    pub(super) tasks: ByNumber<Task>,
    /// The children that are not dead. Weak, so that a child without tasks and handles is dropped, and its parent does not
    /// wait for it.
    pub(super) children: ByNumber<Weak<ServiceInner>>,
    pub(super) next_number: u64,
    /// Number of killers that have not emitted their event yet.
    pub(super) holds: usize,
}

impl Life {
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Keeps a failure (invariant 3). Returns whether it is the first FATAL one.
    pub(super) fn keep_failure(&mut self, reason: &KillReason) -> bool {
        let KillReason::Failed(failure) = reason else { return false };
        let fatal = |failure: &Error| failure.severity() == ErrorSeverity::Fatal;
        let turns_fatal = fatal(failure) && !self.failure.as_ref().is_some_and(fatal);
        if turns_fatal || self.failure.is_none() {
            self.failure = Some(failure.clone());
        }
        turns_fatal
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.children.is_empty() && self.holds == 0
    }
}

pub(super) struct Task {
    pub(super) name: Cow<'static, str>,
    pub(super) abort: Option<AbortHandle>,
}

/// The name of the task that runs a start function.
const START: &str = "start";

impl Service {
    /// The names of its unfinished tasks, those of its children included.
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

    /// Waits until it is dead, even inside one of its own tasks.
    pub(crate) async fn fully_dead(&self) {
        self.inner.dead.wait().await;
    }

    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.name(), self.id())
    }

    /// Its name, without a copy if it is static.
    pub(crate) fn shared_name(&self) -> Cow<'static, str> {
        self.inner.name.clone()
    }

    /// What it shares with the other services of its app.
    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.inner.host
    }

    /// Whether the app is made of it.
    pub(crate) fn is_on_board(&self) -> bool {
        self.inner.on_board
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        self.inner.stop_timeout
    }

    pub(crate) fn parent(&self) -> Option<&Self> {
        self.inner.parent.as_ref().map(|(parent, _)| parent)
    }

    /// Aborts tasks that are spawned from now on. Returns whether this is the first call.
    pub(crate) fn give_up(&self) -> bool {
        !std::mem::replace(&mut self.inner.life.lock().given_up, true)
    }

    /// Drops its tasks at their next await. A task that blocks its thread cannot be aborted.
    pub(crate) fn abort_tasks(&self) {
        self.give_up();
        self.abort(|_| true);
        let children: Vec<_> = self.inner.life.lock().children.values().filter_map(Weak::upgrade).collect();
        children.into_iter().for_each(|inner| Self { inner }.abort_tasks());
    }

    /// Drops its start function at its next await. Tasks that it has spawned may finish their work.
    pub(crate) fn abort_start(&self) {
        self.abort(|task| task.name == START);
    }

    fn abort(&self, which: impl Fn(&Task) -> bool) {
        let handles: Vec<_> = {
            let life = self.inner.life.lock();
            life.tasks.values().filter(|task| which(task)).filter_map(|task| task.abort.clone()).collect()
        };
        // Outside the lock, because dropping a future runs the author's code.
        handles.iter().for_each(AbortHandle::abort);
    }

    /// Runs its start function as a task.
    pub(crate) fn spawn_start<F>(&self, start: F) -> Result<(), Error>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.spawn_on(self.host().runtime(), START.into(), start)
    }

    /// Moves to a later state, unless the service was killed in the meantime. Returns whether it moved.
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
            self.host().emit_service(self, kind);
        }
    }

    /// Whether records of this level may be written. Makes no logger to find out.
    pub(crate) fn logs_at(&self, level: slog::Level) -> bool {
        match self.inner.log.get() {
            Some(log) => log.is_enabled(level),
            None => self.host().log.admits_somewhere(level),
        }
    }

    /// Adds a task (invariant 2).
    pub(super) fn enter(&self, name: Cow<'static, str>) -> Result<u64, Error> {
        let mut life = self.inner.life.lock();
        if life.dead {
            return Err(service_not_alive_error(self.id()));
        }
        let number = life.number();
        life.tasks.insert(number, Task { name, abort: None });
        Ok(number)
    }

    /// Removes a task, a child or a hold, and declares the service dead if nothing is left (invariant 1). Returns whether
    /// the service is dead because of this call.
    pub(super) fn leave(&self, take_out: impl FnOnce(&mut Life)) -> bool {
        let (died, failure) = {
            let mut life = self.inner.life.lock();
            take_out(&mut life);
            let died = life.killed && !life.dead && life.is_empty();
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
                self.host().service_dead(self, failure);
            }
            self.inner.dead.happens();
            self.inner.leave_parent();
        }
        died
    }

    /// The end of a task. It is called exactly once for each task that was added.
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

impl EventSource for Service {
    fn id(&self) -> app_ids::ServiceId {
        self.inner.id
    }

    fn name(&self) -> Cow<'static, str> {
        self.shared_name()
    }

    fn is_on_board(&self) -> bool {
        self.inner.on_board
    }

    fn logs_at(&self, level: slog::Level) -> bool {
        Self::logs_at(self, level)
    }

    fn logger(&self) -> &Logger {
        self.log()
    }
}

impl ServiceInner {
    fn leave_parent(&self) {
        if let Some((parent, number)) = &self.parent {
            parent.leave(|life| {
                life.children.remove(number);
            });
        }
    }
}

impl Drop for ServiceInner {
    fn drop(&mut self) {
        if !self.life.get_mut().dead {
            self.leave_parent();
        }
    }
}

//! Tasks that are entered, and not there before they have something to do.

use std::{borrow::Cow, future::Future, pin::Pin};

use app_errors::{Error, service_not_alive_error};
use tokio::runtime::Handle;

use super::Service;

/// What a dormant task will run.
pub(crate) type Awake = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A task that sleeps until somebody wakes it, or its service is killed.
///
/// It is a task of its service in all that is seen of it, so a service that was killed is not dead before it has ended.
/// Only that nobody has to make a task, wake it and wait for it, where there is nothing to do.
pub(crate) trait Dormant: Send {
    /// What it is called.
    fn name(&self) -> Cow<'static, str>;

    /// Where it runs.
    fn runtime(&self) -> &Handle;

    /// What it runs. Whatever it is woken for is ready when this is back, and not only when it runs. Called with the
    /// service's life locked, so it must neither look at that nor call code of others.
    fn wake(self: Box<Self>, service: &Service) -> Awake;

    /// Its service was killed, and it has never run. Gives itself back when its end is more than to be put away.
    fn end(self: Box<Self>, service: &Service) -> Result<(), Box<dyn Dormant>>;
}

impl Service {
    /// Enters a task that sleeps. Its number is there to wake it by.
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed: then nobody would wake it.
    pub(crate) fn lay_down(&self, task: Box<dyn Dormant>) -> Result<u64, Error> {
        let mut life = self.inner.life.lock();
        if life.killed {
            return Err(service_not_alive_error(self.id()));
        }
        let number = life.number();
        life.asleep.push((number, task));
        Ok(number)
    }

    /// Wakes a task that sleeps, if nobody did: it is ready then, unless its service was killed in the meantime.
    pub(crate) fn wake(&self, number: u64) {
        let mut life = self.inner.life.lock();
        let Some(at) = life.asleep.iter().position(|(entered, _)| *entered == number) else { return };
        let (_, task) = life.asleep.remove(at);
        life.enter(number, task.name());
        let runtime = task.runtime().clone();
        let awake = task.wake(self);
        drop(life);
        self.run(&runtime, number, awake);
    }

    /// Puts away a task that slept when the service was killed; one that can't be, runs. Whoever kills holds the service
    /// up meanwhile.
    pub(super) fn put_away(&self, number: u64, task: Box<dyn Dormant>) {
        let Err(task) = task.end(self) else { return };
        self.inner.life.lock().enter(number, task.name());
        let runtime = task.runtime().clone();
        self.run(&runtime, number, task.wake(self));
    }
}

//! The tasks and the children of a service.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use app_errors::{Error, service_not_alive_error};
use slog::Logger;
use tokio::runtime::Handle;

use super::{Service, TaskOutput, task};
use crate::{
    ServiceState,
    trace::{self, TaskContext},
};

impl Service {
    /// Spawns a task of the service. The task has to end when the service is [`dying`](Self::dying).
    ///
    /// An error or a panic kills the service with that reason; an end without error does not.
    ///
    /// The task has the [context](crate::trace) of its caller: its log records have the ids of the caller's span, and its
    /// spans are of the same trace. A task that outlives the request that spawned it should not have it: spawn it
    /// [`without`](crate::trace::without) one.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let me = service.clone();
    /// service.spawn("says hello", async move {
    ///     info!(me.log(), "hello");
    ///     me.dying().await;
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service is dead. While it is dying, its tasks may still spawn others.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> Result<(), Error>
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        // Before the task is added, so that a panic here leaves nothing behind.
        let runtime = Handle::current();
        self.spawn_on(&runtime, name.into(), future)
    }

    /// As [`spawn`](Self::spawn), on this runtime.
    pub(crate) fn spawn_on<F>(
        &self,
        runtime: &Handle,
        name: Cow<'static, str>,
        future: F,
    ) -> Result<(), Error>
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        let number = self.enter(name)?;
        let context = if trace::in_use() { TaskContext::here() } else { None };
        let handle = runtime.spawn(task::run(self.clone(), number, context, future)).abort_handle();
        let mut life = self.inner.life.lock();
        let given_up = life.given_up;
        if let Some(task) = life.tasks.get_mut(&number) {
            task.abort = Some(handle.clone());
        }
        drop(life);
        if given_up {
            handle.abort();
        }
        Ok(())
    }

    /// Calls a function every `period`, first after one period, until the service is killed. Calls that were missed while
    /// the function ran long, or while the process was suspended, are skipped. A panic in the function fails the service.
    ///
    /// On a dead service this does nothing.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.every(Duration::from_secs(60), |log| info!(log, "a minute is over"));
    /// tokio::time::sleep(Duration::from_secs(61)).await;
    /// assert!(app.captured().text().contains("a minute is over"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime, or when the period is zero.
    pub fn every(&self, period: Duration, mut action: impl FnMut(&Logger) + Send + 'static) {
        let service = self.clone();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let work = async move {
            loop {
                tokio::select! {
                    biased;
                    () = service.dying() => return,
                    _ = ticks.tick() => action(service.log()),
                }
            }
        };
        // Only a dead service refuses it.
        let _ = self.spawn("every", work);
    }

    /// Makes a part of the service that can be killed alone. The kill of the parent kills the child. The parent is dead
    /// after the child.
    ///
    /// A failure of the child ends only the child. To link them, let a task of the parent wait for the child:
    /// `service.spawn("child", async move { child.wait().await })`.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let child = service.child("session")?;
    /// assert_eq!(child.name(), "seven/session");
    /// child.kill("it is over");
    /// assert!(service.alive());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed.
    pub fn child(&self, name: impl fmt::Display) -> Result<Self, Error> {
        let mut life = self.inner.life.lock();
        if life.killed {
            return Err(service_not_alive_error(self.id()));
        }
        let number = life.number();
        let name = Cow::Owned(format!("{}/{name}", self.name()));
        let parent = Some((self.clone(), number));
        let child = Self::with(Arc::clone(self.host()), self.id(), name, parent, self.inner.stop_timeout);
        child.set_state(ServiceState::Running);
        life.children.insert(number, Arc::downgrade(&child.inner));
        Ok(child)
    }

    /// The names of its unfinished tasks in the order of spawning, without those of its children.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.spawn("waits", std::future::pending::<()>())?;
    /// assert_eq!(service.tasks(), ["waits"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tasks(&self) -> Vec<Cow<'static, str>> {
        let life = self.inner.life.lock();
        let mut tasks: Vec<_> =
            life.tasks.iter().map(|(number, task)| (*number, task.name.clone())).collect();
        tasks.sort_by_key(|(number, _)| *number);
        tasks.into_iter().map(|(_, name)| name).collect()
    }
}

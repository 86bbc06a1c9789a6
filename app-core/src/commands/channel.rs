//! The command channel, for services that run a loop of their own. A command server also has one.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use app_errors::{Error, errors, illegal_argument_error, service_not_alive_error};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    deadline::{DEFAULT_CALL_DEADLINE, Wait, WaitLimit},
    meter::Meter,
    queue::{BoxedCommand, Command, CommandReceiver, queue, waiting},
    server_state::ServerState,
    state_cell::{QueueSlot, StateCell},
};
use crate::{
    Service,
    service::{Runner, describe_caller},
    trace::{self, CallerSpan},
};

/// Pairs a bounded channel of commands with a service. Cheap to clone; clones send to the same receiver.
///
/// A caller waits for [`DEFAULT_CALL_DEADLINE`](crate::commands::DEFAULT_CALL_DEADLINE) at most, unless [`within`](Self::within) sets
/// another deadline. A command that waits for its own channel is refused at once. A command runs in the [span](crate::trace) of
/// its caller.
pub struct ServiceCommandChannel<S = ()> {
    shared: Arc<Shared<S>>,
    /// How long a caller waits.
    pub(super) deadline: Duration,
}

/// What the handles of a channel share.
struct Shared<S> {
    runner: Arc<Runner>,
    queue: mpsc::Sender<Command<S>>,
    /// `None` for a bare channel.
    server: Option<Server<S>>,
    /// See [`WaitLimit`].
    last_logged: AtomicU64,
}

/// The command server behind a channel.
pub(super) struct Server<S> {
    pub(super) state: Arc<ServerState<S>>,
    pub(super) meter: Arc<Meter>,
}

impl<S: Send + 'static> ServiceCommandChannel<S> {
    /// Makes a channel whose queue holds `capacity` commands.
    ///
    /// The service's loop receives commands until the service is killed. Then the loop closes the receiver, and runs the
    /// commands that are still in the queue:
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, commands::ServiceCommandChannel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "counter");
    /// let (channel, mut commands) = ServiceCommandChannel::<u32>::new(&service, "counter", 16)?;
    /// let me = service.clone();
    /// service.spawn("loop", async move {
    ///     let mut count = 0;
    ///     loop {
    ///         tokio::select! {
    ///             biased;
    ///             () = me.dying() => break,
    ///             Some(command) = commands.recv() => command.run(&mut count),
    ///         }
    ///     }
    ///     commands.close();
    ///     while let Some(command) = commands.recv().await {
    ///         command.run(&mut count);
    ///     }
    /// })?;
    /// channel.submit(|count| *count += 1).await?;
    /// assert_eq!(channel.call(|count| *count).await?, 1);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed; `IllegalArgument` when the capacity is zero.
    pub fn new(
        service: &Service,
        name: impl Into<Cow<'static, str>>,
        capacity: u16,
    ) -> Result<(Self, CommandReceiver<S>), Error> {
        let name = name.into();
        let (queue, commands) = queue(service, &name, capacity)?;
        let runner = Runner::new(Runner::CHANNEL, service.clone(), name);
        Ok((Self::of(Arc::new(runner), queue, DEFAULT_CALL_DEADLINE, None), commands))
    }

    pub(super) fn of(
        runner: Arc<Runner>,
        queue: mpsc::Sender<Command<S>>,
        deadline: Duration,
        server: Option<Server<S>>,
    ) -> Self {
        Self { shared: Arc::new(Shared { runner, queue, server, last_logged: AtomicU64::new(0) }), deadline }
    }

    /// Submits a command. Waits for room in the queue, up to the deadline.
    ///
    /// If an [`inline`](crate::commands::CommandServerBuilder::inline) server is idle, the command runs before this returns.
    ///
    /// Cancel safe: if you drop the future before it is ready, the command was not accepted.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// commands.submit(|sum| *sum += 2).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// In each case the command did not run and never will:
    /// - `ServiceNotAlive` once the service was killed, or its loop has ended;
    /// - `ServiceNotAvailable` when there is no room within the deadline;
    /// - `ServiceNotAvailable` at once, if the queue is full and the caller is a command of the same server or channel.
    pub async fn submit(&self, command: impl FnOnce(&mut S) + Send + 'static) -> Result<(), Error> {
        self.ensure_alive()?;
        match self.run_inline(command).await {
            // The command was accepted, even if it panicked.
            Ok(_) => Ok(()),
            Err(command) => self.send(self.boxed(command)).await,
        }
    }

    /// Submits a command if there is room right now. Never waits, and never runs the command inline.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// commands.try_submit(|sum| *sum += 2)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// In each case the command did not run and never will:
    /// - `ServiceNotAlive` once the service was killed;
    /// - `ServiceNotAvailable` when the queue is full.
    pub fn try_submit(&self, command: impl FnOnce(&mut S) + Send + 'static) -> Result<(), Error> {
        self.ensure_alive()?;
        let slot = self.queue_slot();
        self.shared.queue.try_send(Command(self.boxed(command))).map_err(|refused| match refused {
            TrySendError::Closed(_) => self.refused(),
            TrySendError::Full(_) => self.full(),
        })?;
        slot.into_iter().for_each(QueueSlot::keep);
        Ok(())
    }

    /// Submits a command and waits for its result, up to the deadline.
    ///
    /// If you drop the future before it is ready, the command may still run, and its result is lost.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(commands.call(|sum| { *sum += 2; *sum }).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `ServiceNotAlive` when the service was killed before the command ran, or the command panicked;
    /// - `ServiceNotAvailable` when there is no result within the deadline: the command may still run;
    /// - `IllegalArgument`, at once, inside a command of the same server or channel: it would wait for itself.
    pub async fn call<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.ensure_not_inside("call it")?;
        self.ensure_alive()?;
        let command = match self.run_inline(command).await {
            Ok(ran) => return ran.ok_or_else(|| self.not_alive()),
            Err(command) => command,
        };
        let (answer, answered) = oneshot::channel();
        let command = move |state: &mut S| {
            // Fails when the caller has dropped the future.
            let _ = answer.send(command(state));
        };
        self.send(self.boxed(command)).await?;
        let answer = async {
            if !self.shared.queue.is_closed() {
                return answered.await.ok();
            }
            // A command that was sent after the drop of the receiver emptied the queue stays in the queue while a handle
            // exists, such as this one. Then the end of the service ends the wait.
            tokio::select! {
                biased;
                answer = answered => answer.ok(),
                () = self.service().fully_dead() => None,
            }
        };
        self.wait_limit().in_time(Wait::Answer, answer).await?.ok_or_else(|| self.not_alive())
    }

    async fn send(&self, command: BoxedCommand<S>) -> Result<(), Error> {
        let slot = self.queue_slot();
        match self.shared.queue.try_send(Command(command)) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return Err(self.refused()),
            // Only the end of the caller's own command makes room.
            Err(TrySendError::Full(_)) if self.runner().is_running_here() => return Err(self.full()),
            Err(TrySendError::Full(command)) => {
                let sent = self.wait_limit().in_time(Wait::Room, self.shared.queue.send(command)).await;
                sent.inspect_err(|_| self.count_refused())?.map_err(|_| self.refused())?;
            }
        }
        slot.into_iter().for_each(QueueSlot::keep);
        Ok(())
    }

    /// Counts a command that is about to enter the queue of an inline server.
    fn queue_slot(&self) -> Option<QueueSlot<'_, S>> {
        self.server()?.state.inline.as_ref().map(StateCell::enqueue)
    }

    /// The command as it enters the queue. It runs in the span of its caller, if there is one.
    fn boxed(&self, command: impl FnOnce(&mut S) + Send + 'static) -> BoxedCommand<S> {
        let command = self.measured(command);
        if trace::in_use() { self.in_callers_span(command) } else { command }
    }

    #[inline(never)]
    fn in_callers_span(&self, command: BoxedCommand<S>) -> BoxedCommand<S> {
        let caller = match CallerSpan::here() {
            // The task of a server has no context. The loop of a service may have one, which is not that of the command.
            none if none.is_none() && self.server().is_some() => return command,
            none if none.is_none() => CallerSpan::nothing(),
            caller => caller,
        };
        Box::new(move |state| caller.run(|| command(state)))
    }

    /// Some commands of a server measure their time. A command of a loop runs through the runner, so that calls to its own
    /// channel are found.
    fn measured(&self, command: impl FnOnce(&mut S) + Send + 'static) -> BoxedCommand<S> {
        let Some(server) = self.server() else {
            let runner = Arc::clone(&self.shared.runner);
            return Box::new(move |state| runner.run(|| command(state)));
        };
        let Some(sample) = server.meter.sample() else { return Box::new(command) };
        let meter = Arc::clone(&server.meter);
        Box::new(move |state| sample.time(&meter, || command(state)))
    }

    fn ensure_alive(&self) -> Result<(), Error> {
        if self.service().alive() { Ok(()) } else { Err(self.refused()) }
    }

    #[cold]
    fn refused(&self) -> Error {
        self.count_refused();
        self.not_alive()
    }

    #[cold]
    fn full(&self) -> Error {
        self.count_refused();
        let message = format!(
            "{}: its queue is full ({} commands); try again later, or set a larger capacity",
            self.runner(),
            self.capacity(),
        );
        errors::SERVICE_NOT_AVAILABLE.error(self.service().id()).message(message).build()
    }

    fn count_refused(&self) {
        if let Some(server) = self.server() {
            server.meter.refused.fetch_add(1, Relaxed);
        }
    }
}

impl<S> ServiceCommandChannel<S> {
    /// The same channel with another deadline. It holds for each wait through this handle, whether for an answer or for
    /// room in the queue. `Duration::MAX` waits for ever.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "counter");
    /// let server = CommandServer::builder("counter", 16).spawn(&service, 0_u32)?;
    /// let count = server.within(Duration::from_secs(2)).call(|count| *count).await?;
    /// assert_eq!(count, 0);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        let mut channel = self.clone();
        channel.deadline = deadline;
        channel
    }

    /// The service that runs the commands.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert!(commands.service().same(&service));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service(&self) -> &Service {
        self.runner().service()
    }

    /// The channel's name, for logs.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(commands.name(), "sums");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.runner().name()
    }

    /// How many commands wait.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(commands.depth(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn depth(&self) -> usize {
        waiting(&self.shared.queue)
    }

    /// How many commands may wait.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let commands = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(commands.capacity(), 16);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.queue.max_capacity()
    }

    /// Refuses a wait of a command for its own server or channel.
    pub(super) fn ensure_not_inside(&self, what: &str) -> Result<(), Error> {
        if self.runner().is_running_here() { Err(self.waits_for_itself(what)) } else { Ok(()) }
    }

    #[cold]
    fn waits_for_itself(&self, what: &str) -> Error {
        let (runner, caller) = (self.runner(), describe_caller());
        illegal_argument_error(format!(
            "{runner}: {caller} cannot {what}, because it would wait for itself; change the state directly, or use submit"
        ))
    }

    fn wait_limit(&self) -> WaitLimit<'_> {
        WaitLimit { runner: self.runner(), deadline: self.deadline, last_logged: &self.shared.last_logged }
    }

    pub(super) fn runner(&self) -> &Arc<Runner> {
        &self.shared.runner
    }

    /// `None` for a bare channel.
    pub(super) fn server(&self) -> Option<&Server<S>> {
        self.shared.server.as_ref()
    }

    pub(super) fn not_alive(&self) -> Error {
        service_not_alive_error(self.service().id())
    }
}

impl<S> Clone for ServiceCommandChannel<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline: self.deadline }
    }
}

impl<S> fmt::Debug for ServiceCommandChannel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service();
        f.debug_struct("ServiceCommandChannel")
            .field("service", &service.id())
            .field("name", &self.name())
            .finish()
    }
}

//! The command server: a task that owns a state and runs the commands of its queue, with hooks before and after.

use std::{
    borrow::Cow,
    future::{Future, poll_fn},
    mem,
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use app_errors::{Error, service_init_error, service_shutdown_error};
use slog::{Level, Logger, debug, error, o};
use tokio::sync::oneshot;

use super::{
    ServiceCommandChannel,
    channel::Server,
    deadline::DEFAULT_CALL_DEADLINE,
    list::CommandServers,
    meter::Meter,
    queue::{Command, CommandReceiver, queue},
    server_state::{ServerGuard, ServerState},
};
use crate::{Service, service::Runner, trace};

/// The most commands that the server's task takes from the queue at once.
const BATCH: usize = 64;

type Hook<S> = Box<dyn FnOnce(&mut S) -> Result<(), Error> + Send>;

/// Owns a state and runs commands on it, one after another, in a task of the service.
///
/// A caller waits for [`DEFAULT_CALL_DEADLINE`] at most, unless [`deadline`](CommandServerBuilder::deadline) or
/// [`within`](ServiceCommandChannel::within) sets another deadline. A command that calls its own server is refused at once.
///
/// After a kill of the service, new commands are refused. The accepted commands run, and then the destroy hook. A command
/// that panics fails the service: the state is dropped, and waiting callers get `ServiceNotAlive`.
///
/// A command runs in the [span](crate::trace) of its caller, whichever thread runs it.
///
/// [`inline`](CommandServerBuilder::inline) makes a server for short, pure commands, which may run on the caller's thread.
///
/// Cheap to clone; clones send to the same server.
#[derive(Debug)]
pub struct CommandServer<S> {
    channel: ServiceCommandChannel<S>,
}

/// The optional settings of a [`CommandServer`].
#[must_use]
pub struct CommandServerBuilder<S> {
    name: Cow<'static, str>,
    capacity: u16,
    init: Option<Hook<S>>,
    destroy: Option<Hook<S>>,
    inline: bool,
    deadline: Duration,
}

impl<S: Send + 'static> CommandServer<S> {
    /// Configures a server whose queue holds `capacity` commands. The name is for logs and metrics.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(sums.call(|sum| { *sum += 2; *sum }).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(name: impl Into<Cow<'static, str>>, capacity: u16) -> CommandServerBuilder<S> {
        CommandServerBuilder {
            name: name.into(),
            capacity,
            init: None,
            destroy: None,
            inline: false,
            deadline: DEFAULT_CALL_DEADLINE,
        }
    }

    /// Waits until the server has ended, and returns the error of a hook that failed. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// service.kill("enough");
    /// sums.ended().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - the error of the init or destroy hook;
    /// - `ServiceNotAlive` when the server was dropped, or a command panicked;
    /// - `IllegalArgument`, at once, inside one of the server's own commands: it would wait for itself.
    pub async fn ended(&self) -> Result<(), Error> {
        self.channel.ensure_not_inside("wait for its end")?;
        let outcome = match self.channel.server() {
            Some(server) => server.state.outcome().await,
            None => None,
        };
        outcome.unwrap_or_else(|| Err(self.channel.not_alive()))
    }
}

impl<S: Send + 'static> CommandServerBuilder<S> {
    /// Sets a hook that runs before any command. Its error kills the service and is returned by [`start`](Self::start).
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let server = CommandServer::builder("sums", 16).init(|sum: &mut u64| { *sum = 40; Ok(()) });
    /// let sums = server.start(&service, 0).await?;
    /// assert_eq!(sums.call(|sum| { *sum += 2; *sum }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn init(mut self, hook: impl FnOnce(&mut S) -> Result<(), Error> + Send + 'static) -> Self {
        self.init = Some(Box::new(hook));
        self
    }

    /// Sets a hook that runs after the last command, once the service was killed. Its error becomes the failure of the
    /// service and is returned by [`CommandServer::ended`].
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let server = CommandServer::builder("files", 16).destroy(|files: &mut Vec<u64>| { files.clear(); Ok(()) });
    /// let files = server.spawn(&service, Vec::new())?;
    /// service.kill("enough");
    /// files.ended().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn destroy(mut self, hook: impl FnOnce(&mut S) -> Result<(), Error> + Send + 'static) -> Self {
        self.destroy = Some(Box::new(hook));
        self
    }

    /// Lets a caller run its command on its own thread while the server is idle, which saves waking the server's task. It
    /// is meant for short, pure changes of a state, such as counters or buckets.
    ///
    /// Each command must be short, a few microseconds at most, and must never block. It must not need a tokio runtime: the
    /// caller may run outside of one. While a command runs, the server's task and other callers wait for it.
    ///
    /// Differences to a server that is not inline:
    /// - [`submit`](ServiceCommandChannel::submit) and [`call`](ServiceCommandChannel::call) run the command before they
    ///   return, if no other command runs or waits. Otherwise the command goes into the queue.
    /// - The deadline bounds only waits for the queue. A command that runs on the caller's thread runs to its end.
    ///
    /// The rest is the same. One command runs at a time, in the order of submission. A command that panics fails the
    /// service, not the caller. [`try_submit`](ServiceCommandChannel::try_submit) never waits, not even for its own command.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "tickets");
    /// let tickets = CommandServer::builder("tickets", 64).inline().spawn(&service, 0_u64)?;
    /// let ticket = tickets.call(|last| {
    ///     *last += 1;
    ///     *last
    /// });
    /// assert_eq!(ticket.await?, 1);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Sets how long a caller waits for an answer, or for room in the queue: [`DEFAULT_CALL_DEADLINE`] by default.
    /// [`within`](ServiceCommandChannel::within) sets it for single calls.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = CommandServer::builder("sums", 16).deadline(Duration::from_secs(1)).spawn(&service, 0_u64)?;
    /// assert_eq!(sums.call(|sum| *sum).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts the server and waits until its init hook has run.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = CommandServer::builder("sums", 16).start(&service, 0_u64).await?;
    /// assert_eq!(sums.call(|sum| *sum).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - the error of the init hook as the cause of `ServiceInitFailed`;
    /// - `ServiceNotAlive` when the init hook panicked, or the task was aborted before it;
    /// - else as [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(mut self, service: &Service, state: S) -> Result<CommandServer<S>, Error> {
        let Some(init) = self.init.take() else { return self.spawn(service, state) };
        let (sender, initialised) = oneshot::channel();
        let init_and_report = move |state: &mut S| {
            init(state)?;
            // Fails when the caller has dropped the future.
            let _ = sender.send(());
            Ok(())
        };
        let server = self.init(init_and_report).spawn(service, state)?;
        if initialised.await.is_err() {
            server.ended().await?;
        }
        Ok(server)
    }

    /// Starts the server; commands wait until its init hook has run.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(sums.call(|sum| *sum).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed; `IllegalArgument` when the capacity is zero.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self, service: &Service, state: S) -> Result<CommandServer<S>, Error> {
        let Self { name, capacity, init, destroy, inline, deadline } = self;
        let (queue, commands) = queue(service, &name, capacity)?;
        let server = Arc::new(ServerState::new(queue.clone(), inline));
        let listing = {
            let queue = Arc::downgrade(&server);
            CommandServers::of(service).enter(service, name.clone(), capacity.into(), queue)
        };
        let meter = Arc::clone(&listing.meter);
        let runner = Arc::new(Runner::new(Runner::SERVER, service.clone(), name.clone()));
        let mut serving = Serving {
            commands,
            state: Some(state),
            init,
            destroy,
            meter: Arc::clone(&meter),
            runner: Arc::clone(&runner),
            server: ServerGuard::new(Arc::clone(&server), listing),
        };
        if serving.init.is_none() {
            serving.open();
        }
        // Commands have the context of their callers, and not that of the code that makes the server.
        trace::without(|| service.spawn(name, serving.run()))?;
        let server = Server { state: server, meter };
        Ok(CommandServer { channel: ServiceCommandChannel::of(runner, queue, deadline, Some(server)) })
    }
}

/// The data of the server's task. When the task is aborted, the fields are dropped in this order: first, callers of
/// remaining commands learn of the end.
struct Serving<S> {
    commands: CommandReceiver<S>,
    /// `None` while the state is in the cell of an inline server.
    state: Option<S>,
    init: Option<Hook<S>>,
    destroy: Option<Hook<S>>,
    meter: Arc<Meter>,
    runner: Arc<Runner>,
    server: ServerGuard<S>,
}

impl<S: Send> Serving<S> {
    async fn run(mut self) -> Result<(), Error> {
        if self.runner.service().logs_at(Level::Debug) {
            debug!(self.log(), "command server running");
        }
        let result = match self.initialise() {
            Ok(()) => {
                // No state: a command panicked on its caller's thread. That has already failed the service.
                let Some(state) = self.run_commands().await else { return Ok(()) };
                self.destroy(state)
            }
            Err(failed) => Err(failed),
        };
        match &result {
            Err(failed) => error!(self.log(), "a hook of the command server failed"; "err" => #failed),
            Ok(()) if self.runner.service().logs_at(Level::Debug) => {
                debug!(self.log(), "command server ended")
            }
            Ok(()) => {}
        }
        self.server.end(result.clone());
        result
    }

    fn initialise(&mut self) -> Result<(), Error> {
        let (Some(init), Some(state)) = (self.init.take(), &mut self.state) else { return Ok(()) };
        self.runner
            .run(|| init(state))
            .map_err(|failed| service_init_error(self.runner.service().id(), failed))?;
        self.open();
        Ok(())
    }

    /// Lets the callers of an inline server run commands.
    fn open(&mut self) {
        if let Some(cell) = &self.server.state().inline
            && let Some(state) = self.state.take()
        {
            cell.open(state);
        }
    }

    /// Runs the destroy hook, and drops the state.
    fn destroy(&mut self, mut state: S) -> Result<(), Error> {
        let destroy = self.destroy.take();
        let destroyed = self.runner.run(move || destroy.map_or(Ok(()), |destroy| destroy(&mut state)));
        destroyed.map_err(|failed| service_shutdown_error(self.runner.service().id(), failed))
    }

    /// Runs commands until the service is killed, and then the accepted ones. Returns the state.
    async fn run_commands(&mut self) -> Option<S> {
        let mut batch = Vec::new();
        {
            let runner = Arc::clone(&self.runner);
            let (service, mut dying) = (runner.service(), pin!(runner.service().dying()));
            let mut watches = false;
            while service.alive() {
                let received =
                    poll_fn(|context| match self.commands.poll_recv_many(context, &mut batch, BATCH) {
                        // One poll is enough: the waker of a task stays the same, and the kill wakes it.
                        Poll::Pending if !mem::replace(&mut watches, true) => {
                            dying.as_mut().poll(context).map(|()| 0)
                        }
                        Poll::Pending if !service.alive() => Poll::Ready(0),
                        polled => polled,
                    });
                if received.await > 0 {
                    self.run_batch(&mut batch)?;
                }
            }
        }
        self.commands.close();
        while self.commands.recv_many(&mut batch, BATCH).await > 0 {
            self.run_batch(&mut batch)?;
        }
        self.state.take().or_else(|| self.server.state().inline.as_ref()?.lock().take())
    }

    /// `None` when there is no state to run the commands on.
    fn run_batch(&mut self, batch: &mut Vec<Command<S>>) -> Option<()> {
        if let Some(state) = &mut self.state {
            run(&self.runner, &self.meter, batch, state);
            return Some(());
        }
        let (mut guard, received) = (self.server.state().inline.as_ref()?.lock(), batch.len());
        run(&self.runner, &self.meter, batch, guard.begin()?);
        guard.finish(received);
        Some(())
    }

    fn log(&self) -> Logger {
        self.runner.service().log().new(o!("cmdsvr" => self.runner.name().to_owned()))
    }
}

fn run<S>(runner: &Arc<Runner>, meter: &Meter, batch: &mut Vec<Command<S>>, state: &mut S) {
    let mut counted = meter.run_counter();
    runner.run(|| {
        for command in batch.drain(..) {
            counted.begin();
            command.run(state);
        }
    });
}

/// Makes command servers from the [`Service`] that they belong to. The [prelude](crate::prelude) has this trait.
pub trait ServiceCommands {
    /// Starts a command server with the default settings. Its queue holds `capacity` commands; the name is for logs and
    /// metrics. [`CommandServer::builder`] has more settings.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let sums = service.command_server("sums", 16, 0_u64)?;
    /// sums.submit(|sum| *sum += 2).await?;
    /// assert_eq!(sums.call(|sum| *sum).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed; `IllegalArgument` when the capacity is zero.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    fn command_server<S: Send + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        capacity: u16,
        state: S,
    ) -> Result<CommandServer<S>, Error>;
}

impl ServiceCommands for Service {
    fn command_server<S: Send + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        capacity: u16,
        state: S,
    ) -> Result<CommandServer<S>, Error> {
        CommandServer::builder(name, capacity).spawn(self, state)
    }
}

impl<S> Deref for CommandServer<S> {
    type Target = ServiceCommandChannel<S>;

    fn deref(&self) -> &ServiceCommandChannel<S> {
        &self.channel
    }
}

impl<S> Clone for CommandServer<S> {
    fn clone(&self) -> Self {
        Self { channel: self.channel.clone() }
    }
}

impl<S> std::fmt::Debug for CommandServerBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandServerBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .finish()
    }
}

//! The bare command channel, for services that run their own loop.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use app_errors::{Error, illegal_argument_error, service_not_alive_error};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::{self, coop},
};

use super::{
    at_once::{Ran, Shortcut},
    deadline::{DEFAULT_CALL_DEADLINE, Wait},
    desk::Place,
    meter::Meter,
    tenure::Tenure,
};
use crate::{Service, service::Runner};

type Boxed<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A command on its way: run it on the state that the loop owns.
pub struct Command<S>(Boxed<S>);

impl<S> Command<S> {
    /// Runs the command.
    pub fn run(self, state: &mut S) {
        (self.0)(state);
    }
}

impl<S> fmt::Debug for Command<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command")
    }
}

/// Pairs a bounded channel of commands with a service. Cheap to clone; clones send to the same receiver.
///
/// A caller waits for [`DEFAULT_CALL_DEADLINE`](crate::DEFAULT_CALL_DEADLINE) at most, unless [`within`](Self::within) says
/// otherwise. A command that waits for its own channel is refused at once.
pub struct ServiceCommandChannel<S = ()> {
    owner: Arc<Owner<S>>,
    /// How long a caller waits.
    pub(super) deadline: Duration,
}

struct Owner<S> {
    runner: Arc<Runner>,
    capacity: u16,
    side: Side<S>,
    /// When a wait that ended at its deadline was last logged, in milliseconds of the app's life; 0 for never.
    last_told: AtomicU64,
}

/// Where the commands go.
enum Side<S> {
    /// To a loop of the service's.
    Loop(mpsc::Sender<Command<S>>),
    Server(ServerSide<S>),
}

/// What a command server is beside its queue.
pub(super) struct ServerSide<S> {
    pub(super) meter: Arc<Meter>,
    pub(super) tenure: Arc<Tenure<S>>,
    /// The way past the queue, unless it was forbidden.
    pub(super) shortcut: Option<Shortcut<S>>,
    /// The number of its task, which sleeps until the first command that goes into the queue.
    pub(super) task: u64,
}

/// The receiving end: owned by the loop that runs the commands.
#[derive(Debug)]
pub struct CommandReceiver<S = ()> {
    commands: mpsc::Receiver<Command<S>>,
}

impl<S: Send + 'static> ServiceCommandChannel<S> {
    /// Makes a channel that holds `capacity` commands which were not received yet.
    ///
    /// The loop of the service receives until it is killed, then closes the receiver and runs what was accepted:
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, ServiceCommandChannel};
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
        admits(service, &name, capacity)?;
        let (queue, commands) = queue(capacity);
        let runner = Runner::new(Runner::CHANNEL, service.clone(), name);
        Ok((Self::of(runner, capacity, DEFAULT_CALL_DEADLINE, Side::Loop(queue)), commands))
    }

    /// The channel of a command server.
    pub(super) fn to_server(
        runner: Runner,
        capacity: u16,
        deadline: Duration,
        server: ServerSide<S>,
    ) -> Self {
        Self::of(runner, capacity, deadline, Side::Server(server))
    }

    fn of(runner: Runner, capacity: u16, deadline: Duration, side: Side<S>) -> Self {
        let owner = Owner { runner: Arc::new(runner), capacity, side, last_told: AtomicU64::new(0) };
        Self { owner: Arc::new(owner), deadline }
    }

    /// Hands a command over; waits for room in the queue, up to the deadline.
    ///
    /// A command server that has nothing to do runs it at once, before this returns, if its commands are known to be
    /// short: see [`CommandServer`](crate::CommandServer).
    ///
    /// Cancel safe: dropped before it is ready, the command was not accepted.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the service was killed, or its loop has ended. `ServiceNotAvailable` when there is no room within
    /// the deadline; at once if the queue is full and the caller is a command out of it. The command did not run and never
    /// will.
    pub async fn submit(&self, command: impl FnOnce(&mut S) + Send + 'static) -> Result<(), Error> {
        self.give_way().await;
        self.ensure_alive()?;
        match self.at_once(command).await {
            // Accepted, whatever became of it.
            Ok(_) => Ok(()),
            Err(command) => self.send(self.queue()?, self.boxed(command, |()| ())).await,
        }
    }

    /// Hands a command over if there is room right now; never waits.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the service was killed; `ServiceNotAvailable` when the queue is full. The command did
    /// not run and never will.
    pub fn try_submit(&self, command: impl FnOnce(&mut S) + Send + 'static) -> Result<(), Error> {
        self.ensure_alive()?;
        let queue = self.queue()?;
        self.try_send(queue, Command(self.boxed(command, |()| ()))).map_err(|refused| match refused {
            TrySendError::Closed(_) => self.refused(),
            TrySendError::Full(_) => self.full(),
        })
    }

    #[cold]
    fn full(&self) -> Error {
        self.count_refused();
        let message = format!(
            "the queue of command server {:?} of service {} is full ({} commands)",
            self.name(),
            self.service().id().describe(),
            self.capacity(),
        );
        app_errors::errors::SERVICE_NOT_AVAILABLE.error(self.service().id()).message(message).build()
    }

    /// Hands a command over and waits for what it returns, up to the deadline.
    ///
    /// Dropped before it is ready, the command may still run; its answer is dropped.
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed before the command ran, or the command panicked. `ServiceNotAvailable`
    /// when there is no answer within the deadline: the command may still run. `IllegalArgument`, at once, inside of a
    /// command of the same server or channel: it would wait for itself.
    pub async fn call<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.ensure_not_inside("call it")?;
        self.give_way().await;
        self.ensure_alive()?;
        let command = match self.at_once(command).await {
            Ok(result) => return result.ok_or_else(|| self.not_alive()),
            Err(command) => command,
        };
        let (answer, answered) = oneshot::channel();
        let give = |result| {
            // The caller may have gone: then nobody wants the answer.
            let _ = answer.send(result);
        };
        let queue = self.queue()?;
        self.send(queue, self.boxed(command, give)).await?;
        // What is sent after the last look of a receiver that is dropped stays in the queue as long as there are
        // senders, this one included: then the death of the service is the answer.
        if !queue.is_closed() {
            return self.in_time(Wait::Answer, answered).await?.map_err(|_| self.not_alive());
        }
        let answer = async {
            tokio::select! {
                biased;
                answer = answered => answer.map_err(|_| self.not_alive()),
                () = self.service().buried() => Err(self.not_alive()),
            }
        };
        self.in_time(Wait::Answer, answer).await?
    }

    /// The way past the queue, when it is worth trying.
    fn shortcut(&self) -> Option<&Shortcut<S>> {
        self.server()?.shortcut.as_ref().filter(|shortcut| shortcut.is_open())
    }

    /// Leaves the worker to others now and then, also to one who does nothing but hand over commands that run at once.
    async fn give_way(&self) {
        if self.shortcut().is_some() {
            coop::consume_budget().await;
        }
    }

    /// Runs a command right here, in a turn of the caller's; gives it back when it has to go into the queue. Nothing comes
    /// of one that panicked.
    async fn at_once<F: FnOnce(&mut S) -> R, R>(&self, command: F) -> Result<Option<R>, F> {
        let Some(shortcut) = self.shortcut() else { return Err(command) };
        let runner = self.runner();
        let ran = match shortcut.run(runner, command) {
            Ok(ran) => ran,
            Err(command) => {
                // Else a queue that once had something in it would never be found empty by those who fill it.
                task::yield_now().await;
                shortcut.run(runner, command)?
            }
        };
        match ran {
            Ran::Well(result) => Ok(Some(result)),
            Ran::Panicked(panic) => {
                self.service().kill(self.service().panicked(self.name(), panic.as_ref()));
                Ok(None)
            }
        }
    }

    async fn send(&self, queue: &mpsc::Sender<Command<S>>, command: Boxed<S>) -> Result<(), Error> {
        match self.try_send(queue, Command(command)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(self.refused()),
            // It would wait for room that only its own end makes.
            Err(TrySendError::Full(_)) if self.runner().is_running_here() => Err(self.full()),
            Err(TrySendError::Full(command)) => {
                let sent = async {
                    let place = self.server().map(|server| server.tenure.desk.line_up());
                    let sent = queue.send(command).await;
                    if let (Ok(()), Some(place)) = (&sent, place) {
                        place.keep();
                    }
                    sent
                };
                let sent = async {
                    tokio::select! {
                        biased;
                        () = self.service().dying() => Err(self.refused()),
                        sent = sent => sent.map_err(|_| self.refused()),
                    }
                };
                let in_time = self.in_time(Wait::Room, sent).await;
                in_time.inspect_err(|_| self.count_refused())?
            }
        }
    }

    fn try_send(
        &self,
        queue: &mpsc::Sender<Command<S>>,
        command: Command<S>,
    ) -> Result<(), TrySendError<Command<S>>> {
        let place = self.server().map(|server| server.tenure.desk.line_up());
        queue.try_send(command)?;
        place.into_iter().for_each(Place::keep);
        Ok(())
    }

    /// The queue, with somebody behind it who takes commands out.
    fn queue(&self) -> Result<&mpsc::Sender<Command<S>>, Error> {
        match &self.owner.side {
            Side::Loop(queue) => Ok(queue),
            Side::Server(server) => match server.tenure.queue.get() {
                Some(queue) => Ok(queue),
                None => self.woken(server),
            },
        }
    }

    /// The first command wakes the server's task. One that was killed in its sleep has no queue for it.
    #[cold]
    fn woken<'a>(&self, server: &'a ServerSide<S>) -> Result<&'a mpsc::Sender<Command<S>>, Error> {
        self.service().wake(server.task);
        server.tenure.queue.get().ok_or_else(|| self.refused())
    }

    /// A command as it goes into the queue, now and then with a stopwatch, and where its result goes.
    fn boxed<R: 'static>(
        &self,
        command: impl FnOnce(&mut S) -> R + Send + 'static,
        give: impl FnOnce(R) + Send + 'static,
    ) -> Boxed<S> {
        let Some(server) = self.server() else {
            let runner = Arc::clone(&self.owner.runner);
            return Box::new(move |state| give(runner.run(|| command(state))));
        };
        match server.meter.sample().map(|sample| (sample, &server.meter)) {
            None => Box::new(move |state| give(command(state))),
            Some((sample, meter)) => {
                let meter = Arc::clone(meter);
                Box::new(move |state| give(sample.time(&meter, || command(state))))
            }
        }
    }

    fn ensure_alive(&self) -> Result<(), Error> {
        if self.service().alive() { Ok(()) } else { Err(self.refused()) }
    }

    #[cold]
    fn refused(&self) -> Error {
        self.count_refused();
        self.not_alive()
    }

    /// A command server's.
    pub(super) fn tenure(&self) -> Option<&Tenure<S>> {
        self.server().map(|server| &*server.tenure)
    }

    #[cfg(test)]
    pub(super) fn assume_brisk(&self) {
        self.server().unwrap().meter.assume_brisk();
    }

    fn count_refused(&self) {
        if let Some(server) = self.server() {
            server.meter.refused.fetch_add(1, Relaxed);
        }
    }

    fn not_alive(&self) -> Error {
        service_not_alive_error(self.service().id())
    }
}

impl<S> ServiceCommandChannel<S> {
    /// The service that runs the commands.
    #[must_use]
    pub fn service(&self) -> &Service {
        self.runner().service()
    }

    /// The channel's name, for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        self.runner().name()
    }

    /// How many commands wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        match &self.owner.side {
            Side::Loop(queue) => waiting(queue),
            Side::Server(server) => server.tenure.queue.get().map_or(0, waiting),
        }
    }

    /// How many commands may wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.owner.capacity.into()
    }

    pub(super) fn runner(&self) -> &Runner {
        &self.owner.runner
    }

    pub(super) fn last_told(&self) -> &AtomicU64 {
        &self.owner.last_told
    }

    /// Of a command server; a bare channel has none.
    fn server(&self) -> Option<&ServerSide<S>> {
        match &self.owner.side {
            Side::Loop(_) => None,
            Side::Server(server) => Some(server),
        }
    }
}

/// Refuses what can't be made.
pub(super) fn admits(service: &Service, name: &str, capacity: u16) -> Result<(), Error> {
    service.ensure_alive()?;
    if capacity > 0 {
        return Ok(());
    }
    let message =
        format!("command channel {name:?} of service {}: its capacity must not be zero", service.id());
    Err(illegal_argument_error(message))
}

/// A queue that holds so many.
pub(super) fn queue<S>(capacity: u16) -> (mpsc::Sender<Command<S>>, CommandReceiver<S>) {
    let (sender, commands) = mpsc::channel(usize::from(capacity));
    (sender, CommandReceiver { commands })
}

/// How many wait in the queue behind a sender.
pub(super) fn waiting<T>(sender: &mpsc::Sender<T>) -> usize {
    sender.max_capacity() - sender.capacity()
}

impl<S> CommandReceiver<S> {
    /// Waits for the next command; `None` once closed and empty, or when every sender is gone. Cancel safe.
    pub async fn recv(&mut self) -> Option<Command<S>> {
        self.commands.recv().await
    }

    /// Waits for commands and takes up to `limit` of them at once; 0 once closed and empty. Cancel safe.
    pub async fn recv_many(&mut self, batch: &mut Vec<Command<S>>, limit: usize) -> usize {
        self.commands.recv_many(batch, limit).await
    }

    /// Refuses new commands; those accepted are still received.
    pub fn close(&mut self) {
        self.commands.close();
    }
}

impl<S> Drop for CommandReceiver<S> {
    fn drop(&mut self) {
        self.commands.close();
        // The channel's own drop stops at the first command that another thread is about to put in, and leaves those
        // behind it in the queue, and whoever waits for them waiting. This waits the moment that it takes.
        while self.commands.try_recv().is_ok() {}
    }
}

impl<S> Clone for ServiceCommandChannel<S> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner), deadline: self.deadline }
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

//! The command server: a loop of its own around a command channel, with hooks before the first and after the last.

use std::{borrow::Cow, mem, ops::Deref, pin::pin, sync::Arc, time::Duration};

use app_errors::{Error, service_init_error, service_shutdown_error};
use slog::{Level, Logger, debug, error, o};
use tokio::runtime::Handle;

use super::{
    Command, CommandReceiver, ServiceCommandChannel,
    at_once::Shortcut,
    channel::{self, ServerSide},
    deadline::DEFAULT_CALL_DEADLINE,
    desk::{Desk, Turn},
    meter::{Batch, Meter},
    tenure::{Phase, Tenant, Tenure},
};
use crate::{
    Service,
    service::{Awake, Dormant, Runner},
};

/// How many commands are taken off the queue at once.
const BATCH: usize = 64;

type Hook<S> = Box<dyn FnOnce(&mut S) -> Result<(), Error> + Send>;

/// Owns a state and runs commands on it, one after another, in a task of the service.
///
/// A command that finds the server idle does not wait for that task: it runs at once, where it is handed over, before
/// [`submit`](ServiceCommandChannel::submit) or [`call`](ServiceCommandChannel::call) returns. That is so once the
/// server's commands have been seen to be short (2 us in the mean, and none of those looked at above 50 us): to wake a task
/// for them would take longer. The order of submission and all that is said here stay as they are, a deadline around a
/// call is looked at when the command has run. Where a command may now and then take long or block, use
/// [`at_once(false)`](CommandServerBuilder::at_once).
///
/// Without hooks it sleeps until its first command: nothing is spawned before that. A state that holds a handle of its
/// own service keeps it there until somebody kills it.
///
/// A caller waits for [`DEFAULT_CALL_DEADLINE`] at most, unless [`deadline`](CommandServerBuilder::deadline) or
/// [`within`](ServiceCommandChannel::within) says otherwise. A command that calls its own server is refused at once.
///
/// After a kill, `submit` and `call` are refused; what was accepted before runs, then the destroy hook. A command that
/// panics fails the service: its state is dropped, and whoever waits gets `ServiceNotAlive`.
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
    at_once: bool,
    deadline: Duration,
}

impl<S: Send + 'static> CommandServer<S> {
    /// A server named for the logs, whose queue holds `capacity` commands.
    pub fn builder(name: impl Into<Cow<'static, str>>, capacity: u16) -> CommandServerBuilder<S> {
        let name = name.into();
        CommandServerBuilder {
            name,
            capacity,
            init: None,
            destroy: None,
            at_once: true,
            deadline: DEFAULT_CALL_DEADLINE,
        }
    }

    /// Waits until the server has ended, and says how: the way for its creator to learn of a failed hook.
    /// Cancel safe.
    ///
    /// # Errors
    /// The error of the init or destroy hook. `ServiceNotAlive` when the server was dropped or panicked before its end.
    /// `IllegalArgument`, at once, inside one of its own commands: it would wait for itself.
    pub async fn ended(&self) -> Result<(), Error> {
        self.channel.ensure_not_inside("wait for its end")?;
        self.reaches(|phase| matches!(phase, Phase::Ended(_))).await
    }

    /// Has it take its commands for short until it knows better.
    #[cfg(test)]
    pub(super) fn assume_brisk(&self) {
        self.channel.assume_brisk();
    }

    async fn reaches(&self, which: impl Fn(&Phase) -> bool) -> Result<(), Error> {
        let phase = match self.channel.tenure() {
            Some(tenure) => tenure.reaches(which).await,
            None => Phase::Gone,
        };
        match phase {
            Phase::Ended(result) => result,
            Phase::Gone => Err(app_errors::service_not_alive_error(self.service().id())),
            Phase::Initialising | Phase::Running => Ok(()),
        }
    }
}

impl<S: Send + 'static> CommandServerBuilder<S> {
    /// Sets what runs before any command. An error kills the service and reaches whoever calls [`start`](Self::start).
    pub fn init(mut self, hook: impl FnOnce(&mut S) -> Result<(), Error> + Send + 'static) -> Self {
        self.init = Some(Box::new(hook));
        self
    }

    /// Sets what runs after the last command, once the service was killed. An error becomes the failure of the
    /// service, and reaches whoever waits for [`CommandServer::ended`].
    pub fn destroy(mut self, hook: impl FnOnce(&mut S) -> Result<(), Error> + Send + 'static) -> Self {
        self.destroy = Some(Box::new(hook));
        self
    }

    /// Sets whether a short command may run at once where it is handed over, when the server is idle; else all run in the
    /// server's task. The default is that they may.
    pub fn at_once(mut self, may: bool) -> Self {
        self.at_once = may;
        self
    }

    /// Sets how long a caller waits for an answer, or for room in the queue: [`DEFAULT_CALL_DEADLINE`] by default.
    /// [`within`](ServiceCommandChannel::within) sets it for single calls.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts the server and waits until its init hook has run.
    ///
    /// # Errors
    /// The error of the init hook as `ServiceInitFailed`; else as [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(self, service: &Service, state: S) -> Result<CommandServer<S>, Error> {
        let server = self.spawn(service, state)?;
        server.reaches(|phase| !matches!(phase, Phase::Initialising)).await?;
        Ok(server)
    }

    /// Starts the server; commands wait until its init hook has run.
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service was killed; `IllegalArgument` when the capacity is zero.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self, service: &Service, state: S) -> Result<CommandServer<S>, Error> {
        channel::admits(service, &self.name, self.capacity)?;
        let Self { name, capacity, init, destroy, at_once, deadline } = self;
        let runner = Runner::new(Runner::SERVER, service.clone(), name.clone());
        let tenure = Tenure::new(if init.is_none() { Phase::Running } else { Phase::Initialising });
        let listing = {
            let queue = Arc::downgrade(&tenure);
            service.app().inner.command_servers.enter(service, name.clone(), capacity.into(), queue)
        };
        let meter = Arc::clone(&listing.meter);
        let shortcut = at_once.then(|| Shortcut::new(Arc::clone(&tenure), Arc::clone(&meter)));
        // Nothing is to be done before the first command, nor after the last.
        let idle = init.is_none() && destroy.is_none();
        let mut serving = Box::new(Serving {
            name: name.clone(),
            capacity,
            before: Some((state, init)),
            destroy,
            runner: runner.number(),
            meter: Arc::clone(&meter),
            tenant: Tenant::new(Arc::clone(&tenure), listing),
        });
        let task = if idle {
            serving.begins(service)?;
            service.lay_down(serving)?
        } else {
            service.spawn(name, serving.wake(service))?;
            AWAKE
        };
        let server = ServerSide { meter, tenure, shortcut, task };
        Ok(CommandServer { channel: ServiceCommandChannel::to_server(runner, capacity, deadline, server) })
    }
}

/// The number of no task: there is nothing to wake.
const AWAKE: u64 = 0;

/// What a server's task owns.
struct Serving<S> {
    name: Cow<'static, str>,
    capacity: u16,
    /// The state before it lies open, and what is done with it first.
    before: Option<(S, Option<Hook<S>>)>,
    destroy: Option<Hook<S>>,
    /// The number of its [`Runner`], which holds the service: a server that sleeps must not.
    runner: u64,
    meter: Arc<Meter>,
    tenant: Tenant<S>,
}

impl<S: Send + 'static> Dormant for Serving<S> {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn runtime(&self) -> &Handle {
        &self.tenant.tenure().runtime
    }

    fn wake(self: Box<Self>, service: &Service) -> Awake {
        let (queue, commands) = channel::queue(self.capacity);
        // It is woken once: there was none.
        let _ = self.tenant.tenure().queue.set(queue);
        // In a box: it is large, and moved from hand to hand until it is a task.
        Box::pin(self.until_the_end(service.clone(), commands))
    }

    fn end(self: Box<Self>, service: &Service) -> Result<(), Box<dyn Dormant>> {
        // A state that has something to do in its end does it in the server's task, as long as it takes. So it is with
        // the handle that a service of the app's exposes, which is dropped when its last task has ended: not by whoever
        // kills it, who may be the one that has to give it up.
        if mem::needs_drop::<S>() || service.is_on_board() {
            return Err(self);
        }
        // A command runs at once, perhaps the one that kills the service: that is to end first.
        let Some(turn) = self.tenant.desk().turn() else { return Err(self) };
        if turn.take().is_some() {
            self.log_end(service, &Ok(()));
            self.tenant.ended(Ok(()));
        }
        Ok(())
    }
}

impl<S: Send> Serving<S> {
    /// The state lies open when this is back: commands may run.
    fn begins(&mut self, service: &Service) -> Result<(), Error> {
        let Some((state, init)) = self.before.take() else { return Ok(()) };
        if service.tells(Level::Debug) {
            debug!(self.log(service), "command server running");
        }
        let Some(init) = init else {
            self.tenant.desk().open(state);
            return Ok(());
        };
        let state = self.runner(service).run(|| initialised(service, state, init))?;
        self.tenant.desk().open(state);
        self.tenant.runs();
        Ok(())
    }

    fn runner(&self, service: &Service) -> Runner {
        Runner::numbered(self.runner, service.clone(), self.name.clone())
    }

    async fn until_the_end(
        mut self: Box<Self>,
        service: Service,
        mut commands: CommandReceiver<S>,
    ) -> Result<(), Error> {
        let result = match self.begins(&service) {
            Ok(()) => {
                // Without a state at the end, a command that ran at once has panicked. That has failed the service.
                let runner = self.runner(&service);
                let Some(state) = serve(&runner, &mut commands, self.tenant.desk(), &self.meter).await else {
                    return Ok(());
                };
                let destroy = self.destroy.take();
                runner.run(|| destroyed(&service, state, destroy))
            }
            Err(failed) => Err(failed),
        };
        self.log_end(&service, &result);
        self.tenant.ended(result.clone());
        result
    }

    fn log(&self, service: &Service) -> Logger {
        service.log().new(o!("cmdsvr" => self.name.to_string()))
    }

    fn log_end(&self, service: &Service, result: &Result<(), Error>) {
        match result {
            Err(failed) => {
                error!(self.log(service), "a hook of the command server failed"; "err" => #failed);
            }
            Ok(()) if service.tells(Level::Debug) => debug!(self.log(service), "command server ended"),
            Ok(()) => {}
        }
    }
}

fn initialised<S>(service: &Service, mut state: S, init: Hook<S>) -> Result<S, Error> {
    init(&mut state).map(|()| state).map_err(|failed| service_init_error(service.id(), failed))
}

fn destroyed<S>(service: &Service, mut state: S, destroy: Option<Hook<S>>) -> Result<(), Error> {
    let destroyed = destroy.map_or(Ok(()), |destroy| destroy(&mut state));
    destroyed.map_err(|failed| service_shutdown_error(service.id(), failed))
}

/// Runs commands until the service is killed, then what was accepted up to then. Gives the state back.
async fn serve<S: Send>(
    runner: &Runner,
    commands: &mut CommandReceiver<S>,
    desk: &Desk<S>,
    meter: &Meter,
) -> Option<S> {
    let mut batch = Vec::new();
    {
        let mut dying = pin!(runner.service().dying());
        loop {
            tokio::select! {
                biased;
                () = &mut dying => break,
                // Waits though every handle is gone: the tenure has a sender of its own.
                _ = commands.recv_many(&mut batch, BATCH) => run(runner, &mut batch, turn(desk).await, meter)?,
            }
        }
    }
    commands.close();
    while commands.recv_many(&mut batch, BATCH).await > 0 {
        run(runner, &mut batch, turn(desk).await, meter)?;
    }
    turn(desk).await.take()
}

/// Waits for its turn. Who has it runs a single command, a short one if all is as it was; if not, others run meanwhile.
async fn turn<S>(desk: &Desk<S>) -> Turn<'_, S> {
    let mut looks = 0;
    loop {
        if let Some(turn) = desk.turn() {
            return turn;
        }
        match looks {
            0..8 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(1 << (looks - 8).min(4))).await,
        }
        looks += 1;
    }
}

/// Runs a batch; nothing when there is nothing to run it on.
fn run<S>(runner: &Runner, batch: &mut Vec<Command<S>>, mut turn: Turn<'_, S>, meter: &Meter) -> Option<()> {
    let (state, received) = (turn.begin()?, batch.len());
    let mut counted = Batch::of(meter);
    runner.run(|| {
        for command in batch.drain(..) {
            counted.begins();
            command.run(state);
        }
    });
    drop(counted);
    turn.end(received);
    Some(())
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

//! The command server: a loop of its own around a command channel, with hooks before the first and after the last.

use std::{borrow::Cow, ops::Deref, pin::pin, sync::Arc, time::Duration};

use app_errors::{Error, service_init_error, service_shutdown_error};
use slog::{debug, error, o};
use tokio::sync::watch;

use super::{
    Command, CommandReceiver, ServiceCommandChannel,
    at_once::Shortcut,
    channel::{ServerSide, waiting},
    desk::{Desk, Turn},
    meter::{Batch, Meter},
};
use crate::Service;

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
/// After a kill, `submit` and `call` are refused; what was accepted before runs, then the destroy hook. A command that
/// panics fails the service: its state is dropped, and whoever waits gets `ServiceNotAlive`.
///
/// Cheap to clone; clones send to the same server.
#[derive(Debug)]
pub struct CommandServer<S> {
    channel: ServiceCommandChannel<S>,
    phase: watch::Receiver<Phase>,
}

#[derive(Debug, Clone)]
enum Phase {
    Initialising,
    Running,
    Ended(Result<(), Error>),
}

/// The optional settings of a [`CommandServer`].
#[must_use]
pub struct CommandServerBuilder<S> {
    name: Cow<'static, str>,
    capacity: u16,
    init: Option<Hook<S>>,
    destroy: Option<Hook<S>>,
    at_once: bool,
}

impl<S: Send + 'static> CommandServer<S> {
    /// A server named for the logs, whose queue holds `capacity` commands.
    pub fn builder(name: impl Into<Cow<'static, str>>, capacity: u16) -> CommandServerBuilder<S> {
        CommandServerBuilder { name: name.into(), capacity, init: None, destroy: None, at_once: true }
    }

    /// Waits until the server has ended, and says how: the way for its creator to learn of a failed hook.
    /// Cancel safe.
    ///
    /// # Errors
    /// The error of the init or destroy hook. `ServiceNotAlive` when the server was dropped or panicked before its end.
    pub async fn ended(&self) -> Result<(), Error> {
        self.phase(|phase| matches!(phase, Phase::Ended(_))).await
    }

    /// Has it take its commands for short until it knows better.
    #[cfg(test)]
    pub(super) fn assume_brisk(&self) {
        self.channel.assume_brisk();
    }

    async fn phase(&self, reached: impl FnMut(&Phase) -> bool) -> Result<(), Error> {
        match self.phase.clone().wait_for(reached).await.as_deref() {
            Ok(Phase::Ended(result)) => result.clone(),
            Ok(_) => Ok(()),
            Err(_) => Err(app_errors::service_not_alive_error(self.service().id())),
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

    /// Starts the server and waits until its init hook has run.
    ///
    /// # Errors
    /// The error of the init hook as `ServiceInitFailed`; else as [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(self, service: &Service, state: S) -> Result<CommandServer<S>, Error> {
        let server = self.spawn(service, state)?;
        server.phase(|phase| !matches!(phase, Phase::Initialising)).await?;
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
        let serving = Arc::new(());
        let desk = Tenure(Arc::new(Desk::new()));
        let (name, at_once) = (self.name.clone(), self.at_once);
        let mut meter = Arc::default();
        let (channel, commands) =
            ServiceCommandChannel::made(service, name.clone(), self.capacity, |queue| {
                let (capacity, queue) = (queue.max_capacity(), queue.downgrade());
                let depth = move || queue.upgrade().map_or(0, |queue| waiting(&queue));
                meter = service.app().inner.command_servers.enter(service, name, capacity, &serving, depth);
                let (meter, desk) = (Arc::clone(&meter), Arc::clone(&desk.0));
                let shortcut = at_once.then(|| Shortcut::new(Arc::clone(&desk), Arc::clone(&meter)));
                Some(ServerSide { meter, desk, shortcut })
            })?;
        let log = service.log().new(o!("cmdsvr" => self.name.to_string()));
        let (phase, phases) = watch::channel(Phase::Initialising);
        let (init, destroy, me) = (self.init, self.destroy, service.clone());
        service.spawn(self.name, async move {
            debug!(log, "command server running");
            let Some(result) = serve(&me, state, commands, init, destroy, &phase, (&desk.0, &meter)).await else {
                // The failure of the service is told by whoever the panic came to.
                return Ok(());
            };
            drop((serving, desk));
            match &result {
                Ok(()) => debug!(log, "command server ended"),
                Err(failed) => error!(log, "a hook of the command server failed"; "err" => #failed),
            }
            phase.send_replace(Phase::Ended(result.clone()));
            result
        })?;
        Ok(CommandServer { channel, phase: phases })
    }
}

/// Held by the server's task: when that is gone, whatever became of it, nothing runs any more.
struct Tenure<S>(Arc<Desk<S>>);

impl<S> Drop for Tenure<S> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// How it ended; nothing, if by the panic of a command that ran at once.
async fn serve<S: Send>(
    service: &Service,
    mut state: S,
    mut commands: CommandReceiver<S>,
    init: Option<Hook<S>>,
    destroy: Option<Hook<S>>,
    phase: &watch::Sender<Phase>,
    (desk, meter): (&Desk<S>, &Meter),
) -> Option<Result<(), Error>> {
    if let Some(Err(failed)) = init.map(|init| init(&mut state)) {
        return Some(Err(service_init_error(service.id(), failed)));
    }
    desk.open(state);
    phase.send_replace(Phase::Running);
    let mut batch = Vec::with_capacity(BATCH);
    {
        let mut dying = pin!(service.dying());
        loop {
            tokio::select! {
                biased;
                () = &mut dying => break,
                received = commands.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        // Every handle is gone: nothing will ever come, but the destroy hook waits for the kill.
                        dying.await;
                        break;
                    }
                    run(&mut batch, turn(desk).await, meter)?;
                }
            }
        }
    }
    commands.close();
    while commands.recv_many(&mut batch, BATCH).await > 0 {
        run(&mut batch, turn(desk).await, meter)?;
    }
    let mut state = turn(desk).await.take()?;
    let destroyed = destroy.map_or(Ok(()), |destroy| destroy(&mut state));
    Some(destroyed.map_err(|error| service_shutdown_error(service.id(), error)))
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
fn run<S>(batch: &mut Vec<Command<S>>, mut turn: Turn<'_, S>, meter: &Meter) -> Option<()> {
    let (state, received) = (turn.begin()?, batch.len());
    let mut counted = Batch::of(meter);
    for command in batch.drain(..) {
        counted.begins();
        command.run(state);
    }
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
        Self { channel: self.channel.clone(), phase: self.phase.clone() }
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

//! Commands that run at once: where they are handed over, when the server has nothing else to do.
//!
//! To wake a task costs more than most commands do: on another worker a hundred times more. So a command that is handed
//! over while nothing runs and nothing waits is run by whoever hands it over, in his turn (see [`desk`](super::desk)). The
//! queue is there for when the server is busy.
//!
//! 1. Only servers whose commands are known to be short do that (see [`meter`](super::meter)): to hand a long one over must
//!    not take as long as to run it. [`CommandServerBuilder::at_once`](super::CommandServerBuilder::at_once) forbids it.
//! 2. A caller runs his own command alone, never somebody else's.
//! 3. A command runs inside the server's runtime: of a thread that is in another one, it goes into the queue.
//! 4. A panic is the service's failure, as it is in the server's task. Nothing runs after it.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::{
    runtime::{self, EnterGuard, Handle},
    task,
};

use super::{meter::Meter, tenure::Tenure};
use crate::service::Runner;

/// How often it is looked whether somebody else's short command is over.
const LOOKS: usize = 48;

/// What became of a command that ran at once.
pub(super) enum Ran<R> {
    Well(R),
    Panicked(Box<dyn Any + Send>),
}

/// The way past the queue.
pub(super) struct Shortcut<S> {
    tenure: Arc<Tenure<S>>,
    meter: Arc<Meter>,
    runtime: runtime::Id,
}

impl<S> Shortcut<S> {
    pub(super) fn new(tenure: Arc<Tenure<S>>, meter: Arc<Meter>) -> Self {
        let runtime = tenure.runtime.id();
        Self { tenure, meter, runtime }
    }

    /// Whether it is worth trying.
    pub(super) fn is_open(&self) -> bool {
        self.meter.is_brisk()
    }

    /// Runs a command now; gives it back when it has to wait, or nothing runs any more.
    pub(super) fn run<F: FnOnce(&mut S) -> R, R>(&self, runner: &Runner, command: F) -> Result<Ran<R>, F> {
        let Ok(_inside) = self.enter() else { return Err(command) };
        let Some(mut turn) = self.tenure.desk.turn_out_of_line(LOOKS) else { return Err(command) };
        let Some(state) = turn.begin() else { return Err(command) };
        self.meter.begins();
        let timed = || match self.meter.sample() {
            None => command(state),
            Some(sample) => sample.time_at_once(&self.meter, || command(state)),
        };
        let ran = catch_unwind(AssertUnwindSafe(|| runner.run(timed)));
        match ran {
            Ok(result) => {
                turn.end(0);
                Ok(Ran::Well(result))
            }
            Err(panic) => {
                self.meter.panicked.fetch_add(1, Relaxed);
                // The state's drop is the service's own code too.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(turn)));
                Ok(Ran::Panicked(panic))
            }
        }
    }

    /// Enters the server's runtime, if the thread is in none. Refused where it is in another one, which has its own use
    /// for the thread, and may be unable to do what a command asks of its runtime.
    fn enter(&self) -> Result<Option<EnterGuard<'_>>, ()> {
        // To ask for the runtime is to count its handles, all threads in one place; a task stays in the one it is in.
        let task = task::try_id();
        if task.is_some() && SEEN.get() == (task, Some(self.runtime)) {
            return Ok(None);
        }
        let Ok(current) = Handle::try_current() else { return Ok(Some(self.tenure.runtime.enter())) };
        SEEN.set((task, Some(current.id())));
        if current.id() == self.runtime { Ok(None) } else { Err(()) }
    }
}

thread_local! {
    /// The task that last ran a command at once on this thread, and its runtime.
    static SEEN: Cell<(Option<task::Id>, Option<runtime::Id>)> = const { Cell::new((None, None)) };
}

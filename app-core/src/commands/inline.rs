//! Commands of an inline server that run on the caller's thread, because the server is idle.
//!
//! Waking a task takes longer than running a short command. [`CommandServerBuilder::inline`] says what such a command may
//! do.
//!
//! [`CommandServerBuilder::inline`]: super::CommandServerBuilder::inline

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::{self, coop};

use super::{channel::ServiceCommandChannel, meter::Meter, state_cell::StateCell};

/// How often a caller tries the lock of the state while another inline command runs.
const TRIES: usize = 48;

impl<S: Send + 'static> ServiceCommandChannel<S> {
    /// Runs the command on this thread if this is an idle inline server. Otherwise `Err` returns the command, for the queue.
    /// `None` means that the command panicked.
    ///
    /// Cancel safe: if the future is dropped before it is ready, the command did not run.
    pub(super) async fn run_inline<F, R>(&self, command: F) -> Result<Option<R>, F>
    where
        F: FnOnce(&mut S) -> R,
    {
        let Some(server) = self.server() else { return Err(command) };
        let Some(cell) = &server.state.inline else { return Err(command) };
        // A caller whose commands all run inline must still let other tasks run.
        coop::consume_budget().await;
        let command = match self.try_inline(cell, &server.meter, command) {
            Err(command) => command,
            ran => return ran,
        };
        // Lets the server's task empty the queue. Without that, busy callers would never find the queue empty again.
        task::yield_now().await;
        self.try_inline(cell, &server.meter, command)
    }

    fn try_inline<F, R>(&self, cell: &StateCell<S>, meter: &Meter, command: F) -> Result<Option<R>, F>
    where
        F: FnOnce(&mut S) -> R,
    {
        let Some(mut guard) = cell.lock_if_idle(TRIES) else { return Err(command) };
        let Some(state) = guard.begin() else { return Err(command) };
        let run = || {
            let mut counted = meter.run_counter();
            counted.begin();
            self.runner().run(|| match meter.sample() {
                None => command(state),
                Some(sample) => sample.time_inline(meter, || command(state)),
            })
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => {
                guard.finish(0);
                Ok(Some(result))
            }
            Err(panic) => {
                // The guard drops the state. The drop of the state is code of the service and may panic, too.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
                self.service().kill(self.service().panicked(self.name(), panic.as_ref()));
                Ok(None)
            }
        }
    }
}

//! The runtime of the services: a multi-threaded tokio runtime with all its threads, or an error.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{panics, threads};

/// How long threads that services have blocked may delay the exit.
const SHUTDOWN: Duration = Duration::from_millis(500);
/// How long the worker threads may take to start before the kernel checks whether the operating system refuses threads.
const QUICK: Duration = Duration::from_millis(50);
/// How long a busy machine may take to start the worker threads.
const PATIENCE: Duration = Duration::from_secs(10);

/// The runtime of the services. Dropping it does not wait for threads that are blocked.
pub(super) struct Workers {
    /// `None` once it is shut down.
    runtime: Option<Runtime>,
    handle: Handle,
}

/// The result of building the runtime: the outer error is the message of a panic.
type Built = Result<io::Result<Runtime>, String>;

/// Counts the threads of the runtime that have started.
#[derive(Default)]
struct Started {
    count: Mutex<usize>,
    more: Condvar,
}

impl Workers {
    /// Starts the runtime with `count` worker threads, and waits until all of them run. Without a count, there is one for
    /// each core.
    ///
    /// If a worker thread is refused, tokio panics, and then waits for ever for the workers that did start. So a separate
    /// thread builds the runtime, and is left behind in that case.
    ///
    /// # Errors
    /// A thread is refused: the error names the thread, the limit and the cure. Or the runtime cannot be made for another
    /// reason.
    pub(super) fn start(count: Option<u16>) -> io::Result<Self> {
        // Without a number, tokio would read TOKIO_WORKER_THREADS, and panic if that is not a number above 0.
        let count = match count {
            Some(count) => usize::from(count),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let started = Arc::new(Started::default());
        let counter = Arc::clone(&started);
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(count)
            .thread_name("worker")
            .thread_stack_size(threads::stack_bytes())
            .enable_all();
        builder.on_thread_start(move || counter.add_one());
        let (done, built) = channel();
        threads::spawn_thread("runtime", move || {
            // Fails if the receiver no longer waits.
            let _ = done.send(panics::quietly(|| builder.build()));
        })?;
        let runtime = started.wait_for(count, &built)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the runtime. Tasks are dropped at their next await. A blocked thread is left behind.
    pub(super) fn shut_down(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Started {
    fn add_one(&self) {
        *self.count.lock() += 1;
        self.more.notify_all();
    }

    /// Waits until the runtime is built and all its worker threads run.
    fn wait_for(&self, wanted: usize, built: &Receiver<Built>) -> io::Result<Runtime> {
        let deadline = Instant::now() + PATIENCE;
        let runtime = loop {
            match built.recv_timeout(QUICK) {
                Ok(Ok(runtime)) => break runtime?,
                // tokio panics when the first worker thread is refused.
                Ok(Err(panic)) if panic.contains("spawn worker thread") => {
                    return Err(threads::thread_refused(
                        &self.next(wanted),
                        &io::ErrorKind::WouldBlock.into(),
                    ));
                }
                Ok(Err(panic)) => return Err(io::Error::other(panic)),
                Err(_) => self.check(wanted, deadline)?,
            }
        };
        loop {
            let mut count = self.count.lock();
            if *count >= wanted {
                return Ok(runtime);
            }
            let late = self.more.wait_for(&mut count, QUICK).timed_out();
            drop(count);
            if late && let Err(problem) = self.check(wanted, deadline) {
                runtime.shutdown_background();
                return Err(problem);
            }
        }
    }

    /// Fails if the remaining worker threads will not start.
    fn check(&self, wanted: usize, deadline: Instant) -> io::Result<()> {
        if let Some(refused) = self.refusal(wanted) {
            return Err(refused);
        }
        if Instant::now() < deadline {
            return Ok(());
        }
        let started = *self.count.lock();
        let message = format!("only {started} of {wanted} worker threads started within {PATIENCE:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    }

    /// Tries to start one more thread, and returns the error if the operating system refuses it.
    fn refusal(&self, wanted: usize) -> Option<io::Error> {
        match thread::Builder::new().spawn(|| ()) {
            Ok(probe) => {
                // The thread does nothing, so it ends at once.
                let _ = probe.join();
                None
            }
            Err(refused) => Some(threads::thread_refused(&self.next(wanted), &refused)),
        }
    }

    /// The name of the worker thread that does not start.
    fn next(&self, wanted: usize) -> String {
        format!("worker (number {} of {wanted})", (*self.count.lock() + 1).min(wanted))
    }
}

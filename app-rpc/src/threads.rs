//! Threads for capnp-rpc, which can't leave the thread that it began on.
//!
//! Each thread has a runtime of its own and a queue of jobs. Each job becomes a task on the thread.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::{io, thread};

use app_core::prelude::{Duration, Error, Logger, Service, error, errors};
use app_core::threads::start_thread;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::queue;

/// Makes a task on the thread that it is sent to.
type LocalJob = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// The most jobs in the queue of a thread.
const QUEUE: usize = 1024;

/// capnp-rpc resolves chains of calls that wait for each other by recursion, so the stack is large.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long a thread may take to end after its tasks were dropped.
const ABORT: Duration = Duration::from_millis(500);

/// Named threads with a local runtime each.
pub(crate) struct LocalThreads {
    threads: Vec<LocalThread>,
    stop: Stop,
    broken: CancellationToken,
    log: Logger,
}

/// Ends the threads.
#[derive(Clone, Default)]
struct Stop {
    /// Refuses new jobs. The present jobs run to their end.
    close: CancellationToken,
    /// Drops all jobs.
    abort: CancellationToken,
}

struct LocalThread {
    name: String,
    jobs: mpsc::Sender<LocalJob>,
    /// Jobs that were sent and have not ended yet.
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
    handle: JoinHandle<()>,
}

/// Sends jobs to threads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LocalSpawner(Arc<[(mpsc::Sender<LocalJob>, Arc<AtomicUsize>)]>);

/// A thread panicked. The panic is in the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ThreadPanicked;

impl ThreadPanicked {
    /// The failure of the service that the thread belongs to.
    pub(crate) fn of(self, service: &Service) -> Error {
        let message = "a thread of the RPC endpoint or client panicked: see the record before this one";
        errors::BUG.error(service.id()).message(message).build()
    }
}

/// The queues of the threads are full, or the threads have ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SpawnRefused;

impl LocalThreads {
    /// Starts this many threads with the names `{name}-{number}`.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub(crate) fn start(name: &str, count: usize, log: &Logger) -> io::Result<Self> {
        Self::named((0..count).map(|number| format!("{name}-{number}")), log)
    }

    /// Starts a thread for each name.
    ///
    /// # Errors
    /// The system refuses a thread. The error names the thread, the limit and what to do. Or there is no descriptor for its runtime.
    pub(crate) fn named(names: impl IntoIterator<Item = String>, log: &Logger) -> io::Result<Self> {
        let (stop, broken) = (Stop::default(), CancellationToken::new());
        let mut threads = Vec::new();
        for name in names {
            threads.push(LocalThread::start(name, stop.clone(), broken.clone(), log.clone())?);
        }
        Ok(Self { threads, stop, broken, log: log.clone() })
    }

    /// Cancelled when a thread has panicked. Panics of jobs are caught, and do not count.
    pub(crate) fn broken(&self) -> CancellationToken {
        self.broken.clone()
    }

    /// The number of threads.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// A spawner for all threads.
    pub(crate) fn spawner(&self) -> LocalSpawner {
        self.spawner_of(0..self.threads.len())
    }

    /// A spawner for some of the threads, by their number.
    pub(crate) fn spawner_of(&self, which: Range<usize>) -> LocalSpawner {
        let which = self.threads.get(which).unwrap_or_default();
        let senders = which.iter().map(|thread| (thread.jobs.clone(), Arc::clone(&thread.load)));
        LocalSpawner(senders.collect())
    }

    /// Waits for all jobs and threads. The caller must have asked the jobs to end. Jobs that run at the deadline are dropped. A thread
    /// that is still blocked then is abandoned, with a log record.
    pub(crate) async fn join(self, deadline: Duration) {
        let Self { threads, stop, log, .. } = self;
        stop.close.cancel();
        let until = tokio::time::Instant::now() + deadline;
        let running =
            threads.into_iter().map(|LocalThread { name, ended, handle, .. }| (name, ended, handle));
        let mut running: Vec<_> = running.collect();
        for (_, ended, _) in &mut running {
            // An error means that the deadline has passed. The next step drops the jobs of such threads.
            let _ = tokio::time::timeout_at(until, ended).await;
        }
        stop.abort.cancel();
        let until = tokio::time::Instant::now() + ABORT;
        for (name, ended, handle) in running {
            let ended = ended.is_terminated() || tokio::time::timeout_at(until, ended).await.is_ok();
            if ended {
                // The thread has finished its last statement. Panics of its jobs were caught.
                let _ = handle.join();
            } else {
                error!(log, "a thread does not end and is given up: something in it blocks"; "thread" => name);
            }
        }
    }
}

/// A runtime that may be dropped in a task.
///
/// tokio panics when a task drops a runtime. A task drops this one when the system refuses its thread.
struct LocalRuntime(Option<Runtime>);

impl Drop for LocalRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl LocalThread {
    fn start(name: String, stop: Stop, broken: CancellationToken, log: Logger) -> io::Result<Self> {
        let (jobs, sent) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let load = Arc::new(AtomicUsize::new(0));
        let mut builder = Builder::new_current_thread();
        queue::watch(builder.enable_all());
        let runtime = LocalRuntime(Some(builder.build()?));
        let settings = thread::Builder::new().stack_size(STACK_BYTES);
        let counted = Arc::clone(&load);
        let broken = broken.drop_guard();
        let handle = start_thread(settings, name.clone(), move || {
            if let Some(own) = &runtime.0 {
                let local = LocalSet::new();
                local.block_on(own, run(sent, stop, counted, log));
            }
            drop(runtime);
            broken.disarm();
            drop(end);
        })?;
        Ok(Self { name, jobs, load, ended, handle })
    }
}

impl LocalSpawner {
    /// Sends a job to the thread with the fewest jobs.
    pub(crate) fn spawn<F, Fut>(&self, job: F) -> Result<(), SpawnRefused>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        // `Relaxed` is enough: an old number is good enough here, and the number guards no other data.
        let (jobs, load) =
            self.0.iter().min_by_key(|(_, load)| load.load(Ordering::Relaxed)).ok_or(SpawnRefused)?;
        load.fetch_add(1, Ordering::Relaxed);
        let job: LocalJob = Box::new(move || Box::pin(job()));
        jobs.try_send(job).map_err(|_| {
            load.fetch_sub(1, Ordering::Relaxed);
            SpawnRefused
        })
    }
}

/// Runs jobs until the queue is closed and empty, or until the abort.
async fn run(mut jobs: mpsc::Receiver<LocalJob>, stop: Stop, load: Arc<AtomicUsize>, log: Logger) {
    let mut tasks = JoinSet::new();
    let mut open = true;
    while open || !tasks.is_empty() {
        tokio::select! {
            biased;
            () = stop.abort.cancelled() => return,
            () = stop.close.cancelled(), if !jobs.is_closed() => jobs.close(),
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                load.fetch_sub(1, Ordering::Relaxed);
                if let Err(failure) = ended {
                    error!(log, "a task of an RPC thread failed: {failure}");
                }
            }
            job = jobs.recv(), if open => match job {
                Some(job) => drop(tasks.spawn_local(async move { job().await })),
                None => open = false,
            },
        }
    }
}

#[cfg(test)]
mod tests;

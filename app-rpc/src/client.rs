//! A client of an RPC server: from ordinary tasks, to however many instances there are.

mod call;
mod connection;
mod deadlines;
mod direct;
mod error;
mod pool;
mod request;
mod setup;
mod status;

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::*;
use app_tls::{Expiry, ExpiryWatch};
use capnp::capability::FromClientHook;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::deadlines::Deadlines;
use self::direct::Direct;
pub use self::error::{CallError, CallFailure};
pub use self::status::{InstanceState, InstanceStatus};
#[cfg(test)]
pub(crate) use self::{call::attempt, call::persevere, pool::Pool, setup::Setup};
#[cfg(not(test))]
use self::{pool::Pool, setup::Setup};
use crate::RpcClientConfig;
use crate::errors::RPC_CONFIG_UNUSABLE;
use crate::threads::{LocalThreads, ThreadPanicked};

/// Calls that wait for the client's thread to take them.
const QUEUE: usize = 1024;

/// A call on its way to the client's thread.
type Job = Box<dyn FnOnce(Rc<Pool>) -> LocalBoxFuture<'static, ()> + Send>;

/// Calls the interface `C` of a server. Cheap to clone.
///
/// It connects to every instance of the server that it finds, keeps the connections, and makes them again when they break. A call
/// goes to the instance with the fewest of ours; one that is known not to have been executed goes to another, until its deadline.
pub struct RpcClient<C> {
    inner: Arc<Inner>,
    interface: PhantomData<fn() -> C>,
}

struct Inner {
    jobs: mpsc::Sender<Job>,
    deadlines: Arc<Deadlines>,
    setup: watch::Sender<Arc<Setup>>,
    statuses: watch::Receiver<Vec<InstanceStatus>>,
    direct: Arc<Direct>,
    ends: Arc<ExpiryWatch>,
    service: Service,
}

impl<C: FromClientHook + 'static> RpcClient<C> {
    /// Makes a client that belongs to `service`, and ends with it: calls that go on then may end within the drain limit. It connects
    /// by itself; a server that is not there yet is waited for by the calls.
    ///
    /// # Errors
    /// [`RPC_CONFIG_UNUSABLE`]: no TLS with this config, or no thread. `ServiceNotAlive`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(service: &Service, config: RpcClientConfig) -> Result<Self, Error> {
        let drain = config.limits.drain;
        let unusable = |cause: app_errors::BoxError| {
            let message = "RPC client: it can't be made";
            RPC_CONFIG_UNUSABLE.error(service.id()).cause(cause).message(message).build()
        };
        let in_use = Expiry::of_client(&config.key_pair, &config.servers);
        let setup = Setup::new(config).map_err(|error| unusable(error.into()))?;
        let (setup, setups) = watch::channel(Arc::new(setup));
        let name = format!("rpc-client-{}", service.name());
        let threads = LocalThreads::start(&name, 1, service.log()).map_err(|error| unusable(error.into()))?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (shown, statuses) = watch::channel(Vec::new());
        let (stop, log) = (CancellationToken::new(), service.log().clone());
        let stopped = stop.clone();
        let spawned =
            threads.spawner().spawn(move || run(Pool::new(setups, shown, log), queue, stopped, drain));
        spawned.map_err(|refused| unusable(format!("{refused:?}").into()))?;
        let deadlines = Arc::<Deadlines>::default();
        let direct = Arc::<Direct>::default();
        let ends = Arc::new(ExpiryWatch::new(service));
        ends.show(in_use);
        let (me, keeper, wires) = (service.clone(), Arc::clone(&deadlines), Arc::clone(&direct));
        let watch = Arc::clone(&ends);
        let (instances, setups) = (statuses.clone(), setup.subscribe());
        let broken = threads.broken();
        service.spawn("rpc client", async move {
            tokio::select! {
                () = me.dying() => {}
                () = broken.cancelled() => {}
                () = keeper.keep() => {}
                () = wires.keep(instances, setups) => {}
                () = watch.run() => {}
            }
            watch.clear();
            stop.cancel();
            let ending = async {
                // What has not ended by then is cut.
                let drained = timeout(drain, wires.drain());
                let _ = tokio::join!(drained, threads.join(drain + Duration::from_secs(1)));
            };
            tokio::select! {
                () = ending => {}
                () = keeper.keep() => {}
            }
            wires.close("the client stops");
            keeper.close();
            if broken.is_cancelled() { Err(ThreadPanicked.of(&me)) } else { Ok(()) }
        })?;
        let inner = Inner { jobs, deadlines, setup, statuses, direct, ends, service: service.clone() };
        Ok(Self { inner: Arc::new(inner), interface: PhantomData })
    }

    /// Goes on with another config: connections are made anew, and the old ones left once their calls have ended.
    ///
    /// # Errors
    /// [`RPC_CONFIG_UNUSABLE`]: no TLS with this config; the old one stays.
    pub fn reconfigure(&self, config: RpcClientConfig) -> Result<(), Error> {
        let in_use = Expiry::of_client(&config.key_pair, &config.servers);
        let setup = Setup::new(config).map_err(|error| {
            let message = "RPC client: goes on with its old config";
            RPC_CONFIG_UNUSABLE.error(self.inner.service.id()).cause(error).message(message).build()
        })?;
        self.inner.setup.send_replace(Arc::new(setup));
        self.inner.ends.show(in_use);
        Ok(())
    }

    /// The instances of the server that it knows.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.inner.statuses.borrow().clone()
    }

    /// Makes a call, within the time that the config gives to calls. See [`call_by`](Self::call_by), and [`request`](Self::request) for
    /// what is only one request.
    ///
    /// # Errors
    /// As [`call_by`](Self::call_by).
    pub async fn call<T, F, Fut>(&self, call: F) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let time = self.inner.setup.borrow().config.call_timeout;
        self.call_by(Instant::now() + time, call).await
    }

    /// Makes a call: `call` gets the server's interface, on the client's thread, sends requests and makes a value of what is
    /// answered. It is called again, with another connection, when nothing of it was executed; so it should be one request, or
    /// requests of which the first fails if any does.
    ///
    /// Dropping the future cancels the call; the server is told.
    ///
    /// # Errors
    /// What is known of the call: see [`CallFailure`].
    pub async fn call_by<T, F, Fut>(&self, deadline: Instant, call: F) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let call = Arc::new(call);
        let alive = || self.inner.service.alive();
        call::persevere(deadline, alive, || self.attempt(deadline, Arc::clone(&call))).await
    }

    async fn attempt<T, F, Fut>(&self, deadline: Instant, call: Arc<F>) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let name = self.inner.setup.borrow().config.name;
        let failed = |failure, reason: &str| Err(CallError::new(failure, name, reason));
        let limit = self.inner.deadlines.until(deadline);
        let (mut answer, answered) = oneshot::channel();
        let (begin, mut begun) = oneshot::channel();
        let job: Job = Box::new(move |pool| {
            // Who asked may be gone by now; here and below.
            let _ = begin.send(());
            Box::pin(async move {
                let result = tokio::select! {
                    biased;
                    () = answer.closed() => return,
                    result = call::attempt(&pool, name, &*call, limit) => result,
                };
                let _ = answer.send(result);
            })
        });
        let stopped = || failed(CallFailure::NotSent, "the client has stopped");
        match self.inner.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return stopped(),
            Err(TrySendError::Full(job)) => match timeout_at(deadline, self.inner.jobs.send(job)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return stopped(),
                Err(_) => return failed(CallFailure::NotSent, "the client is busy"),
            },
        }
        // The attempt has the same deadline, and knows more. If its thread is blocked, it is late.
        let late = self.inner.deadlines.until(deadline + Duration::from_millis(100));
        let answered = tokio::select! {
            biased;
            answered = answered => Ok(answered),
            () = late => Err(()),
        };
        match answered {
            Ok(Ok(result)) => result,
            Ok(Err(_)) if begun.try_recv().is_err() => failed(CallFailure::NotSent, "the client has stopped"),
            Ok(Err(_)) => {
                failed(CallFailure::MaybeExecuted, "the client has stopped, or the code of the call panicked")
            }
            Err(()) => failed(CallFailure::MaybeExecuted, "the client's thread is blocked"),
        }
    }
}

impl<C> Clone for RpcClient<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), interface: PhantomData }
    }
}

impl<C> std::fmt::Debug for RpcClient<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.inner.setup.borrow().config.name;
        f.debug_struct("RpcClient").field("server", &name.to_string()).finish_non_exhaustive()
    }
}

/// Runs calls until the client is to stop. Those that go on then may end within the drain limit.
async fn run(pool: Rc<Pool>, mut queue: mpsc::Receiver<Job>, stop: CancellationToken, drain: Duration) {
    let mut calls = JoinSet::new();
    let keeping = Rc::clone(&pool);
    let keeper = tokio::task::spawn_local(async move { keeping.run().await });
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_ended) = calls.join_next(), if !calls.is_empty() => {}
            job = queue.recv() => match job {
                Some(job) => drop(calls.spawn_local(job(Rc::clone(&pool)))),
                // Nobody can call any more; the connections stay until the service ends, as the docs say.
                None => {
                    stop.cancelled().await;
                    break;
                }
            },
        }
    }
    queue.close();
    // Those that wait were not sent, and learn it now.
    while queue.try_recv().is_ok() {}
    let _ = timeout(drain, async { while calls.join_next().await.is_some() {} }).await;
    calls.shutdown().await;
    keeper.abort();
    pool.close("the client stops");
}

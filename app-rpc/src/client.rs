//! The RPC client: calls the instances of a server, from any task.

mod addresses;
mod budget;
mod call;
mod connection;
mod counts;
mod dial;
mod discovered;
mod error;
mod fake;
mod health;
mod instance;
mod instances;
mod keeper;
mod link;
mod load;
mod measured;
mod panels;
mod pauses;
mod pool;
mod request;
mod setup;
mod spread;
mod status;
#[cfg(test)]
mod testing;
mod traced;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use app_core::trace::{self, CallerSpan};
use app_core::{plugins::discovery::Discovery, prelude::*};
use app_tls::{Expiry, ExpiryWatch};
use capnp::capability::FromClientHook;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::call::NextTry;
pub(crate) use self::call::{FailedAttempt, Retries};
pub use self::counts::CLIENT_METRICS;
pub use self::error::{CallError, CallFailure};
use self::link::Link;
pub(crate) use self::link::missing;
use self::measured::ClientCalls;
pub use self::status::{InstanceState, InstanceStatus};
#[cfg(test)]
pub(crate) use self::{
    call::attempt,
    call::retry,
    counts::{ClientCounts, RetryReason},
    dial::simulated,
    instances::Instances,
    pool::Pool,
    request::{RequestOutcome, RequestPool, request_once},
    setup::Setup,
};
#[cfg(not(test))]
use self::{counts::ClientCounts, instances::Instances, pool::Pool, request::RequestPool, setup::Setup};
use crate::RpcClientConfig;
use crate::errors::RPC_CONFIG_UNUSABLE;
use crate::extra::deadline_within;
use crate::threads::{LocalThreads, ThreadPanicked};

/// Calls that wait for the client's thread to take them.
const QUEUE: usize = 1024;

/// How much later than an attempt its caller gives up. The attempt has the same deadline and knows more about the call.
const GRACE: Duration = Duration::from_millis(100);

/// A call on its way to the client's thread.
type CallJob = Box<dyn FnOnce(Rc<Pool>) -> LocalBoxFuture<'static, ()> + Send>;

/// Calls the interface `C` of a server. Cheap to clone.
///
/// The client finds the instances of the server, connects to each, and reconnects when a connection ends. A call goes to the better of
/// two instances at random: the one with fewer calls in flight, or the faster one. If it is certain that a call was not executed, the
/// client repeats it on another instance, until the deadline. `docs/RPC.md` has the details.
///
/// There are two ways to call. [`request`](Self::request) makes a call that is one request and one answer, and is faster.
/// [`call`](Self::call) can do all that capnp-rpc can. Of a client that is [`idempotent`](Self::idempotent), both also repeat calls that
/// may have been executed.
pub struct RpcClient<C> {
    link: Arc<Link<C>>,
    idempotent: bool,
}

struct Inner {
    jobs: mpsc::Sender<CallJob>,
    setup: watch::Sender<Arc<Setup>>,
    instances: Arc<Instances>,
    requests: Arc<RequestPool>,
    /// Cancelled when no call can end any more.
    ended: CancellationToken,
    ends: Arc<ExpiryWatch>,
    service: Service,
}

impl<C: FromClientHook + 'static> RpcClient<C> {
    /// Starts a client that belongs to `service` and ends with it. Pending calls may then end within the drain limit.
    ///
    /// The client connects in the background. If the server is not there yet, calls wait for it until their deadline.
    ///
    /// ```
    /// use app_core::prelude::*;
    /// use app_rpc::{RpcClient, RpcClientConfig};
    /// use quota_schema::quota_capnp::quota;
    ///
    /// /// A service that calls a quota server.
    /// async fn start(service: Service, config: RpcClientConfig) -> Result<RpcClient<quota::Client>, Error> {
    ///     RpcClient::start(&service, config)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`RPC_CONFIG_UNUSABLE`]: TLS does not work with this config, or the client's thread was refused. `ServiceNotAlive`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(service: &Service, config: RpcClientConfig) -> Result<Self, Error> {
        let drain = config.limits.drain;
        let unusable = |cause: app_errors::BoxError| {
            let message = "RPC client: it cannot start";
            RPC_CONFIG_UNUSABLE.error(service.id()).cause(cause).message(message).build()
        };
        let in_use = Expiry::of_client(&config.key_pair, &config.servers);
        let server = config.name;
        let calls = ClientCalls::register(service, server);
        let setup = Setup::new(config).map_err(|error| unusable(error.into()))?.measured(calls);
        let setup = setup.finding(Discovery::of(&App::of(service)));
        let (setup, setups) = watch::channel(Arc::new(setup));
        let name = format!("rpc-client-{}", service.name());
        let threads = LocalThreads::start(&name, 1, service.log()).map_err(|error| unusable(error.into()))?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (stop, log) = (CancellationToken::new(), service.log().clone());
        let counts = ClientCounts::register(service, server);
        let instances = Instances::new(setups.clone(), counts, log.clone());
        let (stopped, shared) = (stop.clone(), Arc::clone(&instances));
        let spawned =
            threads.spawner().spawn(move || run(Pool::new(setups, shared, log), queue, stopped, drain));
        spawned.map_err(|refused| unusable(format!("{refused:?}").into()))?;
        let requests = Arc::new(RequestPool::new(service.clone(), Arc::clone(&instances)));
        let ends = Arc::new(ExpiryWatch::new(service));
        ends.show(in_use);
        let inner = Arc::new(Inner {
            jobs,
            setup,
            instances,
            requests,
            ended: CancellationToken::new(),
            ends,
            service: service.clone(),
        });
        // It outlives the request in which a caller may have made the client.
        trace::without(|| service.spawn("rpc client", inner.keep(threads, stop, drain)))?;
        Ok(Self { link: Arc::new(Link::to_server(inner)), idempotent: false })
    }

    /// Replaces the config. The client connects again; the old connections close when their calls have ended. A client that had no
    /// config begins to connect. A [fake](Self::fake) has no use for a config.
    ///
    /// ```
    /// use app_core::prelude::Error;
    /// use app_rpc::{RpcClient, RpcClientConfig};
    /// use quota_schema::quota_capnp::quota;
    ///
    /// /// The server has moved.
    /// fn moved(client: &RpcClient<quota::Client>, mut config: RpcClientConfig) -> Result<(), Error> {
    ///     config.addresses = vec!["quota-2.example.com".to_owned()];
    ///     client.reconfigure(config)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`RPC_CONFIG_UNUSABLE`]: TLS does not work with this config. The old config stays in use. A client without a config also has
    /// the errors of [`start`](Self::start).
    ///
    /// # Panics
    /// As [`start`](Self::start), if the client had no config.
    pub fn reconfigure(&self, config: RpcClientConfig) -> Result<(), Error> {
        let Some(config) = self.link.begin(config)? else { return Ok(()) };
        let Some(inner) = self.link.server() else { return Ok(()) };
        let in_use = Expiry::of_client(&config.key_pair, &config.servers);
        let setup = Setup::new(config).map_err(|error| {
            let message = "RPC client: the new config cannot be used, the old one stays in use";
            RPC_CONFIG_UNUSABLE.error(inner.service.id()).cause(error).message(message).build()
        })?;
        let (calls, discovery) = {
            let old = inner.setup.borrow();
            (old.calls.clone(), Arc::clone(&old.discovery))
        };
        inner.setup.send_replace(Arc::new(setup.measured(calls).finding(discovery)));
        inner.ends.show(in_use);
        Ok(())
    }

    /// The instances of the server that the client knows. None without a config, and of a [fake](Self::fake).
    ///
    /// ```
    /// use app_rpc::{InstanceState, RpcClient};
    /// use quota_schema::quota_capnp::quota;
    ///
    /// fn is_connected(client: &RpcClient<quota::Client>) -> bool {
    ///     client.instances().iter().any(|instance| instance.state == InstanceState::Connected)
    /// }
    /// ```
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.link.server().map_or_else(Vec::new, |inner| inner.instances.statuses())
    }

    /// This client for calls that may be executed twice: such a call is also repeated if it [may have been
    /// executed](CallFailure::MaybeExecuted), as far as the deadline and the retry budget allow. Whether a method is idempotent is a
    /// property of the method: reading is, and so is setting a value; adding to one is not.
    ///
    /// ```
    /// # use app_rpc::{CallError, RpcClient};
    /// # use quota_schema::quota_capnp::quota;
    /// /// The number of rules. To ask twice changes nothing.
    /// async fn rules(client: &RpcClient<quota::Client>) -> Result<u32, CallError> {
    ///     let read = |rules: quota::rules_results::Reader<'_>| Ok(rules.get_rules()?.len());
    ///     client.idempotent().request(quota::Client::rules_request, read).await
    /// }
    /// ```
    #[must_use]
    pub fn idempotent(&self) -> Self {
        Self { idempotent: true, ..self.clone() }
    }

    /// Makes a call within the call timeout of the config, and within the [deadline](crate::deadline) of the call that this task serves.
    /// See [`call_by`](Self::call_by).
    ///
    /// ```
    /// # use app_rpc::{CallError, RpcClient};
    /// # use quota_schema::quota_capnp::quota;
    /// /// The number of rules.
    /// async fn rules(client: &RpcClient<quota::Client>) -> Result<u32, CallError> {
    ///     client
    ///         .call(|quota| async move {
    ///             let answer = quota.rules_request().send().promise.await?;
    ///             Ok(answer.get()?.get_rules()?.len())
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`call_by`](Self::call_by).
    pub async fn call<T, F, Fut>(&self, call: F) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        self.call_by(deadline_within(self.link.call_timeout()), call).await
    }

    /// Makes a call. `call` runs on the client's thread. It receives the server's interface, sends requests, and turns the answers into
    /// a value.
    ///
    /// The client calls it again, on another connection, when nothing was executed. So it should make one request, or requests that
    /// can only fail together with the first one.
    ///
    /// Dropping the future cancels the call and tells the server.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use app_rpc::{CallError, RpcClient};
    /// # use quota_schema::quota_capnp::quota;
    /// # use tokio::time::Instant;
    /// /// Whether a permit was granted within 50 ms.
    /// async fn acquire(client: &RpcClient<quota::Client>) -> Result<bool, CallError> {
    ///     let call = |quota: quota::Client| async move {
    ///         let mut request = quota.acquire_request();
    ///         request.get().set_rule("default");
    ///         Ok(request.send().promise.await?.get()?.get_granted())
    ///     };
    ///     client.call_by(Instant::now() + Duration::from_millis(50), call).await
    /// }
    /// ```
    ///
    /// # Errors
    /// What is known about the call: see [`CallFailure`].
    pub async fn call_by<T, F, Fut>(&self, deadline: Instant, call: F) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        traced::client_call(|| self.link.name(), self.retry(deadline, None, call)).await
    }

    /// Makes a call until it ends. `failed` is an attempt that was made before.
    async fn retry<T, F, Fut>(
        &self,
        deadline: Instant,
        failed: Option<FailedAttempt>,
        call: F,
    ) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let Some(inner) = self.link.server() else {
            return self.link.call_without_server(deadline, call).await;
        };
        let (call, retries) = (Arc::new(call), Retries { deadline, idempotent: self.idempotent });
        let alive = || inner.service.alive();
        let attempt = |avoid| Self::attempt(inner, deadline, avoid, Arc::clone(&call));
        call::retry(&inner.instances, retries, alive, failed, attempt).await
    }

    /// Sends one attempt to the client's thread, and waits for its result.
    async fn attempt<T, F, Fut>(
        inner: &Inner,
        deadline: Instant,
        avoid: Option<SocketAddr>,
        call: Arc<F>,
    ) -> Result<T, FailedAttempt>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let name = inner.setup.borrow().config.name;
        let failed = |failure, reason: &str| {
            Err(FailedAttempt::new(CallError::new(failure, name, reason), None, NextTry::Later))
        };
        let (mut answer, answered) = oneshot::channel();
        let (begin, mut begun) = oneshot::channel();
        let caller = CallerSpan::here();
        let job: CallJob = Box::new(move |pool| {
            // The caller may be gone by now, and when the answer is there.
            let _ = begin.send(());
            Box::pin(caller.scope(async move {
                let result = tokio::select! {
                    biased;
                    () = answer.closed() => return,
                    result = call::attempt(&pool, name, &*call, deadline, avoid) => result,
                };
                let _ = answer.send(result);
            }))
        });
        let stopped = || failed(CallFailure::NotSent, "the client has stopped");
        match inner.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => return stopped(),
            Err(TrySendError::Full(job)) => match timeout_at(deadline, inner.jobs.send(job)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return stopped(),
                Err(_) => return failed(CallFailure::NotSent, "the client is busy"),
            },
        }
        let answered = tokio::select! {
            biased;
            answered = answered => Ok(answered),
            () = sleep_until(deadline + GRACE) => Err(()),
            () = inner.ended.cancelled() => Err(()),
        };
        match answered {
            Ok(Ok(result)) => result,
            Ok(Err(_)) if begun.try_recv().is_err() => stopped(),
            Ok(Err(_)) => {
                failed(CallFailure::MaybeExecuted, "the client has stopped, or the code of the call panicked")
            }
            Err(()) => failed(CallFailure::MaybeExecuted, "the client's thread is blocked"),
        }
    }
}

impl Inner {
    /// The client's task: until the service is killed, and then until pending calls have ended.
    fn keep(
        self: &Arc<Self>,
        threads: LocalThreads,
        stop: CancellationToken,
        drain: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (service, requests, ends) =
            (self.service.clone(), Arc::clone(&self.requests), Arc::clone(&self.ends));
        let (instances, setups) = (Arc::clone(&self.instances), self.setup.subscribe());
        let ended = self.ended.clone().drop_guard();
        async move {
            let broken = threads.broken();
            tokio::select! {
                () = service.dying() => {}
                () = broken.cancelled() => {}
                () = requests.keep(setups) => {}
                () = ends.run() => {}
            }
            ends.clear();
            stop.cancel();
            let drained = timeout(drain, requests.drain());
            // Calls that have not ended after the drain limit are cancelled.
            let _ = tokio::join!(drained, threads.join(drain + Duration::from_secs(1)));
            requests.close("the client stops");
            // The client's thread does this, too, unless it is blocked.
            instances.replace(Vec::new());
            drop(ended);
            if broken.is_cancelled() { Err(ThreadPanicked.of(&service)) } else { Ok(()) }
        }
    }
}

impl<C> Clone for RpcClient<C> {
    fn clone(&self) -> Self {
        Self { link: Arc::clone(&self.link), idempotent: self.idempotent }
    }
}

impl<C> std::fmt::Debug for RpcClient<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcClient").field("server", &self.link.name().to_string()).finish_non_exhaustive()
    }
}

/// Runs calls until `stop`. Pending calls may then end within the drain limit.
async fn run(pool: Rc<Pool>, mut queue: mpsc::Receiver<CallJob>, stop: CancellationToken, drain: Duration) {
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
                // Every handle was dropped. The connections stay until the service ends, as documented.
                None => {
                    stop.cancelled().await;
                    break;
                }
            },
        }
    }
    queue.close();
    // Dropping a queued job tells its caller that it was not sent.
    while queue.try_recv().is_ok() {}
    let _ = timeout(drain, async { while calls.join_next().await.is_some() {} }).await;
    calls.shutdown().await;
    keeper.abort();
    pool.close("the client stops");
}

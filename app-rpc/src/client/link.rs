//! Where the calls of a client go: to the instances of a server, to a fake, or nowhere while the client has no config.

use std::sync::{Arc, OnceLock};

use app_core::prelude::*;
use app_ids::{AppId, DomainId};
use capnp::capability::FromClientHook;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::fake::Fake;
use super::{CallError, CallFailure, Inner, InstanceState, RpcClient};
use crate::errors::RPC_NOT_SENT;
use crate::{RpcClientConfig, RpcName};

/// The time limit of a call without a config to say another: the default of the config.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long [`RpcClient::check`] waits for a connection. A client that just lost one connects again meanwhile.
const CONNECTS_WITHIN: Duration = Duration::from_millis(500);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The other end of a client's calls.
pub(super) struct Link<C> {
    /// Set once there is a config.
    server: OnceLock<Arc<Inner>>,
    otherwise: Otherwise<C>,
}

/// What takes the calls while there is no server.
enum Otherwise<C> {
    Nothing,
    Fake(Fake<C>),
    /// No call is sent: the client waits for its config. The lock is held while the client begins to connect.
    Waits(Service, Mutex<()>),
}

impl<C> Link<C> {
    pub(super) fn to_server(inner: Arc<Inner>) -> Self {
        Self { server: OnceLock::from(inner), otherwise: Otherwise::Nothing }
    }

    pub(super) fn server(&self) -> Option<&Arc<Inner>> {
        self.server.get()
    }

    pub(super) fn call_timeout(&self) -> Duration {
        self.server().map_or(CALL_TIMEOUT, |inner| inner.setup.borrow().config.call_timeout)
    }

    /// The name of the server. Without a config, nobody knows its application.
    pub(super) fn name(&self) -> RpcName {
        match (self.server(), &self.otherwise) {
            (Some(inner), _) => inner.setup.borrow().config.name,
            (None, Otherwise::Waits(service, _)) => nobody(service.id()),
            (None, _) => nobody(ServiceId::new(0)),
        }
    }
}

impl<C: FromClientHook + 'static> Link<C> {
    /// Begins to connect, if the client waits for its config. Returns the config if there is a server already, which then takes it.
    pub(super) fn begin(&self, config: RpcClientConfig) -> Result<Option<RpcClientConfig>, Error> {
        let Otherwise::Waits(service, begins) = &self.otherwise else {
            return Ok(self.server().is_some().then_some(config));
        };
        let _beginning = begins.lock();
        if self.server().is_some() {
            return Ok(Some(config));
        }
        let begun = RpcClient::<C>::start(service, config)?;
        if let Some(inner) = begun.link.server() {
            // The lock is held, so nothing else sets it.
            let _ = self.server.set(Arc::clone(inner));
        }
        Ok(None)
    }

    pub(super) async fn call_without_server<T, F, Fut>(
        &self,
        deadline: Instant,
        call: F,
    ) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        match &self.otherwise {
            Otherwise::Fake(fake) => fake.call(self.name(), deadline, call).await,
            Otherwise::Waits(service, _) => {
                Err(CallError::new(CallFailure::NotSent, self.name(), missing(service)))
            }
            Otherwise::Nothing => {
                Err(CallError::new(CallFailure::NotSent, self.name(), "the client has stopped"))
            }
        }
    }
}

impl<C: FromClientHook + 'static> RpcClient<C> {
    /// A client of `service` that has no config yet. Its calls are not sent, and say so, until [`reconfigure`](Self::reconfigure).
    pub(crate) fn waiting(service: &Service) -> Self {
        let otherwise = Otherwise::Waits(service.clone(), Mutex::new(()));
        Self { link: Arc::new(Link { server: OnceLock::new(), otherwise }), idempotent: false }
    }

    /// A client for tests: its calls go to an object in this process, without a network. `make` makes the object for each call.
    ///
    /// The object implements the interface, as the server does. So a fake tests what your client type sends, and how it reads answers.
    /// State that outlives a call belongs into an `Arc`. Instead of an object, `make` may return a [`CallError`], to test what your code
    /// does when a call fails.
    ///
    /// ```
    /// use std::{rc::Rc, sync::{Arc, atomic::{AtomicU32, Ordering}}};
    /// use app_rpc::RpcClient;
    /// use quota_schema::quota_capnp::quota;
    ///
    /// struct FakeQuota(Arc<AtomicU32>);
    ///
    /// impl quota::Server for FakeQuota {
    ///     async fn acquire(self: Rc<Self>, _: quota::AcquireParams, mut results: quota::AcquireResults) -> capnp::Result<()> {
    ///         let left = self.0.fetch_sub(1, Ordering::Relaxed) - 1;
    ///         results.get().set_remaining(left);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let left = Arc::new(AtomicU32::new(3));
    /// let client = RpcClient::<quota::Client>::fake(move || Ok(capnp_rpc::new_client(FakeQuota(Arc::clone(&left)))));
    /// let remaining = client.request(quota::Client::acquire_request, |results| Ok(results.get_remaining()));
    /// assert_eq!(remaining.await, Ok(2));
    /// # }
    /// ```
    ///
    /// Each call runs on a thread of its own. On a runtime with one thread, a call blocks that thread until it has its answer. So paused
    /// time does not pass meanwhile, and the object can't wait for other tasks of the test.
    #[must_use]
    pub fn fake(make: impl Fn() -> Result<C, CallError> + Send + Sync + 'static) -> Self {
        let otherwise = Otherwise::Fake(Fake::new(make));
        Self { link: Arc::new(Link { server: OnceLock::new(), otherwise }), idempotent: false }
    }

    /// Checks that the client is connected to an instance of the server. Waits up to half a second for a connection.
    ///
    /// It is the health check of [`rpc_client!`](crate::rpc_client). A fake always passes.
    ///
    /// # Errors
    /// [`RPC_NOT_SENT`]: no instance answers, with the reason of each; or the client has no config.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn check(&self) -> Result<(), Error> {
        self.check_within(CONNECTS_WITHIN).await
    }

    pub(crate) async fn check_within(&self, time: Duration) -> Result<(), Error> {
        let Some(inner) = self.link.server() else {
            return match &self.link.otherwise {
                Otherwise::Waits(service, _) => Err(no_config(service)),
                Otherwise::Fake(_) | Otherwise::Nothing => Ok(()),
            };
        };
        let connected = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.instances().iter().all(|instance| instance.state == InstanceState::Connecting) {
                looks.tick().await;
            }
        };
        if timeout(time, connected).await.is_ok() {
            return Ok(());
        }
        let (name, service) = (self.link.name(), inner.service.id());
        let reasons: Vec<_> = self
            .instances()
            .into_iter()
            .map(|instance| {
                let reason = instance.failure.unwrap_or_else(|| "not connected yet".to_owned());
                format!("{}: {reason}", instance.address)
            })
            .collect();
        let why = if reasons.is_empty() {
            format!(
                "no address is known; set `addresses` in config {service:#x}, or let the host {} resolve",
                name.host()
            )
        } else {
            reasons.join("; ")
        };
        Err(RPC_NOT_SENT.error(service).message(format!("no instance of {name} answers: {why}")).build())
    }
}

/// The name of a server that is not known.
fn nobody(service: ServiceId) -> RpcName {
    RpcName { domain: DomainId::new(0), app: AppId::new(0), service }
}

/// What an operator has to do.
pub(crate) fn missing(service: &Service) -> String {
    format!(
        "client {} has no config: put {:#x} into the config directory (`config explain {} --json` prints an example)",
        service.name(),
        service.id(),
        service.name()
    )
}

fn no_config(service: &Service) -> Error {
    RPC_NOT_SENT.error(service.id()).message(missing(service)).build()
}

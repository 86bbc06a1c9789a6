//! Connects to an app and calls it, within a deadline.

pub(crate) mod explain;
pub(crate) mod instances;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use app_core::prelude::{Service, ServiceId};
use app_core::{AppBuilder, Identity, Log, LogLevel};
use app_ids::{InstanceId, ReleaseId};
use app_rpc::{CallError, CallFailure, InstanceState, RpcClient, RpcClientConfig, look_up_host};
use schema::admin_capnp::app;
use tokio::time::{Instant, timeout};

use crate::answers::TOO_MUCH;
use crate::contexts::Address;
use crate::failure::{Failure, Status};
use crate::target::Target;

/// Longest time for one address, so that others get their turn.
const MOST_PER_ADDRESS: Duration = Duration::from_secs(5);
/// Interval at which the state of the connection is read.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Time for the other side to notice that the client disconnects.
const GOODBYE: Duration = Duration::from_millis(250);

/// A connection to an app.
pub(crate) struct Session {
    client: RpcClient<app::Client>,
    service: Service,
    /// Address of the app.
    pub(crate) address: SocketAddr,
    /// Deadline of the whole command.
    pub(crate) deadline: Instant,
}

/// What a call does in the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads. Without an answer, nothing has changed.
    Reads,
    /// It changes something. Without an answer, the change may have been made.
    Changes,
}

impl Session {
    /// Connects to the first of the addresses that answers.
    pub(crate) async fn open(target: &Target, deadline: Instant) -> Result<Self, Failure> {
        let mut failures = Vec::new();
        for address in &target.addresses {
            match look_up(address, deadline).await {
                Err(why) => failures.push(format!("{address}: {why}")),
                Ok(found) => {
                    for socket in found {
                        match Self::connect(target, socket, deadline).await {
                            Ok(session) => return Ok(session),
                            Err(why) => failures.push(why),
                        }
                    }
                }
            }
        }
        Err(Failure::new(Status::NotReached, failures.join("; ")))
    }

    async fn connect(target: &Target, address: SocketAddr, deadline: Instant) -> Result<Self, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.min(MOST_PER_ADDRESS).max(Duration::from_millis(1));
        let mut config = RpcClientConfig::new(
            target.name,
            address.port(),
            target.key_pair.clone(),
            target.servers.clone(),
        );
        config.addresses = vec![address.to_string()];
        config.max_connections = 1;
        config.connect_timeout = limit;
        config.limits.drain = GOODBYE;
        let service = service(target).map_err(|error| format!("{address}: {error}"))?;
        let client = RpcClient::start(&service, config).map_err(|error| format!("{address}: {error}"))?;
        let session = Self { client, service, address, deadline };
        match timeout(limit, session.connected()).await {
            Ok(Ok(())) => Ok(session),
            Ok(Err((refusal, why))) => {
                session.close().await;
                Err(explain::why_not(target, address, refusal, &why))
            }
            Err(_) => {
                session.close().await;
                Err(explain::silent(address, limit))
            }
        }
    }

    /// Waits until the connection is made or has failed.
    async fn connected(&self) -> Result<(), (Option<app_rpc::Refusal>, String)> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            for instance in self.client.instances() {
                if instance.state == InstanceState::Connected {
                    return Ok(());
                }
                if let Some(failure) = instance.failure {
                    return Err((instance.refusal, failure));
                }
            }
        }
    }

    /// Calls the app, within the deadline of the session.
    pub(crate) async fn call<T, F, Fut>(&self, effect: Effect, call: F) -> Result<T, Failure>
    where
        F: Fn(app::Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        self.call_by(self.deadline, effect, call).await
    }

    /// Calls the app, within another deadline.
    pub(crate) async fn call_by<T, F, Fut>(
        &self,
        deadline: Instant,
        effect: Effect,
        call: F,
    ) -> Result<T, Failure>
    where
        F: Fn(app::Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let asked = self.client.call_by(deadline, call).await;
        asked.map_err(|error| self.failure(&error, effect))
    }

    fn failure(&self, error: &CallError, effect: Effect) -> Failure {
        let place = format!("{}: ", self.address);
        let reason = error.reason().strip_prefix(&place).unwrap_or(error.reason());
        match (error.failure(), effect) {
            // The call was executed, but its result is unknown.
            (CallFailure::Failed, Effect::Changes) if reason.starts_with(TOO_MUCH) => {
                Failure::new(Status::Unknown, format!("{place}it may have been done: {reason}"))
            }
            (CallFailure::Failed, _) => explain::answered_with_error(self.address, reason),
            (CallFailure::NotSent, _) => {
                Failure::new(Status::NotReached, format!("{place}not sent: {reason}"))
            }
            (CallFailure::Refused, _) => Failure::new(
                Status::NotReached,
                format!("{place}not done: the app refused the call: {reason}"),
            ),
            (CallFailure::MaybeExecuted, Effect::Reads) => {
                Failure::new(Status::NotReached, format!("{place}no answer: {reason}"))
            }
            (CallFailure::MaybeExecuted, Effect::Changes) => {
                let unknown = "no answer, and it may have been done";
                Failure::new(Status::Unknown, format!("{place}{unknown}: {reason}"))
            }
        }
    }

    /// Whether the connection is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.instances().iter().any(|instance| instance.state == InstanceState::Connected)
    }

    /// Disconnects and gives the app time to notice.
    pub(crate) async fn close(self) {
        self.disconnect().await;
    }

    /// Disconnects as [`close`](Self::close) does. Calls that wait fail.
    pub(crate) async fn disconnect(&self) {
        self.service.kill("done");
        let _ = timeout(GOODBYE * 2, self.service.dead()).await;
    }
}

/// The service that owns the client. It belongs to an app without other services, whose log is discarded.
fn service(target: &Target) -> Result<Service, String> {
    let identity = Identity {
        domain: target.name.domain,
        app: target.name.app,
        release: ReleaseId::new(0),
        instance: InstanceId::random(),
    };
    let (log, _) = Log::captured(&identity, LogLevel::Error);
    let app = AppBuilder::new().identity(identity).services([]).log(log).build();
    let app = app.map_err(|error| error.to_string())?;
    Service::new(&app, ServiceId::random(), "appctl").map_err(|error| error.to_string())
}

/// Looks up the addresses of a host.
async fn look_up(address: &Address, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    match look_up_host(&address.host, address.port, deadline).await {
        Ok(found) if found.is_empty() => Err("the host has no address".to_owned()),
        Ok(found) => Ok(found),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Err(error.to_string())
        }
        Err(error) => Err(format!("the host is unknown: {error}")),
    }
}

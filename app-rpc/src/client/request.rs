//! `RpcClient::request`: calls that are one request and one answer, without capabilities, on the caller's runtime.
//!
//! capnp-rpc cannot leave its thread, so a call through it changes threads twice, which is most of the cost of the call. A simple call
//! needs little of the protocol. Its message is [built here](capture). The task of a request connection sends it, on the services'
//! runtime. The caller reads the answer in its own task.
//!
//! This way is an optimisation. If nothing was executed, the caller falls back to `call`, which waits for a connection and retries.

mod capture;
mod connection;
mod pool;

use std::sync::Arc;

use app_errors::{Error, ErrorRecord};
use capnp::capability::{FromClientHook, FromTypelessPipeline, Request};
use capnp::message::Reader;
use capnp::traits::{Owned, Pipelined};
use capnp_rpc::rpc_capnp::{exception, message, return_};
use tokio::time::{Instant, timeout_at};

use self::capture::capture;
use self::connection::{Answered, PendingRequest};
pub(crate) use self::pool::RequestPool;
use super::call::{FailedAttempt, NextTry};
use super::instances::Instances;
use super::traced::client_call;
use super::{CallError, CallFailure, RpcClient};
use crate::connection::NOT_EXECUTED;
use crate::error_form::decode_bounded;
use crate::extra::{Extra, deadline_within};
use crate::framing::Segments;
use crate::{RpcName, words};

/// The error that a server answered with.
struct RemoteException {
    kind: exception::Type,
    reason: String,
    error: Option<Error>,
}

impl<C: FromClientHook + 'static> RpcClient<C> {
    /// Makes a call that is one request and one answer, within the call timeout of the config and the [deadline](crate::deadline) of the
    /// call that this task serves. See [`request_by`](Self::request_by).
    ///
    /// ```
    /// # use app_rpc::{CallError, RpcClient};
    /// # use quota_schema::quota_capnp::quota;
    /// /// The names of all rules.
    /// async fn rules(client: &RpcClient<quota::Client>) -> Result<Vec<String>, CallError> {
    ///     client
    ///         .request(quota::Client::rules_request, |results| {
    ///             results.get_rules()?.iter().map(|rule| Ok(rule.get_name()?.to_string()?)).collect()
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`request_by`](Self::request_by).
    pub async fn request<P, R, T>(
        &self,
        build: impl Fn(&C) -> Request<P, R> + Send + Sync + 'static,
        read: impl Fn(R::Reader<'_>) -> capnp::Result<T> + Send + Sync + 'static,
    ) -> Result<T, CallError>
    where
        P: Owned + 'static,
        R: Owned + Pipelined + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
        T: Send + 'static,
    {
        self.request_by(deadline_within(self.link.call_timeout()), build, read).await
    }

    /// Makes a call that is one request and one answer. `build` builds the request and does not send it; `read` reads the results.
    ///
    /// Most calls are like this, and cost a fraction of [`call_by`](Self::call_by), because they do not change threads. After eight
    /// requests, the client makes a second connection to each instance, for requests alone. Until that connection is there, and
    /// whenever it cannot be used, a request takes the way of `call_by`. So does a request with capabilities in its parameters, and one
    /// for a capability in the results of another call. Capabilities in the results are null to `read`. The client may call both
    /// functions again, as `call_by` may.
    ///
    /// Dropping the future cancels the call and tells the server.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use app_rpc::{CallError, RpcClient};
    /// # use quota_schema::quota_capnp::quota;
    /// # use tokio::time::Instant;
    /// /// How many permits are left, if one was granted within 50 ms.
    /// async fn acquire(client: &RpcClient<quota::Client>) -> Result<Option<u32>, CallError> {
    ///     let build = |quota: &quota::Client| {
    ///         let mut request = quota.acquire_request();
    ///         request.get().set_rule("default");
    ///         request
    ///     };
    ///     let deadline = Instant::now() + Duration::from_millis(50);
    ///     client.request_by(deadline, build, |answer| Ok(answer.get_granted().then(|| answer.get_remaining()))).await
    /// }
    /// ```
    ///
    /// # Errors
    /// What is known about the call: see [`CallFailure`].
    pub async fn request_by<P, R, T>(
        &self,
        deadline: Instant,
        build: impl Fn(&C) -> Request<P, R> + Send + Sync + 'static,
        read: impl Fn(R::Reader<'_>) -> capnp::Result<T> + Send + Sync + 'static,
    ) -> Result<T, CallError>
    where
        P: Owned + 'static,
        R: Owned + Pipelined + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
        T: Send + 'static,
    {
        let calling = async {
            let failed = match self.link.server() {
                Some(inner) => {
                    let name = inner.setup.borrow().config.name;
                    match request_once(&inner.requests, name, deadline, &build, &read).await {
                        RequestOutcome::Answered(answer) => return Ok(answer),
                        RequestOutcome::Failed(failed) => Some(failed),
                        RequestOutcome::NotTaken => None,
                    }
                }
                None => None,
            };
            let read = Arc::new(read);
            let call = move |interface: C| {
                let (promise, read) = (build(&interface).send().promise, Arc::clone(&read));
                async move { read(promise.await?.get()?) }
            };
            self.retry(deadline, failed, call).await
        };
        client_call(|| self.link.name(), calling).await
    }
}

/// How a request on a request connection ended.
pub(crate) enum RequestOutcome<T> {
    Answered(T),
    Failed(FailedAttempt),
    /// No connection took the request.
    NotTaken,
}

/// Sends a request on a request connection.
pub(crate) async fn request_once<C, P, R, T>(
    pool: &RequestPool,
    name: RpcName,
    deadline: Instant,
    build: &(impl Fn(&C) -> Request<P, R> + Sync),
    read: &(impl Fn(R::Reader<'_>) -> capnp::Result<T> + Sync),
) -> RequestOutcome<T>
where
    C: FromClientHook,
    P: Owned,
    R: Owned + Pipelined + Unpin + 'static,
    R::Pipeline: FromTypelessPipeline,
{
    let now = Instant::now();
    if now >= deadline {
        return RequestOutcome::NotTaken;
    }
    let Some(mut pending) = capture(build).and_then(|mut message| pool.send(&mut message, now, deadline))
    else {
        return RequestOutcome::NotTaken;
    };
    let answered = match timeout_at(deadline, pending.answer()).await {
        Ok(answered) => answered,
        Err(_) => Err(pending.late()),
    };
    let (address, instances) = (pending.address(), &*pool.instances);
    let failed = |failure, reason: &str, next| {
        let error = CallError::new(failure, name, format!("{address}: {reason}"));
        RequestOutcome::Failed(FailedAttempt::new(error, Some(address), next))
    };
    let Answered { at, message } = match answered {
        Ok(answered) => answered,
        Err(why) => {
            pending.unanswered(&why, instances);
            return failed(why.failure(), &why.reason, NextTry::Elsewhere);
        }
    };
    let answer = Reader::new(message, pending.reader_options());
    let outcome = results(&answer).and_then(|results| match results {
        Ok(content) => content.get_as().and_then(read).map(Ok),
        Err(exception) => Ok(Err(exception)),
    });
    match outcome {
        Ok(Ok(value)) => {
            pending.succeeded(at, instances);
            RequestOutcome::Answered(value)
        }
        Ok(Err(exception)) => RequestOutcome::Failed(of_exception(exception, &mut pending, instances, name)),
        Err(error) => {
            pending.failed(instances);
            failed(CallFailure::Failed, &words::of_call(&error), NextTry::Never)
        }
    }
}

/// The attempt at a request that the server answered with an exception, and what it says about the instance.
fn of_exception(
    exception: RemoteException,
    pending: &mut PendingRequest,
    instances: &Instances,
    name: RpcName,
) -> FailedAttempt {
    let RemoteException { kind, reason, error } = exception;
    let address = pending.address();
    let failed = |failure, reason: &str, next| {
        let error = CallError::new(failure, name, format!("{address}: {reason}"));
        FailedAttempt::new(error, Some(address), next)
    };
    match reason.strip_prefix(NOT_EXECUTED) {
        Some(reason) if kind == exception::Type::Disconnected => {
            pending.retire();
            pending.says_nothing();
            failed(CallFailure::Refused, reason, NextTry::Elsewhere)
        }
        Some(reason) => {
            pending.failed(instances);
            failed(CallFailure::Refused, reason, NextTry::Later)
        }
        // A server that does not know a call works.
        None if kind == exception::Type::Unimplemented => {
            pending.says_nothing();
            failed(CallFailure::Failed, &words::unknown_call(), NextTry::Never)
        }
        None => {
            let mut failed = failed(CallFailure::Failed, &reason, NextTry::Never);
            failed.error = failed.error.told(error);
            if failed.error.is_fault_of_caller() {
                pending.says_nothing();
            } else {
                pending.failed(instances);
            }
            failed
        }
    }
}

/// The results in an answer, or the error that it has instead.
fn results(
    answer: &Reader<Segments>,
) -> capnp::Result<Result<capnp::any_pointer::Reader<'_>, RemoteException>> {
    let unexpected = || capnp::Error::failed("the answer has neither results nor an error".to_owned());
    let error = Extra::of(answer.get_segments()).error;
    let message::Return(answer) = answer.get_root::<message::Reader<'_>>()?.which()? else {
        return Err(unexpected());
    };
    match answer?.which()? {
        return_::Results(results) => Ok(Ok(results?.get_content())),
        return_::Exception(exception) => {
            let exception = exception?;
            let reason = exception.get_reason()?.to_string()?;
            let error = error.and_then(decode_bounded).map(ErrorRecord::into_error);
            Ok(Err(RemoteException { kind: exception.get_type()?, reason, error }))
        }
        _ => Err(unexpected()),
    }
}

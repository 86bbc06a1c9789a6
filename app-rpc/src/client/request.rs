//! Calls that are one request and one answer.

use std::sync::Arc;

use capnp::capability::{FromClientHook, FromTypelessPipeline, Request};
use capnp::message::Reader;
use capnp::traits::{Owned, Pipelined};
use capnp_rpc::rpc_capnp::{exception, message, return_};
use tokio::time::Instant;

use super::direct::{Lost, capture};
use super::{CallError, CallFailure, RpcClient};
use crate::connection::NOT_EXECUTED;
use crate::framing::Segments;
use crate::words;

/// What an answer has instead of results.
struct Refused {
    kind: exception::Type,
    reason: String,
}

impl<C: FromClientHook + 'static> RpcClient<C> {
    /// Asks once, within the time that the config gives to calls. See [`request_by`](Self::request_by).
    ///
    /// # Errors
    /// As [`request_by`](Self::request_by).
    pub async fn request<P, R, T>(
        &self,
        ask: impl Fn(&C) -> Request<P, R> + Send + Sync + 'static,
        read: impl Fn(R::Reader<'_>) -> capnp::Result<T> + Send + Sync + 'static,
    ) -> Result<T, CallError>
    where
        P: Owned + 'static,
        R: Owned + Pipelined + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
        T: Send + 'static,
    {
        let time = self.inner.setup.borrow().config.call_timeout;
        self.request_by(Instant::now() + time, ask, read).await
    }

    /// Asks once, and makes a value of the answer: `ask` builds the request, and does not send it; `read` reads the results.
    ///
    /// It is what most calls are, and takes a fraction of what [`call_by`](Self::call_by) takes, since nothing has to go to another
    /// thread: each instance that the client is connected to gets a second connection, used by such calls alone, when eight of them
    /// were made. Until it is there, and whenever it can't be used, they go the way of `call_by`; so do requests that take capabilities
    /// along. Capabilities in results are none to `read`. Both functions may be called again, as is said there.
    ///
    /// ```
    /// # use app_rpc::{CallError, RpcClient};
    /// # use schema::quota_capnp::quota;
    /// /// How many permits are left, if this one was granted.
    /// async fn acquire(client: &RpcClient<quota::Client>) -> Result<Option<u32>, CallError> {
    ///     let ask = |quota: &quota::Client| {
    ///         let mut request = quota.acquire_request();
    ///         request.get().set_rule("default");
    ///         request
    ///     };
    ///     client.request(ask, |answer| Ok(answer.get_granted().then(|| answer.get_remaining()))).await
    /// }
    /// ```
    ///
    /// Dropping the future cancels the call; the server is told.
    ///
    /// # Errors
    /// What is known of the call: see [`CallFailure`].
    pub async fn request_by<P, R, T>(
        &self,
        deadline: Instant,
        ask: impl Fn(&C) -> Request<P, R> + Send + Sync + 'static,
        read: impl Fn(R::Reader<'_>) -> capnp::Result<T> + Send + Sync + 'static,
    ) -> Result<T, CallError>
    where
        P: Owned + 'static,
        R: Owned + Pipelined + Unpin + 'static,
        R::Pipeline: FromTypelessPipeline,
        T: Send + 'static,
    {
        if let Some(outcome) = self.ask_directly::<P, R, T>(deadline, &ask, &read).await {
            return outcome;
        }
        let read = Arc::new(read);
        self.call_by(deadline, move |interface: C| {
            let (promise, read) = (ask(&interface).send().promise, Arc::clone(&read));
            async move { read(promise.await?.get()?) }
        })
        .await
    }

    /// Asks on a wire; `None` if there is none, or nothing was executed: then there is another way.
    async fn ask_directly<P, R, T>(
        &self,
        deadline: Instant,
        ask: &(impl Fn(&C) -> Request<P, R> + Sync),
        read: &(impl Fn(R::Reader<'_>) -> capnp::Result<T> + Sync),
    ) -> Option<Result<T, CallError>>
    where
        R: Owned,
    {
        let wire = self.inner.direct.wire()?;
        let mut asked = wire.ask(capture(ask)?)?;
        let answered = tokio::select! {
            biased;
            answered = asked.answer() => answered,
            () = self.inner.deadlines.until(deadline) => Err(asked.too_late()),
        };
        let name = self.inner.setup.borrow().config.name;
        let failed = |failure, reason: String| {
            Some(Err(CallError::new(failure, name, format!("{}: {reason}", wire.address()))))
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(Lost { refused, unsent, .. }) if (refused || unsent) && Instant::now() < deadline => {
                return None;
            }
            Err(Lost { reason, refused: true, .. }) => return failed(CallFailure::Refused, reason),
            Err(Lost { reason, unsent: true, .. }) => return failed(CallFailure::NotSent, reason),
            Err(Lost { reason, .. }) => return failed(CallFailure::MaybeExecuted, reason),
        };
        let answer = Reader::new(answer, wire.reader_options());
        let outcome = results(&answer).and_then(|results| match results {
            Ok(content) => content.get_as().and_then(read).map(Ok),
            Err(refused) => Ok(Err(refused)),
        });
        match outcome {
            Ok(Ok(value)) => Some(Ok(value)),
            Ok(Err(Refused { kind, reason })) if reason.starts_with(NOT_EXECUTED) => {
                if kind == exception::Type::Disconnected {
                    wire.retire();
                }
                None
            }
            Ok(Err(Refused { kind: exception::Type::Unimplemented, .. })) => {
                failed(CallFailure::Failed, words::unknown_call())
            }
            Ok(Err(Refused { reason, .. })) => failed(CallFailure::Failed, reason),
            Err(error) => failed(CallFailure::Failed, words::of_call(&error)),
        }
    }
}

/// What an answer has: results, or the reason why there are none.
fn results(answer: &Reader<Segments>) -> capnp::Result<Result<capnp::any_pointer::Reader<'_>, Refused>> {
    let unexpected = || capnp::Error::failed("the server answered what was not asked".to_owned());
    let message::Return(answer) = answer.get_root::<message::Reader<'_>>()?.which()? else {
        return Err(unexpected());
    };
    match answer?.which()? {
        return_::Results(results) => Ok(Ok(results?.get_content())),
        return_::Exception(exception) => {
            let exception = exception?;
            let reason = exception.get_reason()?.to_string()?;
            Ok(Err(Refused { kind: exception.get_type()?, reason }))
        }
        _ => Err(unexpected()),
    }
}

//! Answers to requests.

use std::time::Duration;

use app_core::prelude::*;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{Answer, Content, count, handled, handling};
use crate::context::Context;
use crate::ids::HANDLER_FAILED;
use crate::message::Message;
use crate::pace::Pace;
use crate::transport::{Incoming, Outgoing};
use crate::types::RequestMessage;
use crate::wire::{Headers, header, pack};

/// What the requests of one responder share.
pub(super) struct RequestHandler<H> {
    pub(super) handler: H,
    pub(super) max_run: Duration,
    pub(super) failures: Mutex<Pace>,
}

/// Handles a request, and sends the answer. The error is what the answer tells of a failure.
pub(super) async fn answer<T, H, Run>(
    context: &Context,
    answering: &RequestHandler<H>,
    incoming: Incoming,
) -> Result<(), String>
where
    T: RequestMessage,
    H: Fn(Message<T>) -> Run,
    Run: Future<Output = Result<Answer<T>, Error>>,
{
    let Some(reply) = &incoming.reply else {
        // Nobody waits for it.
        count(context, T::INFO, "responder", "dropped");
        return Ok(());
    };
    let made = match Message::decode(&incoming, None, 1, context.limits) {
        Ok(message) => {
            let of = handling(T::INFO, &incoming, "responder");
            handled(of, T::INFO, run::<T, _, _>(answering, message)).await
        }
        Err(error) => {
            Err(crate::errors::MESSAGE_MALFORMED.error(T::INFO.of()).message(error.to_string()).build())
        }
    };
    let packed = made.and_then(|answer| {
        let packed = match &answer.content {
            Content::Made(message) => pack(message, context.limits),
            Content::Read(payload) => payload.pack(context.limits),
        };
        packed.map_err(|error| {
            crate::errors::MESSAGE_TOO_LARGE.error(T::INFO.of()).message(error.to_string()).build()
        })
    });
    let mut headers = context.headers(T::INFO, None);
    let failed = packed.as_ref().err().cloned();
    let payload = packed.unwrap_or_else(|error| write_failure(&mut headers, &error));
    if let Some(error) = &failed {
        count(context, T::INFO, "responder", "failed");
        let failures = answering.failures.lock().take(1);
        if let Some(failures) = failures {
            warn!(context.log, "a request was answered with an error"; "event" => HANDLER_FAILED.hex(), "type" => T::INFO.name(), "failures" => failures, "err" => #error);
        }
    } else {
        count(context, T::INFO, "responder", "done");
    }
    publish(context, Outgoing { subject: reply.to_string(), reply: None, headers, payload }).await;
    failed.map_or(Ok(()), |error| Err(app_errors::one_line(&error.to_string()).to_string()))
}

/// Runs the handler of a request, within its longest time.
async fn run<T, H, Run>(answering: &RequestHandler<H>, message: Message<T>) -> Result<Answer<T>, Error>
where
    T: RequestMessage,
    H: Fn(Message<T>) -> Run,
    Run: Future<Output = Result<Answer<T>, Error>>,
{
    let RequestHandler { handler, max_run, .. } = answering;
    timeout(*max_run, async { handler(message).await }).await.unwrap_or_else(|_| {
        let told = format!("the handler ran for longer than {max_run:?}, and was cancelled");
        Err(errors::SERVICE_NOT_AVAILABLE.error(T::INFO.of()).message(told).build())
    })
}

/// Writes what an answer says of a failure into its headers, and returns its payload.
pub(super) fn write_failure(headers: &mut Headers, error: &Error) -> Bytes {
    let text = app_errors::one_line(&error.to_string()).to_string();
    headers.append(header::ERROR, &error.id().hex());
    headers.append(header::SERVICE_ERROR, &text);
    headers.append(header::SERVICE_ERROR_CODE, "500");
    text.into()
}

/// Sends an answer. Without a connection the caller gets no answer in time.
pub(super) async fn publish(context: &Context, answer: Outgoing) {
    let _ = timeout(context.send_timeout, context.transport.publish(answer)).await;
}

//! The task of a request connection. It reads and writes.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use app_core::duration::show_duration;
use capnp::message::Reader;
use capnp_rpc::rpc_capnp::message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use super::{EndOnDrop, NextStep, NoAnswer, RequestConnection};
use crate::connection::NOT_EXECUTED;
use crate::framing::{Decoder, Segments};
use crate::words;

/// Bytes in one read.
const CHUNK: usize = 16 * 1024;

/// Bytes of the write buffer that stay allocated while nothing is written.
const KEPT: usize = 4096;

/// The longest time for the closing handshake.
const CLOSING: Duration = Duration::from_secs(1);

/// Reads and writes until the connection has ended, or no request needs it.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(connection: Arc<RequestConnection>, stream: S) {
    // Requests must learn of it when this task is aborted, too.
    let _aborted = EndOnDrop(Some(Arc::clone(&connection)), "the client's service was abandoned");
    let decoder = Decoder::new(connection.limits.message_bytes);
    let mut driver = Driver { stream, decoder, writing: Vec::new(), at: 0, unflushed: false, stalled: None };
    let reason = poll_fn(|context| driver.poll(&connection, context)).await;
    connection.end(reason);
    // The connection has ended, whether the server hears of it or not.
    let shutdown = poll_fn(|context| Pin::new(&mut driver.stream).poll_shutdown(context));
    let _ = timeout(CLOSING, shutdown).await;
}

struct Driver<S> {
    stream: S,
    decoder: Decoder,
    /// What is being written, and how much of it has been.
    writing: Vec<u8>,
    at: usize,
    unflushed: bool,
    /// Ends when the server has taken nothing for too long.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn poll(&mut self, connection: &RequestConnection, context: &mut Context<'_>) -> Poll<NoAnswer> {
        // Input comes first: it may end the connection, or cause output.
        if let Poll::Ready(reason) = self.poll_read(connection, context) {
            return Poll::Ready(reason);
        }
        self.poll_write(connection, context)
    }

    fn poll_read(&mut self, connection: &RequestConnection, context: &mut Context<'_>) -> Poll<NoAnswer> {
        loop {
            // On the stack, so that an idle connection holds no read buffer.
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut chunk)) {
                Ok(()) if chunk.filled().is_empty() => {
                    return Poll::Ready(NoAnswer::because("the server closed the connection"));
                }
                Ok(()) => {}
                Err(error) => {
                    return Poll::Ready(NoAnswer::because(format!(
                        "the connection was lost: {}",
                        words::of_io(&error)
                    )));
                }
            }
            let mut bytes = chunk.filled();
            loop {
                match self.decoder.decode(&mut bytes) {
                    Ok(Some(segments)) => {
                        if let Err(reason) = receive(connection, segments) {
                            return Poll::Ready(reason);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Poll::Ready(NoAnswer::because(error.to_string())),
                }
            }
        }
    }

    fn poll_write(&mut self, connection: &RequestConnection, context: &mut Context<'_>) -> Poll<NoAnswer> {
        loop {
            if self.at == self.writing.len() {
                self.at = 0;
                self.writing.clear();
                self.writing.shrink_to(KEPT);
                match connection.take_output(&mut self.writing, context) {
                    NextStep::Write => {}
                    NextStep::Close => {
                        return Poll::Ready(NoAnswer::because("another connection took its place"));
                    }
                    NextStep::Wait if !self.unflushed => return Poll::Pending,
                    NextStep::Wait => {
                        let flushed = Pin::new(&mut self.stream).poll_flush(context);
                        return match flushed {
                            Poll::Ready(Ok(())) => {
                                self.unflushed = false;
                                self.stalled = None;
                                Poll::Pending
                            }
                            Poll::Ready(Err(error)) => Poll::Ready(NoAnswer::because(format!(
                                "the connection was lost: {}",
                                words::of_io(&error)
                            ))),
                            Poll::Pending => self.poll_stalled(connection, context),
                        };
                    }
                }
            }
            match Pin::new(&mut self.stream).poll_write(context, &self.writing[self.at..]) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.at += count;
                    self.unflushed = true;
                    self.stalled = None;
                }
                Poll::Ready(Ok(_)) => return Poll::Ready(NoAnswer::because("the connection takes no bytes")),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(NoAnswer::because(format!(
                        "the connection was lost: {}",
                        words::of_io(&error)
                    )));
                }
                Poll::Pending => return self.poll_stalled(connection, context),
            }
        }
    }

    fn poll_stalled(&mut self, connection: &RequestConnection, context: &mut Context<'_>) -> Poll<NoAnswer> {
        let limit = connection.limits.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(NoAnswer::because(format!("the server did not read for {}", show_duration(limit))))
    }
}

/// Handles a message of the server: an answer goes to its request.
fn receive(connection: &RequestConnection, segments: Segments) -> Result<(), NoAnswer> {
    let malformed = |error: capnp::Error| {
        NoAnswer::because(format!("the server sent something that is no message: {error}"))
    };
    let message = Reader::new(segments, connection.reader_options());
    let root: message::Reader<'_> = message.get_root().map_err(malformed)?;
    match root.which() {
        Ok(message::Return(answer)) => {
            let answer = answer.map_err(malformed)?;
            let (question, finish) = (answer.get_answer_id(), !answer.get_no_finish_needed());
            connection.deliver(question, message.into_segments(), finish);
            Ok(())
        }
        Ok(message::Abort(why)) => {
            let reason = why.and_then(|why| why.get_reason()).map_err(malformed)?.to_string();
            let reason = reason.map_err(|_| NoAnswer::because("the server ended the connection"))?;
            Err(match reason.strip_prefix(NOT_EXECUTED) {
                Some(reason) => NoAnswer { refused: true, ..NoAnswer::because(reason) },
                None => NoAnswer::because(reason),
            })
        }
        Ok(message::Call(_) | message::Bootstrap(_) | message::Unimplemented(_)) => {
            Err(NoAnswer::because("the server made a call, and this client offers nothing"))
        }
        // All other messages are about capabilities, and this side holds only the server's interface.
        _ => Ok(()),
    }
}

//! The task of a wire, which reads and writes.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use app_core::show_duration;
use capnp::message::Reader;
use capnp_rpc::rpc_capnp::message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use super::{Lost, Wire, Work};
use crate::connection::NOT_EXECUTED;
use crate::framing::{Decoder, Segments};
use crate::words;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// What is kept of memory while nothing is written.
const KEPT: usize = 4096;

/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Reads and writes until the wire is over, or nobody needs it.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(wire: Arc<Wire>, stream: S) {
    let decoder = Decoder::new(wire.limits.message_bytes);
    let mut pump = Pump { stream, decoder, writing: Vec::new(), at: 0, unflushed: false, stalled: None };
    let lost = poll_fn(|context| pump.poll(&wire, context)).await;
    wire.end(lost);
    // Whatever comes of it, it is over.
    let shutdown = poll_fn(|context| Pin::new(&mut pump.stream).poll_shutdown(context));
    let _ = timeout(CLOSING, shutdown).await;
}

struct Pump<S> {
    stream: S,
    decoder: Decoder,
    /// What is being written, and how far it is.
    writing: Vec<u8>,
    at: usize,
    unflushed: bool,
    /// Goes off when the server has taken nothing for too long.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pump<S> {
    fn poll(&mut self, wire: &Wire, context: &mut Context<'_>) -> Poll<Lost> {
        // What was read may end it, or bring something to write.
        if let Poll::Ready(lost) = self.poll_read(wire, context) {
            return Poll::Ready(lost);
        }
        self.poll_write(wire, context)
    }

    fn poll_read(&mut self, wire: &Wire, context: &mut Context<'_>) -> Poll<Lost> {
        loop {
            // On the stack, so that a connection that waits has no memory for it.
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut chunk)) {
                Ok(()) if chunk.filled().is_empty() => {
                    return Poll::Ready(Lost::because("the server closed the connection"));
                }
                Ok(()) => {}
                Err(error) => {
                    return Poll::Ready(Lost::because(format!(
                        "the connection was lost: {}",
                        words::of_io(&error)
                    )));
                }
            }
            let mut bytes = chunk.filled();
            loop {
                match self.decoder.decode(&mut bytes) {
                    Ok(Some(segments)) => {
                        if let Err(lost) = received(wire, segments) {
                            return Poll::Ready(lost);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Poll::Ready(Lost::because(error.to_string())),
                }
            }
        }
    }

    fn poll_write(&mut self, wire: &Wire, context: &mut Context<'_>) -> Poll<Lost> {
        loop {
            if self.at == self.writing.len() {
                self.at = 0;
                self.writing.clear();
                self.writing.shrink_to(KEPT);
                match wire.take(&mut self.writing, context) {
                    Work::Write => {}
                    Work::End => return Poll::Ready(Lost::because("another connection took its place")),
                    Work::Nothing if !self.unflushed => return Poll::Pending,
                    Work::Nothing => {
                        let flushed = Pin::new(&mut self.stream).poll_flush(context);
                        return match flushed {
                            Poll::Ready(Ok(())) => {
                                self.unflushed = false;
                                Poll::Pending
                            }
                            Poll::Ready(Err(error)) => Poll::Ready(Lost::because(format!(
                                "the connection was lost: {}",
                                words::of_io(&error)
                            ))),
                            Poll::Pending => self.poll_stalled(wire, context),
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
                Poll::Ready(Ok(_)) => return Poll::Ready(Lost::because("the connection takes nothing")),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Lost::because(format!(
                        "the connection was lost: {}",
                        words::of_io(&error)
                    )));
                }
                Poll::Pending => return self.poll_stalled(wire, context),
            }
        }
    }

    fn poll_stalled(&mut self, wire: &Wire, context: &mut Context<'_>) -> Poll<Lost> {
        let limit = wire.limits.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Lost::because(format!("the server did not read for {}", show_duration(limit))))
    }
}

/// Looks at a message of the server: answers go to whom they are for.
fn received(wire: &Wire, segments: Segments) -> Result<(), Lost> {
    let malformed =
        |error: capnp::Error| Lost::because(format!("what the server said is no message: {error}"));
    let message = Reader::new(segments, wire.reader_options());
    let root: message::Reader<'_> = message.get_root().map_err(malformed)?;
    match root.which() {
        Ok(message::Return(answer)) => {
            let answer = answer.map_err(malformed)?;
            let (question, finish) = (answer.get_answer_id(), !answer.get_no_finish_needed());
            wire.answered(question, message.into_segments(), finish);
            Ok(())
        }
        Ok(message::Abort(why)) => {
            let reason = why.and_then(|why| why.get_reason()).map_err(malformed)?.to_string();
            let reason = reason.map_err(|_| Lost::because("the server ended the connection"))?;
            Err(match reason.strip_prefix(NOT_EXECUTED) {
                Some(reason) => Lost { refused: true, ..Lost::because(reason) },
                None => Lost::because(reason),
            })
        }
        Ok(message::Call(_) | message::Bootstrap(_) | message::Unimplemented(_)) => {
            Err(Lost::because("the server asks for what this side does not do"))
        }
        // They concern capabilities, of which this side has but one.
        _ => Ok(()),
    }
}

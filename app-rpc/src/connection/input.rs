//! The reading side: turns bytes of the peer into messages for capnp-rpc.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use capnp::message::Reader;
use tokio::io::{AsyncRead, ReadBuf};

use super::End;
use super::control::{Control, Interruption};
use super::network::SharedStream;
use crate::extra::{self, CallExtra};
use crate::framing::{Decoder, FramingError, Segments};
use crate::{Limits, words};

/// The most bytes of one read.
const CHUNK: usize = 16 * 1024;

/// The largest read buffer that a waiting connection keeps. A larger one is freed.
const IDLE_BYTES: usize = 1024;

/// The memory of a message beside its content.
const MESSAGE_BYTES: usize = 256;

/// A received message. It counts and is charged until it is dropped.
pub(super) struct Incoming {
    pub(super) reader: Reader<Segments>,
    pub(super) bytes: usize,
    /// Bytes charged for it.
    pub(super) charged: usize,
    /// Whether it is a call that goes to a handler.
    pub(super) is_call: bool,
    /// What the peer told about a call.
    pub(super) extra: CallExtra,
    control: Rc<Control>,
}

impl capnp_rpc::IncomingMessage for Incoming {
    fn get_body(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        if self.is_call {
            extra::note_read(&self.extra);
        }
        self.reader.get_root()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.control.release(self.bytes, self.charged, self.is_call);
    }
}

/// Reads messages from a stream.
pub(super) struct Input<S> {
    stream: SharedStream<S>,
    control: Rc<Control>,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are decoded.
    decoded: usize,
    /// Bytes charged for the incomplete message.
    partial: usize,
}

impl<S> Drop for Input<S> {
    fn drop(&mut self) {
        // The received bytes are not decoded any more.
        self.control.set_reading(false);
        self.control.recharge(self.partial, 0);
    }
}

/// The result of waiting for bytes.
enum Filled {
    Bytes,
    End,
    Interrupted(Interruption),
}

impl<S: AsyncRead + Unpin> Input<S> {
    pub(super) fn new(stream: SharedStream<S>, control: Rc<Control>) -> Self {
        let decoder = Decoder::new(control.limits().message_bytes);
        Self { stream, control, decoder, buffer: Vec::new(), decoded: 0, partial: 0 }
    }

    /// The next message for capnp-rpc. `None` when the peer closed between messages.
    pub(super) async fn next(&mut self) -> capnp::Result<Option<Incoming>> {
        loop {
            // One buffer can have many small messages. This lets other tasks of the thread run in between.
            tokio::task::consume_budget().await;
            let filled = if self.decoded < self.buffer.len() {
                poll_fn(|context| match self.control.poll_interruption(context) {
                    Poll::Ready(interruption) => Poll::Ready(Filled::Interrupted(interruption)),
                    Poll::Pending if self.control.congested() => {
                        self.control.set_reading(false);
                        Poll::Pending
                    }
                    Poll::Pending => Poll::Ready(Filled::Bytes),
                })
                .await
            } else {
                self.fill().await?
            };
            let segments = match filled {
                Filled::Interrupted(Interruption::Close(reason)) => return Err(reason),
                Filled::Interrupted(Interruption::Injected(segments)) => {
                    return Ok(Some(self.incoming(segments)));
                }
                Filled::End if self.decoder.within_message() => {
                    return Err(self.refuse(&FramingError::Truncated));
                }
                Filled::End => {
                    self.control.note(End::PeerClosed);
                    return Ok(None);
                }
                Filled::Bytes => self.decode()?,
            };
            let Some(segments) = segments else { continue };
            let mut incoming = self.incoming(segments);
            match self.control.admit(&mut incoming) {
                Ok(true) => return Ok(Some(incoming)),
                Ok(false) => {}
                Err(error) => {
                    let overloaded = error.kind == capnp::ErrorKind::Overloaded;
                    self.control.note(if overloaded { End::TooManyCalls } else { End::Protocol });
                    return Err(error);
                }
            }
        }
    }

    fn incoming(&self, segments: Segments) -> Incoming {
        let (bytes, charged) = (segments.bytes(), segments.memory() + MESSAGE_BYTES);
        let reader = Reader::new(segments, Limits::options_for(bytes));
        self.control.hold(bytes, charged);
        let extra = CallExtra::default();
        Incoming { reader, bytes, charged, is_call: false, extra, control: Rc::clone(&self.control) }
    }

    fn decode(&mut self) -> capnp::Result<Option<Segments>> {
        let mut input = &self.buffer[self.decoded..];
        let decoded = self.decoder.decode(&mut input);
        self.decoded = self.buffer.len() - input.len();
        self.control.set_reading(self.decoded < self.buffer.len());
        let decoded = decoded.map_err(|error| self.refuse(&error))?;
        self.charge_partial()?;
        Ok(decoded)
    }

    /// Charges what a large message takes before all of it is there; a small one is in what a connection is charged for anyway.
    fn charge_partial(&mut self) -> capnp::Result<()> {
        let memory = Some(self.decoder.memory()).filter(|bytes| *bytes > CHUNK).unwrap_or_default();
        let charged = std::mem::replace(&mut self.partial, memory);
        if charged != memory && !self.control.recharge(charged, memory) {
            self.partial = 0;
            self.control.note(End::TooMuchMemory);
            return Err(self.control.no_memory());
        }
        Ok(())
    }

    /// The error of a peer that does not keep to the protocol or to the limits.
    fn refuse(&self, error: &FramingError) -> capnp::Error {
        if *error == FramingError::Truncated {
            self.control.note(End::Lost);
            return capnp::Error::disconnected(error.to_string());
        }
        self.control.note(End::TooLarge);
        capnp::Error::failed(error.to_string())
    }

    /// Reads bytes into the empty buffer. Within a message there is a deadline.
    async fn fill(&mut self) -> capnp::Result<Filled> {
        self.buffer.clear();
        self.buffer.shrink_to(IDLE_BYTES);
        self.decoded = 0;
        let (stall, within_message) = (self.control.limits().stall, self.decoder.within_message());
        let Self { stream, control, buffer, .. } = self;
        let reading = poll_fn(|context| {
            if let Poll::Ready(interruption) = control.poll_interruption(context) {
                return Poll::Ready(Ok(Filled::Interrupted(interruption)));
            }
            if control.congested() {
                return Poll::Pending;
            }
            // On the stack, so that a waiting connection needs no memory for it.
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let mut stream = stream.borrow_mut();
            let Some(stream) = stream.as_mut() else { return Poll::Ready(Ok(Filled::End)) };
            match ready!(Pin::new(stream).poll_read(context, &mut chunk)) {
                Ok(()) if chunk.filled().is_empty() => Poll::Ready(Ok(Filled::End)),
                Ok(()) => {
                    buffer.extend_from_slice(chunk.filled());
                    Poll::Ready(Ok(Filled::Bytes))
                }
                Err(error) => {
                    control.note(End::Lost);
                    Poll::Ready(Err(lost(&error)))
                }
            }
        });
        if !within_message {
            return reading.await;
        }
        tokio::time::timeout(stall, reading).await.unwrap_or_else(|_| {
            control.note(End::Stalled);
            Err(capnp::Error::disconnected(format!(
                "no more of a message came within {}",
                words::duration(stall)
            )))
        })
    }
}

/// The error of a connection that broke.
pub(super) fn lost(error: &std::io::Error) -> capnp::Error {
    capnp::Error::disconnected(format!("the connection was lost: {}", words::of_io(error)))
}

//! The writing side: writes all waiting bytes at once, and ends the connection if the peer does not read.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{error::Elapsed, timeout};

use super::End;
use super::control::Control;
use super::input::lost;
use super::network::SharedStream;
use super::outbox::Next;
use crate::words;

/// How long to wait for the peer to close after this side. Closing a socket with unread bytes resets it, and the peer would not
/// learn the reason.
const LINGER: Duration = Duration::from_secs(1);

/// Writes the output of the control until the end.
///
/// A failure goes to the reading side, where it ends capnp-rpc. Later output is dropped.
pub(super) async fn drive<S>(stream: SharedStream<S>, control: Rc<Control>) -> capnp::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut broken = false;
    loop {
        let next = poll_fn(|context| control.poll_output(context)).await;
        let result = match next {
            Next::End(result, ended) => {
                if !broken {
                    close(&stream, &control).await;
                }
                let _ = ended.send(());
                return result;
            }
            Next::Write(bytes) if broken => {
                control.wrote(bytes.len());
                control.reuse(bytes);
                Ok(())
            }
            Next::Flush if broken => {
                control.flushed();
                Ok(())
            }
            Next::Write(bytes) => {
                let written = write(&stream, &control, &bytes).await;
                control.reuse(bytes);
                written
            }
            Next::Flush => flush(&stream, &control).await,
            Next::Overflow(End::TooMuchMemory) => Err((End::TooMuchMemory, control.no_memory())),
            Next::Overflow(end) => {
                let limit = control.limits().queued_bytes;
                let reason = format!("the peer does not read: more than {limit} bytes wait to be written");
                Err((end, capnp::Error::overloaded(reason)))
            }
        };
        if let Err((end, error)) = result {
            broken = true;
            control.close(end, error);
            control.discard_output();
        }
    }
}

type Failure = (End, capnp::Error);

async fn write<S: AsyncWrite + Unpin>(
    stream: &SharedStream<S>,
    control: &Control,
    bytes: &[u8],
) -> Result<(), Failure> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let writing =
            poll_fn(|context| with(stream, context, |stream, context| stream.poll_write(context, rest)));
        let count = taken(within(control.limits().stall, writing).await, control)?;
        if count == 0 {
            return Err((End::Lost, lost(&io::ErrorKind::WriteZero.into())));
        }
        control.wrote(count);
        rest = &rest[count..];
    }
    Ok(())
}

async fn flush<S: AsyncWrite + Unpin>(stream: &SharedStream<S>, control: &Control) -> Result<(), Failure> {
    let flushing = poll_fn(|context| with(stream, context, |stream, context| stream.poll_flush(context)));
    taken(within(control.limits().stall, flushing).await, control)?;
    control.flushed();
    Ok(())
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &SharedStream<S>, control: &Control) {
    let shutdown = poll_fn(|context| with(stream, context, |stream, context| stream.poll_shutdown(context)));
    if matches!(timeout(control.limits().stall, shutdown).await, Ok(Ok(()))) {
        // The connection is over, with any result.
        let _ = timeout(LINGER, discard(stream)).await;
    }
}

/// The same as `timeout`, without the cost of a timer when the future is ready at once.
async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(limit, future).await,
    }
}

/// Polls the stream, unless it is closed.
fn with<S: Unpin, T>(
    stream: &SharedStream<S>,
    context: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    match stream.borrow_mut().as_mut() {
        Some(stream) => poll(Pin::new(stream), context),
        None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
    }
}

fn taken<T>(result: Result<io::Result<T>, Elapsed>, control: &Control) -> Result<T, Failure> {
    match result {
        Ok(result) => result.map_err(|error| (End::Lost, lost(&error))),
        Err(_) => {
            let stall = control.limits().stall;
            Err((
                End::NotReading,
                capnp::Error::overloaded(format!("the peer did not read for {}", words::duration(stall))),
            ))
        }
    }
}

/// Reads until the peer closes.
async fn discard<S: AsyncRead + Unpin>(stream: &SharedStream<S>) {
    let reading = poll_fn(|context| {
        with(stream, context, |mut stream, context| {
            loop {
                let mut chunk = [const { MaybeUninit::uninit() }; 4096];
                let mut chunk = ReadBuf::uninit(&mut chunk);
                ready!(stream.as_mut().poll_read(context, &mut chunk))?;
                if chunk.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        })
    });
    let _ = reading.await;
}

//! The writing side: what waits goes out, as much as there is at a time, and the peer has to take it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::ready;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::End;
use super::control::Control;
use super::input::lost;
use super::outbox::Next;

/// How long the peer may take to close after we did. If we closed the socket with bytes of it unread, it would be reset, and the
/// peer would not learn why.
const LINGER: Duration = Duration::from_secs(1);

/// Writes what the control has, until it is told to end.
pub(super) async fn drive<S>(stream: Rc<RefCell<S>>, control: Rc<Control>) -> capnp::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stall = control.limits().stall;
    loop {
        match poll_fn(|context| control.poll_output(context)).await {
            Next::Write(bytes) => write(&stream, &control, &bytes).await?,
            Next::Flush => {
                let flushing = poll_fn(|context| Pin::new(&mut *stream.borrow_mut()).poll_flush(context));
                taken(timeout(stall, flushing).await, &control)?;
                control.flushed();
            }
            Next::Overflow => {
                control.note(End::NotReading);
                let limit = control.limits().queued_bytes;
                return Err(capnp::Error::overloaded(format!(
                    "the peer does not read: more than {limit} bytes wait to be written"
                )));
            }
            Next::End(result, ended) => {
                let shutdown = poll_fn(|context| Pin::new(&mut *stream.borrow_mut()).poll_shutdown(context));
                if matches!(timeout(stall, shutdown).await, Ok(Ok(()))) {
                    // Whatever comes of it, the connection is over.
                    let _ = timeout(LINGER, discard(&stream)).await;
                }
                let _ = ended.send(());
                return result;
            }
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(
    stream: &RefCell<S>,
    control: &Control,
    bytes: &[u8],
) -> capnp::Result<()> {
    let (mut rest, stall) = (bytes, control.limits().stall);
    while !rest.is_empty() {
        let writing = poll_fn(|context| Pin::new(&mut *stream.borrow_mut()).poll_write(context, rest));
        let count = taken(timeout(stall, writing).await, control)?;
        if count == 0 {
            return Err(lost(control, &io::ErrorKind::WriteZero.into()));
        }
        control.wrote(count);
        rest = &rest[count..];
    }
    Ok(())
}

fn taken<T>(
    result: Result<io::Result<T>, tokio::time::error::Elapsed>,
    control: &Control,
) -> capnp::Result<T> {
    match result {
        Ok(result) => result.map_err(|error| lost(control, &error)),
        Err(_) => {
            control.note(End::NotReading);
            let stall = control.limits().stall;
            Err(capnp::Error::overloaded(format!("the peer did not read for {stall:?}")))
        }
    }
}

/// Reads until the peer closes.
async fn discard<S: AsyncRead + Unpin>(stream: &RefCell<S>) {
    poll_fn(|context| {
        loop {
            let mut chunk = [const { MaybeUninit::uninit() }; 4096];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = ready!(Pin::new(&mut *stream.borrow_mut()).poll_read(context, &mut chunk));
            if read.is_err() || chunk.filled().is_empty() {
                return std::task::Poll::Ready(());
            }
        }
    })
    .await;
}
